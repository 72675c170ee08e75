"""Administration records that are completed later: the residual, an extravasation, whatever is known afterwards.

A study has one record, copied beside each of its recordings. What is said of one copy is said of all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daq.composition.studies import Find, directory_of
from daq.errors import MissingError, RefusedError, ScandaqError
from daq.model.activity import activity_mbq
from daq.model.administration import AdministrationRecord
from daq.model.station import Actor
from daq.model.verbs import Amend, Residual
from daq.services.acquisition.papers import Papers
from daq.services.audit import Audit
from daq.services.catalogue.entry import Filter
from daq.storage.patientfile import read_administration, read_patient, write_administration

Live = Callable[[], Mapping[str, Papers]]


class Administrations:
    """Amends records of runs that go on and of recordings that have ended."""

    def __init__(self, storage: Path, find: Find, audit: Audit, live: Live) -> None:
        """`find` asks the catalogue; `live` gives the papers of the runs under way, by their names."""
        self._storage, self._find, self._audit, self._live = storage, find, audit, live

    async def amended(self, request: Amend | Residual, actor: Actor) -> dict[str, Any]:
        """Change the record of an acquisition, and its copies in the same study; return what it says now.

        Raise `RefusedError` for values that contradict others, for times later than now, and for a known value that
        would be replaced without a reason; `MissingError` where there is no record.
        """
        record, own = await asyncio.to_thread(self._record, request.run)
        changes = changes_of(request, record)
        new = record.amended(changes, now=datetime.now(UTC))
        replaced = record.replaced_by(changes)
        if replaced and not request.reason.strip():
            known = ", ".join(replaced)
            raise RefusedError(f"administration record: {known} is known already: give a reason to replace it")
        directories, trouble = await self._copies(new.key)
        if own is not None:
            directories = list(dict.fromkeys([own, *directories]))
        changed = await asyncio.to_thread(self._write, new, directories)
        verb = "residual" if isinstance(request, Residual) else "amend"
        what = ", ".join(sorted(changes))
        reason = await asyncio.to_thread(self._redacted, own, request)
        self._audit.note(actor, verb, " ".join(changed), result="done", new=what, reason=reason)
        return {
            "administration": new.key, "acquisitions": changed, "net_mbq": new.net_mbq, "doubts": new.doubts,
            "not_found": trouble,
        }  # fmt: skip

    def _record(self, run: str | None) -> tuple[AdministrationRecord, Path | None]:
        """Return the record of a run, or of the newest under way, and where it lies if the run has ended."""
        live = self._live()
        if run is None and not live:
            raise RefusedError("no acquisition is under way: name the one whose record is meant (`--run`)")
        name = run if run is not None else list(live)[-1]
        if name not in live:
            directory = directory_of(self._storage, name)
            return read_administration(directory), directory
        record = live[name].administration
        if record is None:
            raise MissingError(f"{name} has no administration record")
        return record, None

    def _redacted(self, own: Path | None, request: Amend | Residual) -> str:
        """Return the reason without what identifies the patient; nothing of it where who that is cannot be told."""
        if not request.reason:
            return ""
        live = self._live()
        if own is None:
            return live[request.run or list(live)[-1]].redacted(request.reason)
        try:
            return read_patient(own).identity.redact(request.reason)
        except MissingError:
            return request.reason
        except ScandaqError:
            return "[withheld: the patient's file cannot be read]"

    async def _copies(self, key: str) -> tuple[list[Path], str]:
        """Return where copies lie, and why that is not known, if it is not."""
        try:
            return [Path(row.directory) for row in await self._find(Filter(administration_key=key))], ""
        except ScandaqError as why:
            return [], f"copies in other sessions of the study were not changed: {why}"

    def _write(self, new: AdministrationRecord, directories: Sequence[Path]) -> list[str]:
        """Write the record everywhere it is; return the names of the acquisitions."""
        live = self._live()
        changed = []
        for name, papers in live.items():
            if papers.administration is not None and papers.administration.key == new.key:
                papers.amend(new)
                changed.append(name)
        for directory in directories:
            if directory.name not in live and directory.is_dir():
                write_administration(directory, new)
                changed.append(directory.name)
        return changed


def changes_of(request: Amend | Residual, record: AdministrationRecord) -> dict[str, Any]:
    """Return the fields that a request changes. Raise `RefusedError` for an activity or a time that is none.

    A residual without a time was measured now; the record holds what the calibrator's clock shows then.
    """
    if isinstance(request, Amend):
        return dict(request.changes)
    try:
        mbq = activity_mbq(request.activity)
    except RefusedError as why:
        raise RefusedError(f"residual = {request.activity!r}: {why}") from None
    at = request.at or (datetime.now(UTC) + timedelta(seconds=record.calibrator_offset_s)).isoformat()
    return {"residual_mbq": mbq, "residual_at": at}
