"""Commands that are asked for twice are done once: what was answered is kept for whoever asks again with the same key.

A browser sends a command again when the network failed, a hand presses twice. The same key, session, verb and body get
the same answer, also while the first is still under way; the same key with another body is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from daq.errors import BusyError, UsageError

KEEP_S = 600.0
_MOST = 4000
_MOST_OF_ONE = 8
"""Commands of one session under way."""
_MOST_BYTES = 32 << 20
KEY_PATTERN = "^[A-Za-z0-9_-]{8,64}$"
_KEY = re.compile(KEY_PATTERN)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent: an HTTP status, its media type, a body in JSON."""

    status: int
    body: bytes
    media_type: str = "application/json"


Doing = Callable[[], Coroutine[Any, Any, Answer]]


@dataclass(slots=True, eq=False)
class _Entry:
    asked: str
    task: asyncio.Task[Answer]
    since_s: float
    size: int = 0


class Answers:
    """Keeps them, of all sessions together at most 4000 for ten minutes and 32 MiB. `clock`: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._under_way: Counter[str] = Counter()
        self._kept_bytes = 0
        self.dropped = 0
        """Answers that were forgotten before their time, because there were too many."""

    async def once(self, whose: str, key: str, asked: str, do: Doing, *, within_s: float) -> Answer | None:
        """Return the answer of `do`, which is called once for a key; None where it is not there within `within_s`.

        `asked` says what is asked for, verb and body. Raise `UsageError` for a key that was used for something else.
        """
        entry = self._entries.get((whose, key))
        if entry is None:
            entry = self._begin(whose, key, asked, do)
        elif entry.asked != asked:
            raise UsageError(f"the Idempotency-Key {key} was used for another request: each takes a key of its own")
        await asyncio.wait({entry.task}, timeout=within_s)
        return entry.task.result() if entry.task.done() and not entry.task.cancelled() else None

    def known(self, whose: str, key: str) -> bool:
        """Return whether this was asked before."""
        self._forget_old()
        return (whose, key) in self._entries

    def _begin(self, whose: str, key: str, asked: str, do: Doing) -> _Entry:
        self._forget_old()
        if self._under_way[whose] >= _MOST_OF_ONE:
            raise BusyError(f"{_MOST_OF_ONE} commands of this session are under way, which is the limit; wait for one")
        self._make_room()
        entry = _Entry(asked, asyncio.create_task(do(), name="console-command"), self._clock())
        self._entries[whose, key] = entry
        self._under_way[whose] += 1
        entry.task.add_done_callback(lambda _: self._done((whose, key), entry))
        return entry

    def _done(self, key: tuple[str, str], entry: _Entry) -> None:
        self._under_way -= Counter([key[0]])  # a session of which nothing is under way is forgotten
        if self._entries.get(key) is entry and not entry.task.cancelled() and entry.task.exception() is None:
            entry.size = len(entry.task.result().body)
            self._kept_bytes += entry.size

    def _forget_old(self) -> None:
        """Forget what is too old; the oldest stand first."""
        long_ago_s = self._clock() - KEEP_S
        for key in list(takewhile(lambda key: self._entries[key].since_s < long_ago_s, self._entries)):
            self._forget(key)

    def _make_room(self) -> None:
        oldest = iter(list(self._entries)) if self._is_full() else iter(())
        for key in oldest:
            if not self._is_full():
                return
            self.dropped += self._forget(key)
        if len(self._entries) >= _MOST:
            raise BusyError(f"{_MOST} commands are under way, which is the limit; try again")

    def _is_full(self) -> bool:
        return len(self._entries) >= _MOST or self._kept_bytes > _MOST_BYTES

    def _forget(self, key: tuple[str, str]) -> bool:
        """Forget an answer; return False for what is under way, which stays."""
        if not self._entries[key].task.done():
            return False
        self._kept_bytes -= self._entries.pop(key).size
        return True


def checked_key(key: str | None) -> str:
    """Return a key; raise `UsageError` for one that is missing or none."""
    if key is None:
        raise UsageError("the header Idempotency-Key is missing: a command is done once for each key, such as a UUID")
    if not _KEY.fullmatch(key):
        raise UsageError("the header Idempotency-Key takes 8 to 64 letters, digits, - and _, such as a UUID")
    return key


def of_command(verb: str, args: Mapping[str, Any]) -> str:
    """Return what tells one command from another."""
    return fingerprint(verb, json.dumps(args, sort_keys=True).encode())


def fingerprint(verb: str, args: bytes) -> str:
    """Return what tells one request from another, without keeping what it says."""
    return hashlib.sha256(verb.encode() + b"\0" + args).hexdigest()
