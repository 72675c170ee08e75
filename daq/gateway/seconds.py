"""Tokens of second persons: good for two minutes, once, for what they signed, at the session beside which they did."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from daq.errors import AccessError

WITHIN_S = 120.0
_MOST = 100


@dataclass(frozen=True, slots=True)
class _Second:
    session: str
    user: str
    what: str
    until_s: float


class Seconds:
    """Who signed in beside whom. Tokens are kept as hashes; `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, _Second] = {}

    def begin(self, session: str, user: str, what: str) -> str:
        """Return a token for a second person beside a session. `what` is signed: a command's fingerprint."""
        now_s = self._clock()
        self._known = {token: told for token, told in self._known.items() if told.until_s > now_s}
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        token = secrets.token_urlsafe(32)
        self._known[_hashed(token)] = _Second(session, user, what, now_s + WITHIN_S)
        return token

    def take(self, session: str, token: str | None, what: str) -> str:
        """Return who stands beside a session, empty without a token.

        Raise `AccessError` for one that is too old, was used, or was signed for something else.
        """
        if not token:
            return ""
        told = self._known.pop(_hashed(token), None)
        if told is None or told.session != session or told.until_s < self._clock():
            raise AccessError(f"the second signature is older than {WITHIN_S / 60:.0f} min, or was used: sign again")
        if told.what != what:
            raise AccessError(f"{told.user} signed for something else than this: sign again")
        return told.user


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
