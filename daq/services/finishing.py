"""Has the pictures and the verdict of an acquisition made after it is sealed, by a process of its own, one at a time.

Nothing here can cost a recording anything: it is sealed, and the process has the lowest priority, a deadline and a
bounded answer. What fails is an alarm that says what to do by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from daq.model.station import DAEMON, Priority
from daq.services.alarms import Alarms
from daq.services.audit import Audit

_LOG = logging.getLogger(__name__)
_DEVICE = "study"
_MOST_WAITING = 32
_MOST_ANSWER_BYTES = 1 << 24
_MOST_ERROR_BYTES = 1 << 14
_END_S = 2.0
_SHOWN = 2
_FAILED = 6
_URGENCY: dict[str, Priority] = {"doubtful": "low", "bad": "medium"}

Command = Callable[[Path], Sequence[str]]
"""Gives the command that finishes a recording and prints what it made as one JSON object."""


class Finishing:
    """Finishes recordings in the order in which they ended. `finished` and `failed` count them.

    At most 32 wait; one beyond is an alarm at once. A process that takes longer than `within_s` is killed.
    """

    def __init__(self, command: Command, alarms: Alarms, audit: Audit, *, within_s: float = 900.0) -> None:
        self.finished = self.failed = 0
        self._command, self._alarms, self._audit, self._within_s = command, alarms, audit, within_s
        self._waiting: asyncio.Queue[Path] = asyncio.Queue(_MOST_WAITING)

    def put(self, directory: Path) -> None:
        """Have a recording finished when its turn comes; return at once."""
        try:
            self._waiting.put_nowait(directory)
        except asyncio.QueueFull:
            self._fail(directory, f"{_MOST_WAITING} others wait for theirs already")

    async def run(self) -> None:
        """Finish one recording after the other until cancelled; then end the process under way, which loses nothing."""
        while True:
            await self._finish(await self._waiting.get())

    async def _finish(self, directory: Path) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(directory), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError as why:
            self._fail(directory, f"its process cannot be started: {why.strerror or why}")
            return
        said = [
            asyncio.create_task(_bounded(stream, most), name=f"finishing-{directory.name}")
            for stream, most in ((process.stdout, _MOST_ANSWER_BYTES), (process.stderr, _MOST_ERROR_BYTES))
        ]
        try:
            async with asyncio.timeout(self._within_s):
                code = await process.wait()
                answer, errors = await asyncio.gather(*said)
        except TimeoutError:
            self._fail(directory, f"not done within {self._within_s:g} s, and ended")
        else:
            self._heard(directory, code, answer, errors.decode(errors="replace").strip())
        finally:
            await _ended(process)
            await asyncio.wait(said, timeout=_END_S)
            for each in said:
                each.cancel()

    def _heard(self, directory: Path, code: int, answer: bytes, errors: str) -> None:
        """Take what the process said: what was made and the verdict, or why nothing was."""
        if errors:
            _LOG.warning("finishing %s: %s", directory, errors)
        try:
            told = json.loads(answer) if code in (0, _FAILED) else None
        except ValueError:
            told = None
        if not isinstance(told, dict):
            self._fail(directory, errors.splitlines()[-1] if errors else f"its process ended with code {code}")
            return
        self.finished += 1
        verdict: dict[str, Any] = told.get("verdict") or {}
        grade = str(verdict.get("grade") or "none")
        files, problems = told.get("files") or {}, told.get("problems") or []
        made = f"{len(files)} files, verdict {grade}, SHA256SUMS {told.get('sums_sha256')}"
        self._audit.note(DAEMON, "finish", directory.name, result="done", new=made)
        _LOG.info("finished %s: %s", directory, made)
        if problems:
            self._ring("not-finished", f"{directory.name}: {problems[0]}", _by_hand(directory))
        if grade in _URGENCY:
            self._judged(directory, grade, verdict.get("sentences") or [])

    def _judged(self, directory: Path, grade: str, sentences: Sequence[str]) -> None:
        more = len(sentences) - _SHOWN
        text = f"{directory.name} is {grade}: {'; '.join(sentences[:_SHOWN])}" + (
            f"; and {more} more" if more > 0 else ""
        )
        guidance = f"look at it before the patient leaves: daq study show {directory}, images/contact-sheet.png"
        self._ring("verdict", text, guidance, _URGENCY[grade])

    def _fail(self, directory: Path, why: str) -> None:
        self.failed += 1
        self._audit.note(DAEMON, "finish", directory.name, result="failed", error=why)
        self._ring("not-finished", f"pictures and verdict of {directory.name} are missing: {why}", _by_hand(directory))

    def _ring(self, name: str, text: str, guidance: str, priority: Priority = "medium") -> None:
        """Show it until somebody has seen it."""
        self._alarms.raise_(_DEVICE, name, priority=priority, text=text, guidance=guidance)
        self._alarms.clear(_DEVICE, name)


def _by_hand(directory: Path) -> str:
    return f"the recording is sealed and safe; make them by hand: daq study finish {directory} --again"


async def _bounded(stream: asyncio.StreamReader | None, most: int) -> bytes:
    """Return what a stream says, at most so many bytes; the rest is read and dropped: its writer never waits."""
    kept = bytearray()
    while stream is not None and (piece := await stream.read(1 << 16)):
        kept += piece[: most - len(kept)]
    return bytes(kept)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End a process that still runs, and what it started: asked first, killed where it does not hear."""
    for end in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, end)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await process.wait()
