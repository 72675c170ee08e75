"""Takes down what is given to a patient, before there is an acquisition and after."""

from __future__ import annotations

import asyncio
from typing import Any

from daq.errors import RefusedError
from daq.model.console.worklist_verbs import WorklistAdministration
from daq.model.station import Actor
from daq.services.worklist import telling
from daq.services.worklist.desk import Desk, Handler, require_usable
from daq.services.worklist.kept import Kept
from daq.services.worklist.recorded import noted_with


class Giving:
    """Carries out `worklist-administration`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def handlers(self) -> dict[str, Handler]:
        """Return who carries out which verb."""
        return {"worklist-administration": self._note}

    async def _note(self, request: WorklistAdministration, actor: Actor) -> dict[str, Any]:
        kept = await self._desk.kept(request.entry, actor.user)
        require_usable(kept)
        changes = dict(request.changes)
        if "key" in changes:
            raise RefusedError("administration record: its key cannot be changed")
        if request.injected_now:
            changes["injected_at"] = self._desk.around.clock().isoformat(timespec="seconds")
        run = await self._recorded(kept)
        if run is not None:
            await self._desk.around.acquisitions.amend(run, changes, request.reason, actor)
            self._desk.around.changed()
        else:
            known = self._desk.pieces(kept)
            if request.injected_now and known.get("injected_at"):
                raise RefusedError(f"administration record: already injected at {known['injected_at']}")
            record = noted_with(known, kept.record, changes)
            await self._desk.note("administration", kept.key, actor.user, record=record)
        found = await self._desk.record(kept)
        return telling.administration(self._desk.pieces(kept) if found is None else found, kept.now)

    async def _recorded(self, kept: Kept) -> str | None:
        """Return the newest acquisition of an entry that has a record."""
        for run in reversed(kept.runs):
            if await asyncio.to_thread(self._desk.around.acquisitions.record, run) is not None:
                return run
        return None
