"""Which commands may come through. Nothing that arrives is trusted: not its size, its text, its time, its number.

Stopping and lowering energy come through from every user, with any expiry, also written wrongly. Everything else needs
to be allowed by the site, to be one JSON object `{"id", "expires", "args"}`, to come once, and in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from string import ascii_letters, digits
from typing import Any, Literal

from daq.errors import AccessError, RefusedError, ScandaqError, UsageError
from daq.model.verbs import ALWAYS, ASKING, LOCAL, VERBS
from daq.wire.jsonlines import parse_object

MOST_BYTES = 16_384
LATEST_S = 60.0
"""A command may expire at most this far ahead; until then its id is remembered."""
_MOST_REMEMBERED = 10_000
_MOST_ID = 64
_ID_LETTERS = frozenset(ascii_letters + digits + "._-")
_MOST_TIME_LETTERS = 40
_KEYS = frozenset({"id", "expires", "args"})
_IDENTITY = frozenset({"patient", "administration"})
_WITH_OBJECT = frozenset({"lower-voltage"})
"""Verbs of `ALWAYS` whose arguments say what they are about: those are not guessed."""


@dataclass(frozen=True, slots=True)
class Command:
    """What arrives. `id`: 1 to 64 of letters, digits, dot, underscore, hyphen. `expires`: RFC 3339 with time zone."""

    id: str
    expires: str
    args: dict[str, Any] = field(default_factory=dict)


Result = Literal["accepted", "done", "refused"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered: first `accepted`, then `done`; or `refused` with the reason, also after `accepted`.

    `error` is the class of the error, as in the documentation of exit codes.
    """

    id: str
    verb: str
    result: Result
    reason: str = ""
    error: str = ""


class Gate:
    """Lets commands through or raises why not. Remembers ids until they expire, and refuses when it cannot."""

    def __init__(
        self,
        allowed: Collection[str],
        *,
        clock: Callable[[], float] = time.time,
        most_remembered: int = _MOST_REMEMBERED,
    ) -> None:
        """Allow the verbs of the site, and those of `ALWAYS` besides."""
        self.allowed = frozenset(allowed) | ALWAYS
        self._clock = clock
        self._most_remembered = most_remembered
        self._until: dict[tuple[str, str], float] = {}

    def check(self, user: str, verb: str, payload: bytes, *, retained: bool) -> Command:
        """Return the command; raise `UsageError`, `AccessError` or `RefusedError` saying what is wrong with it."""
        if retained:
            raise RefusedError("a retained command would be carried out again at every connect: publish without retain")
        if verb in ALWAYS:
            return _read_leniently(verb, payload)
        if verb not in self.allowed:
            raise AccessError(f"{verb[:40]!r} is not taken from MQTT here; what is: {', '.join(sorted(self.allowed))}")
        command = _read(payload)
        expires_s = self._in_time(command.expires)
        self._first_time((user, command.id), expires_s)
        return command

    def _in_time(self, text: str) -> float:
        expires_s = _parsed(text).timestamp()
        left_s = expires_s - self._clock()
        here = f"by this host's clock, {datetime.fromtimestamp(self._clock(), UTC):%Y-%m-%dT%H:%M:%SZ}"
        if left_s <= 0:
            raise RefusedError(f"expired {-left_s:.1f} s ago {here}; compare the clocks")
        if left_s > LATEST_S:
            raise RefusedError(f"expires in {left_s:.1f} s, limit {LATEST_S:g} s, {here}; compare the clocks")
        return expires_s

    def _first_time(self, key: tuple[str, str], expires_s: float) -> None:
        now = self._clock()
        if self._until.get(key, now) > now:
            raise RefusedError(f"the id {key[1]!r} was used before: every command needs its own")
        if len(self._until) >= self._most_remembered:
            self._until = {known: until for known, until in self._until.items() if until > now}
        if len(self._until) >= self._most_remembered:
            raise RefusedError(f"{self._most_remembered} commands came within {LATEST_S:g} s: no more for now")
        self._until[key] = expires_s


def readable_id(payload: bytes) -> str | None:
    """Return the id of a command that may be wrong otherwise, to answer it; None where it has none."""
    try:
        return _id_of(_object(payload))
    except ScandaqError:
        return None


def check_list(commands: Collection[str]) -> None:
    """Raise `UsageError` for a list of the site with verbs that do not exist, or that only ask."""
    unknown = [verb for verb in commands if verb not in VERBS or verb in ASKING | LOCAL]
    if unknown:
        known = ", ".join(verb for verb in VERBS if verb not in ASKING | LOCAL)
        raise UsageError(f"mqtt.commands: {', '.join(unknown)}: no such command; there are {known}")


def _read(payload: bytes) -> Command:
    said = _object(payload)
    unknown = said.keys() - _KEYS
    if unknown:
        raise UsageError(f"unknown key {sorted(unknown)[0][:40]!r}; a command has id, expires and args")
    identifier, expires, args = _id_of(said), said.get("expires"), said.get("args", {})
    if identifier is None:
        raise UsageError(f"id must be a text of 1 to {_MOST_ID} letters, digits, dots, underscores, hyphens")
    if not isinstance(expires, str):
        raise UsageError("expires must be a time such as 2026-11-22T14:05:07Z")
    if not isinstance(args, dict):
        raise UsageError("args must be an object")
    if _IDENTITY & args.keys():
        raise RefusedError("nothing about a patient goes over MQTT: give it at the console or on the local socket")
    return Command(identifier, expires, args)


def _read_leniently(verb: str, payload: bytes) -> Command:
    """Return a command that stops, whatever came with it."""
    try:
        said = _object(payload) if payload else {}
    except ScandaqError:
        if verb in _WITH_OBJECT:
            raise
        said = {}
    given = said.get("args")
    args: Mapping[str, Any] = given if isinstance(given, dict) else {}
    kept = args if verb in _WITH_OBJECT else {key: args[key] for key in _reason_of(args)}
    return Command(_id_of(said) or "", "", dict(kept))


def _reason_of(args: Mapping[str, Any]) -> Iterator[str]:
    """Yield `reason` where there is one that the daemon would take."""
    reason = args.get("reason")
    if isinstance(reason, str) and len(reason) <= 500:  # noqa: PLR2004 - as in daq.model.verbs
        yield "reason"


def _object(payload: bytes) -> dict[str, Any]:
    if len(payload) > MOST_BYTES:
        raise UsageError(f"{len(payload)} bytes, a command has at most {MOST_BYTES}")
    return parse_object(payload)


def _id_of(said: dict[str, Any]) -> str | None:
    found = said.get("id")
    fits = isinstance(found, str) and 0 < len(found) <= _MOST_ID and set(found) <= _ID_LETTERS
    return str(found) if fits else None


def _parsed(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text[:_MOST_TIME_LETTERS])
    except ValueError:
        raise UsageError(f"expires {text[:_MOST_TIME_LETTERS]!r} is no time such as 2026-11-22T14:05:07Z") from None
    if moment.tzinfo is None:
        raise UsageError(f"expires {text[:_MOST_TIME_LETTERS]!r} has no time zone: end it with Z or an offset")
    return moment
