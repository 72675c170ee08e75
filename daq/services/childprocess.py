"""Runs a process of its own within a deadline and hears what it says, bounded; nothing of it is left afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from daq.errors import DeadlineError, UnexpectedError

_MOST_ANSWER_BYTES = 1 << 24
_MOST_ERROR_BYTES = 1 << 14
_END_S = 2.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended. `answer` and `errors` are the beginning of what it wrote: 16 MiB and 16 KiB at most."""

    code: int | None
    answer: bytes
    errors: str

    @property
    def why(self) -> str:
        """Return why it failed, as far as it said: the last line of its errors, else its code."""
        return self.errors.splitlines()[-1] if self.errors else f"its process ended with code {self.code}"


async def ended(
    command: Sequence[str], *, within_s: float, name: str, heard: Callable[[bytes], None] | None = None
) -> Ended:
    """Run a command to its end, in a session of its own. `heard` is called in the loop with what it says, as it comes.

    One that takes longer than `within_s` is killed with all that it started, and so is one whose caller is cancelled.
    Raise `DeadlineError`, or `UnexpectedError` where it cannot be started.
    """
    starting = asyncio.create_task(_started(command, heard), name=name)
    try:
        transport, said = await _whole(starting)
        async with asyncio.timeout(within_s):
            await said.ended.wait()
    except TimeoutError:
        raise DeadlineError(f"not done within {within_s:g} s, and ended") from None
    except OSError as why:
        raise UnexpectedError(f"its process cannot be started: {why.strerror or why}") from None
    else:
        errors = bytes(said.errors).decode(errors="replace").strip()
        return Ended(transport.get_returncode(), bytes(said.answer), errors)
    finally:
        if starting.exception() is None:
            await _whole(asyncio.create_task(_end(*starting.result())))


class _Said(asyncio.SubprocessProtocol):
    """Keeps what a process says, at most so many bytes; the rest is dropped, so that its writer never waits.

    `ended` is set when the process has ended and nobody holds its pipes any more.
    """

    def __init__(self, heard: Callable[[bytes], None] | None = None) -> None:
        self._heard = heard
        self.answer, self.errors, self.ended = bytearray(), bytearray(), asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept, most = (self.answer, _MOST_ANSWER_BYTES) if fd == 1 else (self.errors, _MOST_ERROR_BYTES)
        kept += data[: most - len(kept)]
        if fd == 1 and self._heard is not None:
            self._heard(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def _started(
    command: Sequence[str], heard: Callable[[bytes], None] | None
) -> tuple[asyncio.SubprocessTransport, _Said]:
    loop = asyncio.get_running_loop()
    return await loop.subprocess_exec(
        lambda: _Said(heard), *command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
    )


async def _end(transport: asyncio.SubprocessTransport, said: _Said) -> None:
    """End a process that still runs and what it started: asked first, killed where it does not hear; free its pipes."""
    for end in (signal.SIGTERM, signal.SIGKILL):
        if said.ended.is_set():
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(transport.get_pid(), end)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await said.ended.wait()
    transport.close()


async def _whole(task: asyncio.Task[_T]) -> _T:
    """Wait for the end of a task, which must have a bound of its own, even when cancelled; be cancelled afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as why:
            cancelled = why
    if cancelled is not None:
        raise cancelled
    return task.result()
