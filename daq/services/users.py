"""The names of this host's users. Looking one up may ask a directory server, so it has a deadline and is remembered."""

from __future__ import annotations

import pwd
import time

from daq.errors import DeadlineError, RefusedError
from daq.services.worker import Worker

_REMEMBERED_S = 300.0
_MOST = 1000


class Users:
    """Names by number."""

    def __init__(self) -> None:
        self._worker = Worker("users", threads=2)
        self._known: dict[int, tuple[str, float]] = {}

    async def name_of(self, uid: int, *, within_s: float) -> str:
        """Return the user's name; `uid-<number>` where there is none, or none is found within the deadline.

        One that is found too late is there for whoever asks next.
        """
        name, until_s = self._known.get(uid, (f"uid-{uid}", 0.0))
        if time.monotonic() < until_s:
            return name
        try:
            return await self._worker.call_within(within_s, self._look_up, uid)
        except (DeadlineError, RefusedError):  # the directory server hangs, perhaps for all who wait
            return name

    def close(self) -> None:
        """Look up nothing more."""
        self._worker.close()

    def _look_up(self, uid: int) -> str:
        name, until_s = self._known.get(uid, ("", 0.0))
        if time.monotonic() < until_s:  # somebody who asked at the same time was first
            return name
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = f"uid-{uid}"
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[uid] = name, time.monotonic() + _REMEMBERED_S
        return name
