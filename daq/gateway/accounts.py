"""The people who sign in by password: a file of users, their roles, and what their passwords hash to.

Passwords are hashed by scrypt (RFC 7914), the parameters stand beside each. An unknown user costs as long as a wrong
password.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daq.errors import FormatError, MissingError, RefusedError, UsageError
from daq.gateway.privatefile import alone, read_private, write_private
from daq.model.station import Role, utc_now
from daq.model.words import unreadable_name

SCHEMA = "console-users/0"
USERS_FILE = "console-users.json"
LEAST_LETTERS = 10
_MOST_LETTERS = 200
_MOST_NAME = 64
_MOST_USERS = 1000
_SALT_BYTES = 16
_N, _R, _P = 1 << 15, 8, 1
_LEAST_N, _MOST_N = 1 << 14, 1 << 18
_MEMORY = 320 << 20


@dataclass(frozen=True, slots=True)
class Account:
    """A user. `n`, `r`, `p` are the parameters of scrypt."""

    role: Role
    salt: bytes
    hashed: bytes
    n: int = _N
    r: int = _R
    p: int = _P
    since_utc: str = ""

    @property
    def proof(self) -> str:
        """Return what changes when the password is changed, and says nothing of it."""
        return hashlib.sha256(self.salt + self.hashed).hexdigest()[:32]


_NOBODY = Account(Role.VIEWER, bytes(_SALT_BYTES), bytes(32))


def right(account: Account | None, password: str) -> bool:
    """Return whether it is the user's password; for an unknown user False, after as long. Takes some 0.1 s."""
    known = account or _NOBODY
    found = _hash(password, known.salt, known.n, known.r, known.p)
    return hmac.compare_digest(found, known.hashed) and account is not None


def made(role: Role, password: str) -> Account:
    """Return an account; raise `UsageError` for a password that is too short or too long."""
    letters = len(_plain(password))
    if not LEAST_LETTERS <= letters <= _MOST_LETTERS:
        raise UsageError(f"the password has {letters} letters; it takes {LEAST_LETTERS} to {_MOST_LETTERS}")
    salt = os.urandom(_SALT_BYTES)
    return Account(role, salt, _hash(password, salt, _N, _R, _P), _N, _R, _P, utc_now())


def checked_name(name: str) -> str:
    """Return the name of a user as it is kept; raise `UsageError` for one that cannot be."""
    found = unicodedata.normalize("NFC", name)
    if not 1 <= len(found) <= _MOST_NAME or found != found.strip() or not found.isprintable():
        raise UsageError(f"the name of a user takes 1 to {_MOST_NAME} printable letters, with no space at its ends")
    if (why := unreadable_name(found)) is not None:
        raise UsageError(f"the name of a user {why}")
    return found


def load_accounts(path: Path) -> dict[str, Account]:
    """Return who may sign in, nobody where there is no file. Raise `RefusedError` or `FormatError`."""
    found = read_private(path, SCHEMA)
    if found is None:
        return {}
    try:
        return {str(name): _account(told) for name, told in dict(found["users"]).items()}
    except (KeyError, TypeError, ValueError) as why:
        raise FormatError(f"{path} has an entry that is no account: {type(why).__name__}") from None


def add_account(path: Path, name: str, role: Role, password: str) -> None:
    """Add a user. Raise `RefusedError` where there is one of that name."""
    user, account = checked_name(name), made(role, password)

    def add(users: dict[str, Account]) -> None:
        if user in users:
            raise RefusedError(f"there is a user {user} already: `daq console user role` and `password` change one")
        if len(users) >= _MOST_USERS:
            raise RefusedError(f"there are {len(users)} users, which is the limit")
        users[user] = account

    _change(path, add)


def change_account(path: Path, name: str, *, role: Role | None = None, password: str | None = None) -> None:
    """Give a user another role, or another password. Raise `MissingError` where there is no such user."""
    fresh = made(Role.VIEWER, password) if password is not None else None

    def change(users: dict[str, Account]) -> None:
        old = _known(users, name, path)
        new = fresh or old
        given = old.role if role is None else role
        users[name] = Account(given, new.salt, new.hashed, new.n, new.r, new.p, new.since_utc)

    _change(path, change)


def remove_account(path: Path, name: str) -> None:
    """Remove a user. Raise `MissingError` where there is no such user."""

    def remove(users: dict[str, Account]) -> None:
        _known(users, name, path)
        del users[name]

    _change(path, remove)


def _known(users: dict[str, Account], name: str, path: Path) -> Account:
    if name not in users:
        raise MissingError(f"there is no user {name!r} in {path}")
    return users[name]


def _change(path: Path, change: Callable[[dict[str, Account]], None]) -> None:
    with alone(path):
        users = load_accounts(path)
        change(users)
        write_private(path, {"schema": SCHEMA, "users": {name: _json(users[name]) for name in sorted(users)}})


def _json(account: Account) -> dict[str, Any]:
    return {
        "role": account.role.name.lower(), "since_utc": account.since_utc, "scrypt": {
            "n": account.n, "r": account.r, "p": account.p, "salt": account.salt.hex(), "hash": account.hashed.hex(),
        },
    }  # fmt: skip


def _account(told: dict[str, Any]) -> Account:
    by = told["scrypt"]
    n, r, p = int(by["n"]), int(by["r"]), int(by["p"])
    if not (_LEAST_N <= n <= _MOST_N and n & (n - 1) == 0 and 1 <= r <= _R and p == _P):
        raise ValueError("scrypt")
    role, since = Role[str(told["role"]).upper()], str(told["since_utc"])
    return Account(role, bytes.fromhex(by["salt"]), bytes.fromhex(by["hash"]), n, r, p, since)


def _hash(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(_plain(password).encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


def _plain(password: str) -> str:
    """Return a password as every keyboard writes it."""
    return unicodedata.normalize("NFKC", password)
