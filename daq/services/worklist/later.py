"""Later views of somebody who was acquired before: the entry of that exam, made where there is none any more."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from daq.errors import MissingError, RefusedError
from daq.model.console.worklist import ScheduledStep
from daq.model.console.worklist_verbs import WorklistLate
from daq.model.station import Actor
from daq.services.worklist.desk import Desk, Handler, require_usable
from daq.services.worklist.kept import RunNote
from daq.services.worklist.store import Store


class Later:
    """Carries out `worklist-late`. What is prepared for the entry belongs to the study of the earlier acquisition."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._turn = asyncio.Lock()
        """Two presses at once are one entry."""

    @property
    def handlers(self) -> dict[str, Handler]:
        """Return who carries out which verb."""
        return {"worklist-late": self._late}

    async def _late(self, request: WorklistLate, actor: Actor) -> dict[str, Any]:
        async with self._turn:
            return await self._entry(request, actor)

    async def _entry(self, request: WorklistLate, actor: Actor) -> dict[str, Any]:
        known = list(self._desk.known.items())
        found = next((key for key, kept in known if kept.other is None and request.run in kept.runs), None)
        if found is None:
            return {"entry": await self._entered(request.run, actor)}
        require_usable(self._desk.known[found])
        return {"entry": found}

    async def _entered(self, run: str, actor: Actor) -> str:
        around = self._desk.around
        if not await asyncio.to_thread(around.acquisitions.there, run):
            raise MissingError(f"there is no acquisition {run!r} that a view could be added to")
        identity = await asyncio.to_thread(around.acquisitions.identity, run)
        if identity is None:
            raise RefusedError(f"{run} is of nobody: there is no patient of whom a view could be added")
        step = ScheduledStep(
            key=Store.new_key(), start=around.clock(), identity=identity, origin="manual",
            modality=min(around.modalities, default="NM"), procedure="Late view", reason="late view of an earlier exam",
        )  # fmt: skip
        await self._desk.enter(step, actor.user)
        at_utc = around.clock().isoformat(timespec="milliseconds")
        note = RunNote(run, "", 1, last=False, at_utc=at_utc, by=actor.user, confirmed="", outcome="completed")
        await self._desk.note("run", step.key, actor.user, run=asdict(note))
        return step.key
