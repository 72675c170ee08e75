"""The names of this host's users. Looking one up may ask a directory server, so it has a deadline and is remembered."""

from __future__ import annotations

import asyncio
import pwd

_REMEMBERED_S = 300.0
_MOST = 1000


class Users:
    """Names by number. One that is late is there for whoever asks next."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._until_s: dict[int, float] = {}
        self._asking: dict[int, asyncio.Task[None]] = {}

    async def name_of(self, uid: int, *, within_s: float) -> str:
        """Return the user's name; `uid-<number>` where there is none, or none is found within the deadline."""
        if asyncio.get_running_loop().time() >= self._until_s.get(uid, 0.0):
            await asyncio.wait({self._ask(uid)}, timeout=within_s)
        return self._names.get(uid, f"uid-{uid}")

    def _ask(self, uid: int) -> asyncio.Task[None]:
        """Return the one look-up of this user that is under way: threads are not many."""
        if uid not in self._asking:
            self._asking[uid] = asyncio.create_task(self._look_up(uid), name=f"user-{uid}")
            self._asking[uid].add_done_callback(lambda _: self._asking.pop(uid))
        return self._asking[uid]

    async def _look_up(self, uid: int) -> None:
        name = await asyncio.to_thread(_name_of, uid)
        if len(self._names) >= _MOST:
            self._names.clear()
            self._until_s.clear()
        self._names[uid] = name
        self._until_s[uid] = asyncio.get_running_loop().time() + _REMEMBERED_S


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"
