"""Makes runs: of a request, or of what a journal speaks of; and keeps their records until they have ended."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.composition import acquisition_id, output_directory
from daq.composition.administrations import Administrations
from daq.composition.entries import Entries, require_confirmed, require_patient
from daq.composition.examwindows import allowed_for, as_asked, audit_lines, moved
from daq.composition.facing import require_facing, unfaced
from daq.composition.judging import assumed, judged
from daq.composition.protocolplan import Wanted, protocol_plan
from daq.composition.studies import linked
from daq.errors import RefusedError, ScandaqError, UnexpectedError
from daq.model.geometry import PatientOrientation
from daq.model.parts import parts_of
from daq.model.rundocument import run_fields
from daq.model.station import Actor, RunLedger
from daq.model.study import reference_of
from daq.model.verbs import Amend, HandOver, Prepare, Residual
from daq.model.windowchange import Allowed, WindowChange, WindowEdges
from daq.pipeline.facing import GANTRY
from daq.services.acquisition.between import asked_again
from daq.services.acquisition.found import Found
from daq.services.acquisition.journal import Entry
from daq.services.acquisition.link import Link
from daq.services.acquisition.outcome import ended_status, lost
from daq.services.acquisition.papers import Papers
from daq.services.acquisition.progress import DEVICE
from daq.services.acquisition.records import Records
from daq.services.acquisition.run import Around, Run
from daq.services.audit import Audit
from daq.services.catalogue.service import Catalogue
from daq.services.rundocuments import RunDocuments
from daq.state.acquisition import State, Trigger, next_state
from daq.storage.listing import load_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from acquisition_protocols.load import LoadedProtocol
    from daq.composition.equipment import Equipment
    from daq.model.protocol import AcquisitionProtocol
    from daq.storage.manifest import Manifest

_LOG = logging.getLogger(__name__)


async def _nobody_hears(_: str, __: Mapping[str, str], ___: Actor) -> None:
    """Take no note of what was overridden."""


class Planner:
    """Makes the runs of a station."""

    def __init__(self, equipment: Equipment, around: Around, audit: Audit, catalogue: Catalogue, boot: str) -> None:
        self._catalogue = catalogue
        self._equipment, self._around, self._machine = equipment, around, around.machine
        self._audit, self._boot = audit, boot
        self._records: dict[str, Records] = {}
        self._lies: dict[str, PatientOrientation] = {}
        self._unfaced: dict[str, list[str]] = {}
        self._wanted: dict[str, Wanted] = {}
        """What the run under way was planned from."""
        self.prepares: Callable[[AcquisitionProtocol], None] = lambda _: None
        """Hears of every protocol that somebody prepares, before anything is done about it."""
        self.overridden: Callable[[str, Mapping[str, str], Actor], Awaitable[None]] = _nobody_hears
        """Hears of each run that is prepared what was overridden, each with its reason."""
        self.entries: Entries | None = None
        """Knows the worklist; None where nothing is prepared for an entry of it."""
        self._administrations = Administrations(equipment.site.storage, catalogue.find, audit, self._papers)

    async def planned(self, request: Prepare, actor: Actor, qc: Mapping[str, Any] | None = None) -> Run:
        """Return a run, the state `preparing` and the journal written; raise what speaks against it.

        `qc`: what the manifest says of the test of quality control that it is; of none: of what it rests on.
        """
        loaded = await asyncio.to_thread(self.load, request.protocol)
        self.prepares(loaded.protocol)
        session, last_session = loaded.protocol.of_session(request.session), loaded.protocol.sessions[-1]
        chosen = session.of_views(request.views)
        loaded = replace(loaded, protocol=as_asked(self._equipment, chosen, request, actor))
        said = request
        if self.entries is not None:
            request = await self.entries.completed(request)
        study = await linked(self._equipment.site.storage, self._catalogue.find, request, loaded.protocol)
        if qc is None:
            require_patient(loaded.protocol, request, study, actor)
            require_confirmed(request, actor)
        request = study.completed(request)
        overrides = await judged(self._equipment, loaded, request)
        gantry_deg = (await self._equipment.places()).get(GANTRY)
        lies = study.reference.patient_orientation
        require_facing(loaded.protocol, self._equipment.scanner, lies, gantry_deg)
        site = self._equipment.site
        identity = acquisition_id()
        directory = output_directory(None, str(site.storage), identity)
        papers = Papers(site.state_folder, identity, directory)
        sensed = await self._equipment.collimator()
        collimator = assumed(sensed, loaded.protocol, overrides)
        qc = qc if qc is not None else await self._rests_on(loaded.protocol)
        wanted = Wanted(loaded, request, directory, actor.user, overrides, papers, collimator, study.reference, qc)
        try:
            await asyncio.to_thread(papers.take, request.patient, request.administration, actor, study.patient)
            label = papers.redacted(study.reference.label)
            wanted = replace(
                wanted, overrides={name: papers.redacted(why) for name, why in overrides.items()},
                study=study.reference.model_copy(update={"label": label}),
            )  # fmt: skip
            plan, runtime = await asyncio.to_thread(protocol_plan, self._equipment, wanted)
            if self.entries is not None:
                await self.entries.begun(
                    said, identity, loaded.protocol, last_session, actor, parts_of(session.steps)
                )  # fmt: skip
            await self.overridden(identity, wanted.overrides, actor)  # last: from here on an abort finds the run
        except BaseException:
            await asyncio.to_thread(papers.drop)
            if self.entries is not None:
                await self.entries.dropped(said, identity)
            raise
        self._machine.fire(
            Trigger.PREPARE, "", run=identity, directory=plan.directory, runtime=str(runtime), step=0,
            protocol_id=loaded.protocol.id, protocol=loaded.text.decode(), session=request.session, hand_overs={},
            views=request.views, windows=[each.to_json() for each in loaded.protocol.changed], collimator=collimator,
            collimator_sensed=sensed is not None,
            qc_test=str((qc or {}).get("test", "")), accepted=[], counted={}, before={}, stood={},
            asked=asked_again(request, papers.redacted),
        )  # fmt: skip
        self._wanted = {identity: wanted}
        self._lies = {identity: study.reference.patient_orientation}
        self._unfaced = {identity: unfaced(loaded.protocol, self._equipment.scanner, gantry_deg)}
        about = {"sha256": loaded.sha256, "state": loaded.state}
        try:
            self._new_records(papers, loaded.protocol, about, identity, directory, plan.manifest).begin()
        except BaseException as why:
            self._records.pop(identity, None)
            self._machine.fire(Trigger.CANNOT_PREPARE, f"its records cannot be begun: {type(why).__name__}")
            raise
        return self._run(loaded.protocol, papers, directory, partial(Link.launched, plan, runtime))

    async def _rests_on(self, protocol: AcquisitionProtocol) -> Mapping[str, Any] | None:
        """Return the results of quality control that a patient's acquisition rests on, and what is missing."""
        standing = self._equipment.standing
        if standing is None or not protocol.of_patient:
            return None
        return (await standing.of_protocol(protocol)).to_json()

    async def found(self, entry: Entry) -> Run:
        """Return the run that a journal speaks of, with its protocol as it was when it began; records are resumed."""
        from acquisition_protocols.load import checked

        if entry.run is None or entry.directory is None or entry.runtime is None or entry.protocol is None:
            raise UnexpectedError(f"the journal says {entry.state} and not what is under way")
        text, directory = entry.protocol.encode(), Path(entry.directory)
        protocol, wrong = checked(text, Path(f"{entry.protocol_id}.toml"))
        if protocol is None:
            raise UnexpectedError(f"the protocol in the journal: {'; '.join(map(str, wrong))}")
        protocol = protocol.of_session(entry.session).of_views(entry.views)
        protocol = protocol.with_windows([WindowChange.from_json(each) for each in entry.windows])
        about = {"sha256": hashlib.sha256(text).hexdigest(), "state": "as it was when the run began"}
        papers = Papers(self._equipment.site.state_folder, entry.run, directory)
        await asyncio.to_thread(papers.load)
        records = self._new_records(papers, protocol, about, entry.run, directory, None)
        await records.resume(entry.step)
        with suppress(ScandaqError):  # armed alone, there is no directory yet
            lay = reference_of((await asyncio.to_thread(load_manifest, directory)).study)
            self._lies = {} if lay is None else {entry.run: lay.patient_orientation}
        return self._run(protocol, papers, directory, partial(Link.adopted, Path(entry.runtime)))

    def ended_before(self, entry: Entry) -> Run | None:
        """Return a run that had ended before the daemon was started, to be looked at; None where nothing is left of it.

        Nothing drives it, and it has no records: those were closed.
        """
        if entry.run is None or entry.directory is None or entry.protocol is None or not entry.step:
            return None
        from acquisition_protocols.load import checked

        protocol, _ = checked(entry.protocol.encode(), Path(f"{entry.protocol_id}.toml"))
        if protocol is None:
            return None
        protocol = protocol.of_session(entry.session).of_views(entry.views)
        protocol = protocol.with_windows([WindowChange.from_json(each) for each in entry.windows])
        directory = Path(entry.directory)
        papers = Papers(self._equipment.site.state_folder, entry.run, directory)
        with suppress(ScandaqError):
            papers.load()
        run = self._run(protocol, papers, directory, partial(Link.adopted, Path(entry.runtime or "nowhere")))
        run.over = run.steps.closed = True
        with suppress(ScandaqError, OSError):
            manifest = load_manifest(directory)
            run.last_status = ended_status(manifest)
            lay = reference_of(manifest.study)
            self._lies = {} if lay is None else {entry.run: lay.patient_orientation}
        return run

    async def found_ended(self, run: Run, found: Found) -> None:
        """Take note of a run that ended while no daemon was there."""
        trigger = found.trigger or Trigger.FOUND_NOTHING
        if found.unsealed:
            self._ring_lost(run.directory, found.why or found.detail)
        await self.ended(run, next_state(self._machine.state, trigger), found.detail)
        self._machine.fire(trigger, found.detail)

    async def cannot_follow(self, entry: Entry, why: str) -> None:
        """Leave a run of which the journal does not tell enough; its readout, if it lives, is asked to end."""
        detail = f"the run in the journal cannot be followed: {why}"
        try:
            link = await Link.adopted(Path(entry.runtime or "nowhere"))
            try:
                await link.stop("the daemon cannot follow it")
            finally:
                await link.close()
        except ScandaqError as gone:
            _LOG.info("%s has no readout: %s", entry.run, gone)
        self._ring_lost(entry.directory, detail)
        self._machine.fire(Trigger.READOUT_LOST, "what was under way cannot be followed after a restart")

    def _ring_lost(self, directory: Path | str | None, why: str) -> None:
        text, guidance, details = lost(directory, why)
        self._around.alarms.raise_(
            DEVICE, "readout-lost", priority="high", text=text, guidance=guidance, details=details
        )  # fmt: skip
        self._around.alarms.clear(DEVICE, "readout-lost")

    async def file_left_behind(self, but: str | None) -> None:
        """Put patient and administration beside recordings that did not take them when they ended."""
        site = self._equipment.site
        left = await asyncio.to_thread(Papers.file_left_behind, site.state_folder, site.storage, but=but)
        if left:
            _LOG.error("private files still cannot be put beside %s", ", ".join(left))

    async def say_again(self, entry: Entry) -> None:
        """Say ledger and outcome of a run that had ended before its daemon did, which may have had no time to."""
        if entry.directory is None or not (directory := Path(entry.directory)).is_dir():
            return
        self._catalogue.note(directory, outcome=str(entry.state))
        try:
            manifest = await asyncio.to_thread(load_manifest, directory)
        except ScandaqError as why:
            _LOG.info("%s: %s", entry.run, why)
            return
        if entry.run is not None and manifest.ledger is not None:
            self._around.bus.announce(RunLedger(entry.run, manifest.ledger.model_dump(mode="json")))

    async def ended(self, run: Run, outcome: State, detail: str) -> None:
        """Close the records of a run that is sealed, or lost."""
        records = self._records.pop(run.identity, None)
        if records is not None:
            await records.end(outcome, detail)
        if run.directory.is_dir():
            self._catalogue.note(run.directory, outcome=str(outcome))

    async def hashed(self, run: Run) -> None:
        """Take note that the checksums of a run's files are known."""
        if run.directory.is_dir():
            self._catalogue.note(run.directory)

    def documents(self) -> RunDocuments | None:
        """Return the documents of the run under way, for those who count them."""
        newest = next(reversed(self._records.values()), None)
        return newest.documents if newest is not None else None

    def redacted(self, text: str) -> str:
        """Return a text without what identifies the patient of the run under way."""
        newest = next(reversed(self._records.values()), None)
        return text if newest is None else newest.papers.redacted(text)

    async def injected_now(self, run: Run, actor: Actor) -> dict[str, Any]:
        """Note and mark the present as the time of injection; return it. Raise `RefusedError` without a record."""
        records = self._records.get(run.identity)
        if records is None:
            raise RefusedError(f"{run.identity} has ended: its administration record is in its directory")
        moment_ns = time.monotonic_ns()
        at = await asyncio.to_thread(records.papers.injected_now)
        self._audit.note(actor, "injected-now", run.identity, result="done", new=at.isoformat())
        try:
            marked = await run.injected(actor.user, moment_ns)
        except ScandaqError as why:  # the record has it; asking again would not be a second injection
            _LOG.warning("%s: the injection is not marked in the recording: %s", run.identity, why)
            marked = False
        return {"injected_at": at.isoformat(), "marked": marked}

    async def amended(self, request: Amend | Residual, actor: Actor) -> dict[str, Any]:
        """Change an administration record, also of a run that has ended; return what it says now."""
        return await self._administrations.amended(request, actor)

    def doubts(self, run: Run) -> list[str]:
        """Return what a person should know before a run begins: of its administration record, of where heads look."""
        papers = self._papers().get(run.identity)
        record = None if papers is None else papers.administration
        given = [] if record is None else [f"administration record: {doubt}" for doubt in record.doubts]
        windows = [each.sentence for each in run.protocol.changed]
        return given + self._unfaced.get(run.identity, []) + windows

    def allowed(self, run: Run) -> Allowed:
        """Return how far the energy windows of a run may be moved."""
        return allowed_for(self._equipment, run.protocol)

    async def moved(
        self, run: Run, windows: Sequence[WindowEdges], actor: Actor, reason: str
    ) -> tuple[WindowChange, ...]:
        """Have an armed run acquired with these windows, and note it; return all that differ from the protocol."""
        wanted = self._wanted.get(run.identity)
        if wanted is None:
            raise RefusedError("the daemon was restarted since it was armed: disarm it, and prepare it again")
        before, why = run.protocol, self.redacted(reason)
        self._wanted = {run.identity: await moved(self._equipment, wanted, run, windows, actor, why)}
        for line in audit_lines(before, run.protocol, run.identity):
            self._audit.note(actor, "energy-window", result="done", reason=why, **line)
        if (records := self._records.get(run.identity)) is not None:
            records.windows(run.protocol.changed)
        return run.protocol.changed

    def lies(self, identity: str) -> PatientOrientation | None:
        """Return how the patient of a run lies; None where it is not known."""
        return self._lies.get(identity)

    def live_papers(self) -> dict[str, Papers]:
        """Return the private files of the runs under way, by their ids."""
        return self._papers()

    def _papers(self) -> dict[str, Papers]:
        return {identity: records.papers for identity, records in list(self._records.items())}

    async def handed_over(self, run: Run, request: HandOver, actor: Actor) -> dict[str, Any]:
        """Take the record of a hand-over; return what was confirmed, and what is still missing."""
        told = {key: self.redacted(value) if isinstance(value, str) else value for key, value in request.told.items()}
        made = run.steps.hand_overs.confirm(request.name, told, by=actor.user, lies=self._lies.get(run.identity))
        self._audit.note(actor, "hand-over", run.identity, result="done", new=made.text())
        records = self._records.get(run.identity)
        if records is not None:
            records.documents.hand_over(made)
        missing = [each.name for each in run.steps.hand_overs.missing()]
        return {"hand_over": made.model_dump(mode="json"), "missing": missing}

    async def close(self) -> None:
        """Leave the records of a run under way as they are, for the next daemon."""
        for records in self._records.values():
            await records.detach()

    def load(self, name: str) -> LoadedProtocol:
        """Return a protocol of the site, or a shipped one. No path: who asks from afar must not name files."""
        from acquisition_protocols.load import load_protocol
        from acquisition_protocols.versions import retired

        if "/" in name or name.endswith(".toml"):
            raise RefusedError(f"protocol {name!r}: give the id of a protocol of this site, not a file")
        folder = self._equipment.site.protocols
        loaded = load_protocol(name, folders=[folder] if folder else [])
        gone = None if folder is None else retired(folder, loaded.protocol.id)
        if gone is not None:
            told = f"protocol {name} was retired by {gone.by}: {gone.reason}"
            raise RefusedError(f"{told}; choose another, or have a physicist restore a version of it")
        return loaded

    def _run(self, protocol: AcquisitionProtocol, papers: Papers, directory: Path, launch: Any) -> Run:
        return Run(
            self._around, protocol, identity=papers.run, directory=directory, launch=launch,
            injected=lambda: papers.injected_at,
        )  # fmt: skip

    def _new_records(
        self, papers: Papers, protocol: AcquisitionProtocol, about: dict[str, str], identity: str, directory: Path,
        manifest: Manifest | None,
    ) -> Records:  # fmt: skip
        site, around = self._equipment.site, self._around
        fields = run_fields(
            acquisition_id=identity, station=site.station, boot=self._boot,
            protocol={"id": protocol.id, "version": str(protocol.version), **about},
            profiles={manifest.profile["id"]: manifest.profile_sha256} if manifest else {},
            software=manifest.software if manifest else {}, operator=(manifest.operator or "") if manifest else "",
            simulated=site.simulated, scanner=self._equipment.scanner.id if self._equipment.scanner else None,
            radionuclide=protocol.radionuclide, continues=manifest.continues if manifest else None,
            administration_reference=papers.administration.key if papers.administration else None,
        )  # fmt: skip
        records = Records(
            around.bus, around.alarms, self._audit, identity=identity, directory=directory, fields=fields,
            papers=papers, begun=partial(self._catalogue.note, directory), changed=protocol.changed,
        )  # fmt: skip
        self._records[identity] = records
        return records
