"""Studies that are of somebody else than was thought: two persons give them away, pictures are made anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from daq.errors import AccessError, RefusedError
from daq.model.console.study_verbs import StudyReassign, StudyWhose
from daq.model.station import Actor
from daq.services.catalogue.entry import Acquisition, utc_text
from daq.services.catalogue.service import Catalogue
from daq.services.worker import Worker
from daq.services.worklist.kept import RunNote

_READ_S = 20.0


class Mover(Protocol):
    """What gives acquisitions to entries of the worklist."""

    def entry_of(self, runs: Collection[str]) -> tuple[str | None, bool]:
        """Return the entry that has one of these, and whether its identity is a temporary one."""
        ...

    async def move(
        self, runs: Sequence[RunNote], other: str | None, patient: Mapping[str, Any] | None, why: str, actor: Actor
    ) -> dict[str, Any]:
        """Give acquisitions to an entry, or to somebody who is typed."""
        ...


class Reassigning:
    """Carries out `study-whose` and `study-reassign`. `again` has pictures of acquisitions made anew."""

    def __init__(
        self, catalogue: Catalogue, worker: Worker,
        patient_of: Callable[[Sequence[Path]], tuple[dict[str, Any] | None, str]],
        again: Callable[[Sequence[Acquisition], Actor], Awaitable[str]], changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self._catalogue, self._worker, self._patient_of = catalogue, worker, patient_of
        self._again, self._changed = again, changed
        self.mover: Mover | None = None
        """Set when the worklist is there."""

    async def whose(self, asked: StudyWhose, actor: Actor) -> dict[str, Any]:
        """Tell whose data it is, and what stands in the way of giving it to somebody else."""
        rows = await self._catalogue.study(asked.study)
        folders = [Path(row.directory) for row in rows]
        patient, why = await self._worker.call_within(_READ_S, self._patient_of, folders)
        entry, temporary = (None, False) if self.mover is None else self.mover.entry_of([row.id for row in rows])
        return {
            "study": rows[0].study or rows[0].id, "patient": patient, "no_patient": why, "entry": entry,
            "temporary": temporary, "asked_by": actor.user, "against": _against(rows, patient),
            "acquisitions": [
                {
                    "id": row.id, "begun_utc": utc_text(row.created_ms), "protocol": row.protocol or row.profile,
                    "label": row.label, "session": row.session or 1,
                }
                for row in rows
            ],
        }  # fmt: skip

    async def reassign(self, asked: StudyReassign, actor: Actor) -> dict[str, Any]:
        """Give all of a study to another patient. Raise `AccessError` without a second person, `RefusedError`."""
        if not actor.second:
            raise AccessError("to give a study to another patient takes a second person: they sign in beside you")
        if actor.second == actor.user:
            raise AccessError(f"{actor.user} asked for it: another person signs with you")
        rows = await self._catalogue.study(asked.study)
        patient, _ = await self._worker.call_within(_READ_S, self._patient_of, [Path(row.directory) for row in rows])
        against = _against(rows, patient)
        if against or self.mover is None:
            raise RefusedError(against or "this station has no worklist: nothing can be given to an entry of it")
        done = await self.mover.move([_note(row) for row in rows], asked.other, asked.patient, asked.why, actor)
        pictures = await self._again(rows, actor)
        self._changed()
        return {**done, "study": rows[0].study or rows[0].id, "pictures": pictures}


def _against(rows: Sequence[Acquisition], patient: Mapping[str, Any] | None) -> str:
    """Return why a study cannot be given away, empty where it can."""
    if any(row.state == "open" for row in rows):
        return "It is still being recorded: finish the exam first."
    if patient is None:
        return "This study is of nobody: no patient was named when it was recorded."
    return ""


def _note(row: Acquisition) -> RunNote:
    """Return what the worklist notes of an acquisition that it does not know."""
    when = utc_text(row.created_ms) or ""
    return RunNote(
        row.id, row.protocol or "", row.session or 1, last=True, at_utc=when, by=row.operator or "",
        confirmed="reassigned", acquiring=True, outcome=row.outcome or row.state,
        ended_utc=utc_text(row.ended_ms) or when,
    )  # fmt: skip
