"""Who is on the bed, as the banner of the console shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from daq.model.console.worklist_verbs import PatientAsk
from daq.model.station import Actor
from daq.services.worklist import telling
from daq.services.worklist.desk import Desk
from daq.services.worklist.kept import identity_json
from daq.services.worklist.recorded import pieces

if TYPE_CHECKING:
    from daq.services.acquisition.machine import Machine
    from daq.storage.patientfile import Patient


class OnBed:
    """Carries out `patient`. `patient_of` reads that of a recording, and blocks; `lies`: a patient is on the bed."""

    def __init__(
        self, desk: Desk, machine: Machine, patient_of: Callable[[str], Patient | None], lies: Callable[[], bool]
    ) -> None:
        self._desk, self._machine, self._patient_of, self._lies = desk, machine, patient_of, lies

    async def patient(self, request: PatientAsk, _: Actor) -> dict[str, Any]:
        """Return who it is: of the acquisition that has not been acknowledged, else of the entry that is named."""
        entry = self._machine.entry
        if entry.run is None:
            return await self._of_nothing_under_way(request.entry)
        named = {"run": entry.run, "protocol": entry.protocol_id}
        if entry.qc_test:
            return {"of": "qc", "test": entry.qc_test, **named}
        key = self._entry_of(entry.run)
        if key is not None:
            return {**await self._of_entry(key, "run"), **named}
        return {**await self._of_recording(entry.directory), **named}

    async def _of_nothing_under_way(self, named: str | None) -> dict[str, Any]:
        """Return whom nobody has said to be off the bed, else who is named."""
        notes = [
            (note.at_utc, key) for key, kept in list(self._desk.known.items()) for note in list(kept.runs.values())
        ]
        if self._lies() and notes:
            return await self._of_entry(max(notes)[1], "bed")
        return {"of": "none"} if named is None else await self._of_entry(named, "entry")

    def _entry_of(self, run: str) -> str | None:
        """Return the entry that a run belongs to, None where it was prepared without one."""
        found = (key for key, kept in list(self._desk.known.items()) if run in kept.runs and kept.other is None)
        return next(found, None)

    async def _of_recording(self, directory: str | None) -> dict[str, Any]:
        who = None if directory is None else await asyncio.to_thread(self._patient_of, directory)
        if who is None:
            return {"of": "unknown"}
        return {
            "of": "run", "identity": identity_json(who.identity), "temporary": who.identity.temporary,
            "to_countersign": who.to_countersign,
        }  # fmt: skip

    async def _of_entry(self, key: str, of: str) -> dict[str, Any]:
        step, kept = await self._desk.step(key), self._desk.known.get(key)
        record = None if kept is None else await self._desk.record(kept)
        known = pieces(step, {} if kept is None else kept.record) if record is None else record
        given = telling.administration(known, step)
        return {
            "of": of, "entry": key, "identity": identity_json(step.identity), "exam": step.title,
            "origin": step.origin, "agent": given["fields"].get("agent", step.agent),
            "nuclide": given["fields"].get("nuclide", step.nuclide), "activity": given["activity"],
            "injected_at": given["fields"].get("injected_at"), "temporary": step.identity.temporary,
            "to_countersign": kept is not None and kept.to_countersign,
            "now_utc": self._desk.around.clock().isoformat(timespec="milliseconds"),
        }  # fmt: skip
