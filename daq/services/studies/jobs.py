"""Long work on recordings, each in a process of its own: so many at a time, with progress, a deadline and an end.

The process says JSON lines: `{"progress": 0.4, "text": "..."}` while it works, `{"sentence": "...", "result": {...}}`
at its end. Its last line of errors says why it failed. Nothing here can cost a recording anything: all work reads it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from daq.errors import MissingError, RefusedError, ScandaqError
from daq.model.cleantext import clean_text
from daq.model.station import utc_now
from daq.services.childprocess import Ended, ended

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 16
_MOST_KEPT = 50
_MOST_LINE = 1 << 16
_MOST_TEXT = 300
_FAILED = 6

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Command = Callable[[Mapping[str, Any]], Sequence[str]]
"""Gives the command that does what is asked."""


@dataclass(slots=True)
class Job:
    """One piece of work. `asked` goes to its process; `told` is what people see of it."""

    kind: str
    acquisition: str
    by: str
    asked: Mapping[str, Any]
    told: Mapping[str, Any]
    id: str = field(default_factory=lambda: f"j-{secrets.token_hex(6)}")
    state: State = "waiting"
    put_utc: str = field(default_factory=utc_now)
    begun_utc: str | None = None
    ended_utc: str | None = None
    progress: float | None = None
    """From 0 to 1; None where it cannot say."""
    text: str = ""
    """What it is at, or what became of it, in a sentence."""
    result: dict[str, Any] = field(default_factory=dict)
    task: asyncio.Task[Any] | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "job": self.id, "kind": self.kind, "acquisition": self.acquisition, "by": self.by, "state": self.state,
            "put_utc": self.put_utc, "begun_utc": self.begun_utc, "ended_utc": self.ended_utc,
            "progress": self.progress, "text": self.text, "asked": dict(self.told), "result": self.result,
        }  # fmt: skip


class Jobs:
    """Does them in order, `at_once` at a time; at most 16 wait, the newest 50 that ended are remembered.

    `changed` is called after every change. A job that takes longer than `within_s` is ended. `revision` counts changes.
    """

    def __init__(
        self, command: Command, *, changed: Callable[[], None] = lambda: None, at_once: int = 1,
        within_s: float = 3600.0,
    ) -> None:  # fmt: skip
        self.revision = 0
        self._command, self._on_change, self._at_once, self._within_s = command, changed, at_once, within_s
        self._jobs: dict[str, Job] = {}
        self._more = asyncio.Condition()
        self._then: dict[str, Callable[[Job], Awaitable[None]]] = {}

    def after(self, kind: str, do: Callable[[Job], Awaitable[None]]) -> None:
        """Have something done whenever a job of a kind is done well, before it is told to be."""
        self._then[kind] = do

    async def put(self, job: Job) -> Job:
        """Let a job wait for its turn. Raise `RefusedError` where too many wait, or the same is asked for already."""
        waiting = [each for each in self._jobs.values() if each.state in ("waiting", "running")]
        same = next((each for each in waiting if (each.kind, each.asked) == (job.kind, job.asked)), None)
        if same is not None:
            raise RefusedError(
                f"{job.kind} of {job.acquisition}: {same.by} asked for the same already; it is {same.state}"
            )
        if sum(each.state == "waiting" for each in waiting) >= _MOST_WAITING:
            raise RefusedError(f"{_MOST_WAITING} jobs wait already, which is the limit; cancel one, or wait")
        self._jobs[job.id] = job
        self._forget()
        self._changed()
        async with self._more:
            self._more.notify_all()
        return job

    def listed(self) -> list[dict[str, Any]]:
        """Return all that are known, the newest first."""
        return [job.to_json() for job in reversed(self._jobs.values())]

    def cancel(self, identity: str) -> Job:
        """End a job. Raise `MissingError`, or `RefusedError` for one that has ended."""
        job = self._jobs.get(identity)
        if job is None:
            raise MissingError(f"there is no job {identity!r}")
        if job.state not in ("waiting", "running"):
            raise RefusedError(f"job {identity} has ended: it is {job.state}")
        if job.task is None:
            self._end(job, "cancelled", "Cancelled before it began.")
        else:
            job.task.cancel()
        return job

    async def run(self) -> None:
        """Do what waits until cancelled; then end what runs."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._at_once):
                group.create_task(self._serve(), name=f"jobs-{number}")

    async def _serve(self) -> None:
        while True:
            async with self._more:
                job = await self._more.wait_for(self._next)
                if job is None:  # never: it waits for one
                    continue
                job.state = "running"
            task = asyncio.create_task(self._do(job), name=f"job-{job.id}")
            job.task = task
            try:
                await asyncio.wait({task})
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _next(self) -> Job | None:
        return next((job for job in self._jobs.values() if job.state == "waiting"), None)

    async def _do(self, job: Job) -> None:
        job.begun_utc, job.text = utc_now(), ""
        self._changed()
        lines = _Lines(lambda told: self._heard(job, told))
        try:
            said = await ended(
                self._command(job.asked), within_s=self._within_s, name=f"job-{job.id}", heard=lines.heard
            )
            await self._ended(job, said)
        except asyncio.CancelledError:
            self._end(job, "cancelled", "Cancelled. Nothing half made is left.")
        except ScandaqError as why:
            self._end(job, "failed", str(why))

    async def _ended(self, job: Job, said: Ended) -> None:
        if said.code not in (0, _FAILED) or not job.result:
            _LOG.warning("job %s (%s) failed: %s", job.id, job.kind, said.why)
            self._end(job, "failed", said.why)
            return
        then = self._then.get(job.kind)
        if then is not None:
            await then(job)
        self._end(job, "done" if said.code == 0 else "failed", str(job.result.pop("sentence", "Done.")))

    def _heard(self, job: Job, told: Mapping[str, Any]) -> None:
        if "result" in told:
            job.result = {**dict(told["result"]), "sentence": clean_text(str(told.get("sentence", "")), _MOST_TEXT)}
            return
        share = told.get("progress")
        job.progress = min(1.0, max(0.0, float(share))) if isinstance(share, int | float) else None
        job.text = clean_text(str(told.get("text", "")), _MOST_TEXT)
        self._changed()

    def _end(self, job: Job, state: State, text: str) -> None:
        job.state, job.text, job.ended_utc, job.task = state, text[:1000], utc_now(), None
        job.progress = 1.0 if state == "done" else job.progress
        self._changed()

    def _forget(self) -> None:
        over = [job.id for job in self._jobs.values() if job.state not in ("waiting", "running")]
        for identity in over[: max(0, len(over) - _MOST_KEPT)]:
            del self._jobs[identity]

    def _changed(self) -> None:
        self.revision += 1
        self._on_change()


class _Lines:
    """Makes JSON lines of what comes in pieces; what is none, or too long, is passed over."""

    def __init__(self, told: Callable[[Mapping[str, Any]], None]) -> None:
        self._told, self._rest = told, b""

    def heard(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_MOST_LINE:]
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if isinstance(told, dict):
                self._told(told)
