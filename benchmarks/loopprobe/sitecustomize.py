"""Looks at the loop of a daemon from within, where `SCANDAQ_LOOP_PROBE` names a file: Python imports it by its name.

The file has, as JSON: how late the loop turned, in ms, and the callbacks that took most of its processor time, with
their wall time, which on a busy machine is longer than they can help. Deleted, it is begun anew. Nothing of the daemon
knows of this.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio import events
from collections.abc import Callable
from pathlib import Path
from typing import Any

_EVERY_S, _SAY_S, _MOST, _LONG_S = 0.005, 0.25, 40, 0.01
_FILE = os.environ.get("SCANDAQ_LOOP_PROBE", "")


class Probe:
    """Counts in the loop's thread."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.begin()

    def begin(self) -> None:
        """Forget what was."""
        self.lags_ms: list[float] = []
        self.holds: list[tuple[float, float, str]] = []

    def run(self, handle: Any, run: Callable[[Any], Any]) -> None:
        """Run a callback, and keep it where it was a long one."""
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        run(handle)
        took_s = time.perf_counter() - wall_s
        if took_s > _LONG_S:
            self.holds.append((took_s * 1e3, (time.thread_time() - cpu_s) * 1e3, _name(handle)))
            self.holds = sorted(self.holds, key=lambda each: each[1], reverse=True)[:_MOST]  # by processor time

    async def watch(self) -> None:
        """Measure how late the loop turns, and write it, for ever."""
        said_s = time.perf_counter()
        while True:
            due_s = time.perf_counter() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            now_s = time.perf_counter()
            self.lags_ms.append(max(0.0, now_s - due_s) * 1e3)
            if now_s - said_s > _SAY_S:
                said_s = now_s
                if await asyncio.to_thread(self._say, self.lags_ms[:], self.holds[:]):
                    self.begin()

    def _say(self, lags_ms: list[float], holds: list[tuple[float, float, str]]) -> bool:
        """Write it; return True where it was deleted since the last time. In a thread."""
        anew = not self._file.exists()
        part = self._file.with_suffix(".part")
        lags_ms, holds = ([], []) if anew else (lags_ms, holds)
        part.write_text(json.dumps({"lags_ms": [round(each, 2) for each in lags_ms], "holds": holds}))
        part.rename(self._file)
        return anew


def _name(handle: Any) -> str:
    """Return what a callback is: of a task its coroutine, by name."""
    task = getattr(getattr(handle, "_callback", None), "__self__", None)
    if isinstance(task, asyncio.Task):
        return f"{task.get_name()}: {getattr(task.get_coro(), '__qualname__', '')}"
    return repr(getattr(handle, "_callback", handle))[:200]


def _begin(probe: Probe) -> None:
    """Have every callback of every loop timed, and the loop of the daemon watched."""
    run, main = events.Handle._run, asyncio.Runner.run  # noqa: SLF001 - there is no other place from which to time one

    def timed(handle: Any) -> None:
        probe.run(handle, run)

    def watched(runner: Any, coroutine: Any, **more: Any) -> Any:
        async def both() -> Any:
            watching = asyncio.get_running_loop().create_task(probe.watch(), name="loop probe")
            try:
                return await coroutine
            finally:
                watching.cancel()

        return main(runner, both(), **more)

    events.Handle._run = timed  # type: ignore[method-assign]  # noqa: SLF001
    asyncio.Runner.run = watched  # type: ignore[method-assign]


if _FILE and "serve" in sys.orig_argv:
    _begin(Probe(Path(_FILE)))
