"""The worklist in the daemon: source, desk and station put together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.composition.protocolshelf import ProtocolShelf
from daq.composition.qc.zone import host_zone
from daq.composition.rehearsal import Rehearsal, Surroundings
from daq.composition.studies import directory_of
from daq.errors import MissingError, ScandaqError
from daq.model.administration import AdministrationRecord
from daq.model.patient import PatientIdentity
from daq.model.station import Actor, Role
from daq.model.verbs import Amend
from daq.services.worklist.desk import Around, Desk, Handler
from daq.services.worklist.entering import Entering
from daq.services.worklist.filesource import FileSource
from daq.services.worklist.following import Following
from daq.services.worklist.giving import Giving
from daq.services.worklist.identities import Identities
from daq.services.worklist.kept import IdentityChange, Moved
from daq.services.worklist.later import Later
from daq.services.worklist.moving import Moving
from daq.services.worklist.onbed import OnBed
from daq.services.worklist.source import NoSource, WorklistSource
from daq.services.worklist.store import Store
from daq.storage.listing import load_manifest
from daq.storage.patientfile import Correction, Patient, read_administration, read_patient, write_patient

if TYPE_CHECKING:
    from daq.composition.equipment import Equipment
    from daq.composition.hardware import Hardware
    from daq.composition.runs import Planner
    from daq.services.acquisition.machine import Machine
    from daq.services.acquisition.run import Run
    from daq.services.alarms import Alarms
    from daq.services.audit import Audit
    from daq.services.bus import Bus
    from daq.services.catalogue.service import Catalogue
    from daq.services.qc.bed import Bed
    from daq.services.revisions import Revisions

Services = list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]


class Worklist:
    """The worklist of a station. `planner` hears of it: what is prepared for an entry gets its identity."""

    def __init__(
        self, equipment: Equipment, planner: Planner, machine: Machine, hardware: Hardware, bed: Bed, bus: Bus,
        alarms: Alarms, audit: Audit, catalogue: Catalogue, revisions: Revisions,
    ) -> None:  # fmt: skip
        site = equipment.site
        store = Store(site.state_folder)
        store.open()
        zone = host_zone()
        changed = partial(revisions.changed, "worklist")
        self._source: WorklistSource = NoSource()
        if site.worklist is not None:
            self._source = FileSource(site.worklist, store.secret(), zone, changed)
        shelf = ProtocolShelf(equipment)
        self.recordings = recordings = Recordings(planner, site.storage, machine)
        self.desk = Desk(Around(
            self._source, store, recordings, shelf, zone, site.station,
            shelf.modalities, {key.strip(): protocol for key, protocol in site.procedures.items()}, changed,
            lambda actor, verb, what: audit.note(actor, verb, what, result="done"),
        ))  # fmt: skip
        self.moving = Moving(self.desk)
        identities = Identities(self.desk)
        self._following = Following(self.desk, identities, bus, lambda: (machine.entry.run or "", machine.state))
        entering = Entering(self.desk, simulated=site.simulated)
        parts = (self.desk, entering, identities, Giving(self.desk), Later(self.desk))
        rehearsal = Rehearsal(equipment, Surroundings(
            planner.load, catalogue.find, machine, hardware.motion, alarms, bed, hardware.interlock_trouble,
            self._following.completed, self._following.lacking,
        ))  # fmt: skip
        self.handlers: dict[str, Handler] = {verb: do for part in parts for verb, do in part.handlers.items()}
        on_bed = OnBed(self.desk, machine, recordings.patient_of, lambda: bed.patient)
        self.handlers |= {"rehearse": rehearsal.rehearse, "patient": on_bed.patient}
        planner.entries = self._following
        self.look_again = self._following.look_again

    def services(self) -> Services:
        """Return what has to run: name and coroutine function."""
        services: Services = [("worklist", self._following.run)]
        if isinstance(self._source, FileSource):
            services.append(("worklist-file", self._source.run))
        return services


class Recordings:
    """The private files of acquisitions: of those under way by their papers, of others in their directories."""

    def __init__(self, planner: Planner, storage: Path, machine: Machine) -> None:
        self._planner, self._storage, self._machine = planner, storage, machine
        self.present: Callable[[], Run | None] = lambda: None
        """Gives the run that the station has now."""

    def there(self, run: str) -> bool:
        """Return True for an acquisition that can be read."""
        try:
            load_manifest(directory_of(self._storage, run))
        except ScandaqError:
            return False
        return True

    def steps_done(self, run: str) -> Sequence[str]:
        """Return the steps of an acquisition that are whole, or that a person found good; none where nobody knows."""
        entry, live = self._machine.entry, self.present()
        if entry.run == run and live is not None and live.identity == run:
            recorded = live.last_status.get("steps") or ()
            names = [step.name for step in live.protocol.steps]
            whole = {number for number, step in enumerate(recorded, 1) if step.get("completed")}
            return [name for number, name in enumerate(names, 1) if number in whole or number in entry.accepted]
        with contextlib.suppress(ScandaqError):
            return [step.name for step in load_manifest(directory_of(self._storage, run)).steps or () if step.completed]
        return []

    def record(self, run: str) -> AdministrationRecord | None:
        """Return the administration record of an acquisition, where it has one."""
        live = self._planner.live_papers().get(run)
        if live is not None:
            return live.administration
        with contextlib.suppress(ScandaqError):
            return read_administration(directory_of(self._storage, run))
        return None

    def patient_of(self, directory: str) -> Patient | None:
        """Return the patient of an acquisition by its directory, where it has one; blocks."""
        live = self._planner.live_papers().get(Path(directory).name)
        if live is not None:
            return live.patient
        with contextlib.suppress(ScandaqError):
            return read_patient(Path(directory))
        return None

    def bring(self, run: str, identity: PatientIdentity, changes: Sequence[IdentityChange]) -> str:
        """Give an acquisition an identity, and what has been countersigned; return what failed, empty where nothing."""
        live = self._planner.live_papers().get(run)
        try:
            if live is not None and live.patient is not None:
                if (made := _brought(live.patient, identity, changes)) != live.patient:
                    live.replace_patient(made)
                return ""
            directory = directory_of(self._storage, run)
            there = read_patient(directory)
            if (made := _brought(there, identity, changes)) != there:
                write_patient(directory, made)
        except MissingError:
            return ""  # nothing was recorded, or of nobody
        except ScandaqError as why:
            return str(why)
        return ""

    def identity(self, run: str) -> PatientIdentity | None:
        """Return whose an acquisition is, None where it is nobody's or cannot be read."""
        with contextlib.suppress(ScandaqError):
            return read_patient(directory_of(self._storage, run)).identity
        return None

    def give(self, run: str, identity: PatientIdentity, moved: Moved) -> str:
        """Give what was recorded to another patient, once; return what failed, empty where nothing."""
        try:
            directory = directory_of(self._storage, run)
            there = read_patient(directory)
            if any(done.reassigned and done.at_utc == moved.at_utc for done in there.corrections):
                return ""
            done = Correction(there.identity, moved.at_utc, moved.by, moved.reason, moved.second)
            write_patient(directory, there.given_to(identity, done))
        except ScandaqError as why:
            return str(why)
        return ""

    async def amend(self, run: str, changes: Mapping[str, Any], reason: str, actor: Actor) -> dict[str, Any]:
        """Change an administration record, and its copies in the same study."""
        return await self._planner.amended(Amend(changes=dict(changes), run=run, reason=reason), actor)


def _brought(patient: Patient, identity: PatientIdentity, changes: Sequence[IdentityChange]) -> Patient:
    """Return the patient with an identity, the corrections as the worklist has them."""
    made = patient
    if made.identity != identity and changes:
        newest = changes[-1]
        made = made.corrected(identity, _person(newest.by), newest.reason)
    signed = [change.countersigned_by for change in changes]
    if made.to_countersign and signed and all(signed):
        made = made.countersigned(_person(str(signed[-1])))
    return made


def _person(user: str) -> Actor:
    return Actor(user, "daemon", Role.TECHNOLOGIST)
