"""A desk of the worklist in a folder, with acquisitions and protocols that are made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from daq.model.administration import AdministrationRecord
from daq.model.patient import PatientIdentity
from daq.model.station import Actor, Role
from daq.model.verbs import VERBS
from daq.services.bus import Bus
from daq.services.worklist.desk import Around, Desk
from daq.services.worklist.entering import Entering
from daq.services.worklist.filesource import FileSource
from daq.services.worklist.following import Following
from daq.services.worklist.giving import Giving
from daq.services.worklist.identities import Identities
from daq.services.worklist.kept import IdentityChange, Moved
from daq.services.worklist.later import Later
from daq.services.worklist.source import NoSource
from daq.services.worklist.store import Store
from daq.state.acquisition import State

NOW = datetime(2025, 3, 5, 9, 0, tzinfo=UTC)
ANNA, BEN = Actor("anna", "local", Role.TECHNOLOGIST), Actor("ben", "local", Role.TECHNOLOGIST)
ADA: dict[str, Any] = {
    "scheduled_procedure_step_start": "2025-03-05T09:30", "patient_name": "SIM^Ada", "patient_id": "SIM-0001",
    "patient_birth_date": "1961-03-09", "patient_sex": "F", "accession_number": "SIM-A1",
    "requested_procedure_description": "Bone scintigraphy, whole body",
}  # fmt: skip


def entry(**changes: Any) -> dict[str, Any]:
    """Return an entry of a file; None takes a key out."""
    return {name: value for name, value in {**ADA, **changes}.items() if value is not None}


def write(path: Path, *entries: dict[str, Any]) -> Path:
    """Write the file of a worklist."""
    path.write_text(json.dumps({"schema": "worklist/1", "entries": entries}, indent=1, ensure_ascii=False), "utf-8")
    return path


@dataclass
class MadeUpAcquisitions:
    """Acquisitions by their ids. `broken`: those whose files cannot be written."""

    identities: dict[str, PatientIdentity] = field(default_factory=dict)
    records: dict[str, AdministrationRecord] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    done: dict[str, list[str]] = field(default_factory=dict)

    def there(self, run: str) -> bool:
        return run in self.identities

    def identity(self, run: str) -> PatientIdentity | None:
        return self.identities.get(run)

    def give(self, run: str, identity: PatientIdentity, moved: Moved) -> str:
        del moved
        return self.bring(run, identity, ())

    def steps_done(self, run: str) -> Sequence[str]:
        return self.done.get(run, [])

    def record(self, run: str) -> AdministrationRecord | None:
        return self.records.get(run)

    def bring(self, run: str, identity: PatientIdentity, changes: Sequence[IdentityChange]) -> str:
        if run in self.broken:
            return "No space left on device"
        if run in self.identities:
            self.identities[run] = identity
            if all(change.countersigned_by for change in changes):
                self.signed.add(run)
        return ""

    async def amend(self, run: str, changes: Mapping[str, Any], reason: str, actor: Actor) -> dict[str, Any]:
        del reason, actor
        self.records[run] = self.records[run].amended(changes)
        return {}


class MadeUpProtocols:
    """Two protocols."""

    async def known(self) -> Sequence[str]:
        return ("bone-whole-body", "bone-spots")

    async def fitting(self) -> list[dict[str, Any]]:
        return [{"id": name} for name in await self.known()]


class World:
    """A desk with all its parts. `state` and `run` are what the station is made to say of itself."""

    def __init__(self, folder: Path, *entries: dict[str, Any], clock: Callable[[], datetime] = lambda: NOW) -> None:
        self.folder, self.revisions, self.audit = folder, 0, list[str]()
        self.store = Store(folder / "state")
        self.store.open(NOW)
        self.file = folder / "worklist.json"
        source: Any = NoSource()
        if entries:
            source = FileSource(write(self.file, *entries), self.store.secret(), UTC, self._changed)
        self.acquisitions = MadeUpAcquisitions()
        self.run, self.state, self.bus = "", State.READY, Bus()
        procedures = {"bone scintigraphy": "bone-spots", "99SITE:NMBONE": "bone-whole-body", "emergency": "bone-spots"}
        self.desk = Desk(Around(
            source, self.store, self.acquisitions, MadeUpProtocols(), UTC, "demo", frozenset({"NM"}), procedures,
            self._changed, lambda actor, verb, what: self.audit.append(f"{actor.user} {verb} {what}"), clock,
        ))  # fmt: skip
        self.identities = Identities(self.desk)
        self.following = Following(self.desk, self.identities, self.bus, lambda: (self.run, self.state))
        parts = (self.desk, Entering(self.desk, simulated=True), self.identities, Giving(self.desk), Later(self.desk))
        self.handlers = {verb: do for part in parts for verb, do in part.handlers.items()}

    def _changed(self) -> None:
        self.revisions += 1

    async def ask(self, verb: str, actor: Actor = ANNA, **args: Any) -> dict[str, Any]:
        """Ask as the station would, arguments checked."""
        return await self.handlers[verb](VERBS[verb][0].model_validate(args), actor)

    async def first(self) -> str:
        """Return the key of the first row."""
        return str((await self.ask("worklist"))["rows"][0]["entry"])

    async def prepared(
        self, key: str, run: str, *, session: int = 1, last: int = 1, parts: dict[str, list[str]] | None = None
    ) -> None:
        """Have an acquisition prepared for an entry."""
        request: Any = SimpleNamespace(entry=key, session=session, identity_confirmed="asked")
        protocol: Any = SimpleNamespace(id="bone-whole-body")
        await self.following.begun(request, run, protocol, last, ANNA, parts)
        self.run, self.state = run, State.PREPARING
        self.acquisitions.identities[run] = (await self.desk.step(key)).identity
        await self.following._look()

    async def becomes(self, state: State) -> None:
        """Have the station come into a state."""
        self.state = state
        await self.following._look()
