"""The daemon of a station: everything built from the site file, what was left under way taken over, services run."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
import tomllib
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.composition import equipment, finishingprocess
from daq.composition.finishingfolder import is_finished
from daq.composition.fronts import Front, Offer
from daq.composition.hardware import Hardware
from daq.composition.protocolfacts import ProtocolFacts
from daq.composition.publishers import Sayers, publishers
from daq.composition.qc.wiring import Quality
from daq.composition.restart import take_over
from daq.composition.runs import Planner
from daq.composition.servicedesk import ServiceDesk
from daq.composition.studydesk import study_desk
from daq.composition.worklist import Worklist
from daq.errors import DeadlineError, RefusedError
from daq.model.station import DAEMON, Description
from daq.readout.plan import CONTROL
from daq.services.acquisition.between import Between
from daq.services.acquisition.examwindows import ExamWindows
from daq.services.acquisition.journal import Journal
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.outcome import sealed_status
from daq.services.acquisition.run import Around, Run
from daq.services.alarmhistory import AlarmLog
from daq.services.alarms import Alarms
from daq.services.audit import Audit
from daq.services.bedwatch import BedWatch
from daq.services.bus import Bus
from daq.services.catalogue.service import Catalogue
from daq.services.finishing import Finishing
from daq.services.localapi import LocalApi
from daq.services.logbook import LogBook
from daq.services.probetally import ProbeTally, Where
from daq.services.protocols.desk import ProtocolDesk
from daq.services.revisions import Revisions
from daq.services.station import Parts, Station
from daq.services.stationlock import only_daemon
from daq.services.studies.choosing import Choosing
from daq.services.supervision import Service, Supervisor
from daq.services.watchdog import LoopTicker, Pulse, Watchdog
from daq.state.acquisition import IDLE, RECORDING, State
from daq.storage.auditfile import AUDIT_FOLDER
from daq.transports.sdnotify import Notify

if TYPE_CHECKING:
    from device_profiles.site import Site

_LOG = logging.getLogger(__name__)
_READY_S = 30.0
_LOOK_S = 0.1
_API = "local-api"
_LOOP_LATE_S = 5.0
_END_S = 15.0


async def serve(site_file: Path, told_to_end: asyncio.Event, fronts: Sequence[Front] = ()) -> int:
    """Run the daemon until it is told to end; return 0. An acquisition under way goes on without it.

    `fronts` serve people, the console above all; they are built above this layer.
    """
    from device_profiles.site import load_site

    site = load_site(site_file)
    make_storage(site.storage)
    with only_daemon(site.state_folder):
        async with AsyncExitStack() as stack:
            daemon = Daemon(site, site_file.parent, Notify.from_environment(), fronts)
            await daemon.run(stack, told_to_end)
    return 0


def make_storage(storage: Path) -> None:
    """Make the folder of the recordings where it is missing; raise `RefusedError` where that cannot be."""
    try:
        storage.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise RefusedError(f"the storage folder {storage} cannot be made: {why.strerror}") from None


class Daemon:
    """Builds the parts in the order in which they need each other, and ends them in the other order."""

    def __init__(self, site: Site, folder: Path, notify: Notify, fronts: Sequence[Front] = ()) -> None:
        self._site, self._notify, self._folder, self._fronts = site, notify, folder, fronts
        self._state = site.state_folder
        self._boot = str(uuid.uuid4())
        self._scanner = equipment.scanner(site, folder)
        self._instruments = equipment.instruments(site, folder)
        self._scanner_name = self._scanner.id if self._scanner else site.station
        self._role_of = equipment.roles(site.access)
        self.bus = Bus()
        self.revisions = Revisions()
        self.alarms = Alarms(self.bus, self._state / "alarms.json")
        self.audit = Audit(self._state / "audit", self._boot, equipment.config_sha256(site), alarms=self.alarms)
        self.journal = Journal(self._state, boot=self._boot, on_failure=self._journal_fails)
        self.machine = Machine(self.journal, self.bus, simulated=site.simulated)
        controllers = equipment.controllers(site, folder)
        self.hardware = Hardware(
            site, self._scanner, controllers, self.bus, self.alarms, rehome=self.journal.entry.rehome
        )
        self.catalogue = Catalogue(site.catalogue or "", storage=site.storage, station=site.station, alarms=self.alarms)
        self.finishing = Finishing(finishingprocess.command, self.alarms, self.audit)
        self.quality = Quality(
            site, self._scanner, self.bus, self.alarms, self.audit, self.hardware, self.machine, self.revisions
        )
        self.planner = Planner(self._equipment(), self._around(), self.audit, self.catalogue, self._boot)
        self.desk = self.quality.connect(self.planner)
        self.studies = study_desk(site, self.catalogue, self.revisions)
        self.choosing = Choosing(self.catalogue, partial(self.revisions.changed, "studies"))
        self.service_desk = ServiceDesk(site, controllers, self._instruments, self.revisions)
        self.protocols = ProtocolDesk(site.protocols, ProtocolFacts(self._equipment()), self.revisions.changed)
        self.worklist = Worklist(
            self._equipment(), self.planner, self.machine, self.hardware, self.desk.bed, self.bus, self.alarms,
            self.audit, self.catalogue, self.revisions,
        )  # fmt: skip
        self.studies.reassigning.mover = self.worklist.moving
        self.catalogue.changed = self.finishing.changed = partial(self.revisions.changed, "studies")
        self.logbook = LogBook(self._state / AUDIT_FOLDER)
        self.alarm_log = AlarmLog(self.bus, self._state / "alarm-history.jsonl", dropped=lambda: self.alarms.dropped)
        self.bed_watch = BedWatch(
            self.desk.bed, lambda: self.machine.state, self.bus, self.alarms, idle_s=60.0 * site.bed.idle_min
        )
        self.probe_tally = ProbeTally(self._probe)
        self.desk.bed.listeners.append(self._bed_changed)
        self.station = Station(self._parts())
        self.worklist.recordings.present = lambda: self.station.run
        self.hardware.mark_by(self._mark, lambda: self.machine.state)
        self._marking: set[asyncio.Task[None]] = set()
        self.supervisor = Supervisor(self._service_failed, end_s=_END_S)
        self.ticker = LoopTicker()

    async def run(self, stack: AsyncExitStack, told_to_end: asyncio.Event) -> None:
        """Take over what is under way, serve, and end in order."""
        self.logbook.open()
        self._announce_equipment()
        stack.push_async_callback(self._close)
        await take_over(self.planner, self.station, self.machine, self.audit)
        await self._finish_left_behind()
        await self.quality.take_over(self.station)
        api = self._add_services()
        running = asyncio.create_task(self.supervisor.run(), name="services")
        try:
            await self._until_served(api)
            gc.collect()
            gc.freeze()  # what was built lives as long as the daemon; to look through it again and again holds the loop
            self.audit.note(DAEMON, "serve", self._site.station, result="done", new=str(self.machine.state))
            _LOG.info("station %s serves at %s; state %s", self._site.station, self._site.socket, self.machine.state)
            self._notify.ready(f"{self.machine.state}")
            ending = asyncio.create_task(told_to_end.wait(), name="told-to-end")
            await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
        finally:
            self._notify.stopping("ends in order")
            self.supervisor.stop()
            await running

    async def _until_served(self, api: LocalApi) -> None:
        """Return when requests are taken; raise why they are not."""
        serving = asyncio.create_task(api.serving(), name="serving")
        until_s = time.monotonic() + _READY_S
        try:
            while not serving.done():
                await asyncio.wait({serving}, timeout=_LOOK_S)
                refused = [each for each in self.supervisor.services if each.name == _API and each.why]
                if refused:
                    raise RefusedError(f"the daemon cannot serve: {refused[0].why.removeprefix('RefusedError: ')}")
                if time.monotonic() > until_s:
                    raise DeadlineError(f"the local socket was not there after {_READY_S:g} s")
        finally:
            serving.cancel()

    # Parts

    def _equipment(self) -> equipment.Equipment:
        return equipment.Equipment(
            self._site,
            self._scanner,
            self._instruments,
            self.hardware.collimator,
            self.hardware.places,
            self.hardware.voltages,
            self.quality.standing,
        )

    def _around(self) -> Around:
        return Around(
            self.machine, self.bus, self.alarms, self.hardware.motion, self._run_ended, self._run_hashed,
            beats=self.hardware.beats, collimator=self.hardware.collimator,
        )  # fmt: skip

    async def _run_ended(self, run: Run, outcome: State, detail: str) -> None:
        self.hardware.motion.unlatch("the acquisition has ended")
        await self.planner.ended(run, outcome, detail)
        await self.desk.ended(run, outcome)

    async def _run_hashed(self, run: Run) -> None:
        await self.planner.hashed(run)
        self.desk.hashed(run)
        if run.steps.begun:  # else it was called off before its first photon
            await self._finish(run.directory, run.protocol.modality, by_hand=run.steps.by_hand)

    async def _finish(self, directory: Path, modality: str, *, by_hand: bool = False) -> None:
        """Have pictures and a verdict made of what a camera or a probe recorded, and the readout sealed.

        `by_hand`: a person has ended it.
        """
        if not self._site.finish or modality == "pet":
            return
        if await asyncio.to_thread(sealed_status, directory) is not None and not is_finished(directory):
            self.finishing.put(directory, by_hand=by_hand)

    async def _finish_left_behind(self) -> None:
        """Do so with the last acquisition where it ended before its daemon did."""
        entry = self.journal.entry
        if self.machine.state in IDLE and entry.directory and entry.protocol and entry.step:
            modality = str(tomllib.loads(entry.protocol).get("modality"))
            await self._finish(Path(entry.directory), modality)

    def _parts(self) -> Parts:
        return Parts(
            machine=self.machine, bus=self.bus, alarms=self.alarms, audit=self.audit, motion=self.hardware.motion,
            runs=self.planner, lower_voltage=self.hardware.lower_voltage,
            simulate=self.hardware.simulate if self._site.simulated else None,
            on_devices=self.hardware.handlers(lambda: self.machine.state), rising=self.hardware.rising,
            desk=self.desk, further={
                **self.quality.handlers, **self.hardware.looks(self.desk.bed.figures), **self.alarm_log.handlers,
                **self.probe_tally.handlers,
                **self.studies.handlers, **self.choosing.handlers,
                **self.service_desk.handlers, **self.logbook.handlers,
                **self._between().handlers, **self._windows().handlers,
                **self.protocols.handlers, **self.worklist.handlers,
            },
        )  # fmt: skip

    def _between(self) -> Between:
        return Between(
            lambda: self.station, self.machine, self.desk.bed.figures, self.planner.lies, self._views_changed
        )

    def _windows(self) -> ExamWindows:
        return ExamWindows(
            lambda: self.station.run, self.machine, self.planner, self._readout,
            lambda: self.revisions.changed("acquisition"),
        )  # fmt: skip

    def _add_services(self) -> LocalApi:
        site, add = self._site, self.supervisor.add
        api = LocalApi(site.socket_path, site.access.socket_group, self.station.command, self.bus, self._role_of)
        add("alarms", self.alarms.run, essential=True)
        add("loop", self.ticker.run, essential=True)
        add("alarm-history", self.alarm_log.run, essential=False)
        add("probe-tally", self.probe_tally.run, essential=False)
        add("bed-watch", self.bed_watch.run, essential=False)
        add("journal", self.journal.run, essential=False)
        add("catalogue", self.catalogue.run, essential=False)
        add("protocols", self.protocols.run, essential=False)
        add("finishing", self.finishing.run, essential=False)
        add("study-jobs", self.studies.jobs.run, essential=False)
        for name, run in (
            *self.hardware.services(), *self.quality.services(self.station), *self.worklist.services(),
        ):  # fmt: skip
            add(name, run, essential=False)
        sayers = Sayers(
            self.bus, self.alarms, self.audit, self.station, self.planner, self._role_of, self.hardware.figures()
        )
        for name, run in publishers(site, self._scanner_name, sayers):
            add(name, run, essential=False)
        for name, run in (service for front in self._fronts for service in front(self._offer())):
            add(name, run, essential=False)
        add(_API, api.run, essential=True)
        pulse = Pulse("the loop", _LOOP_LATE_S)
        add("watchdog", Watchdog(self._notify, {"loop": self._loop_check(pulse)}).run, essential=True)
        return api

    def _offer(self) -> Offer:
        return Offer(
            self._site, self._folder, self._scanner_name, self.station.command, self.bus, self.alarms, self.audit,
            self._role_of, self._readout, self.station.take_on, self.revisions,
        )  # fmt: skip

    def _readout(self) -> Path | None:
        """Return the control socket of the readout under way."""
        runtime = self.journal.entry.runtime
        return Path(runtime) / CONTROL if runtime else None

    def _probe(self) -> Where | None:
        """Return where the run of a probe is; None where none is under way."""
        run, control, entry = self.station.run, self._readout(), self.machine.entry
        if run is None or control is None or run.protocol.modality != "probe" or not entry.step:
            return None
        step = run.protocol.steps[min(entry.step, len(run.protocol.steps)) - 1]
        return Where(run.identity, control, entry.step, step.name, step.role, entry.state is State.ACQUIRING)

    def _loop_check(self, pulse: Pulse) -> Any:
        def check() -> str | None:
            if self.ticker.lag_s < _LOOP_LATE_S:
                pulse.beat()
            return pulse()

        return check

    # Small things

    def _views_changed(self) -> None:
        self.revisions.changed("acquisition")
        self.worklist.look_again()

    def _bed_changed(self, patient: bool) -> None:  # noqa: FBT001 - as the bed tells it
        self.machine.note(patient_on_bed=patient)
        self.bed_watch.look()
        if not patient:
            self.hardware.motion.unlatch("the patient is off the bed")

    def _mark(self, what: str, text: str) -> None:
        """Put a text into the audit log and what is recorded, where something is; nobody waits for the readout."""
        self.audit.note(DAEMON, what, text, result="done", new=str(self.machine.state))
        run = self.station.run
        if run is None or self.machine.state not in RECORDING:
            return
        task = asyncio.get_running_loop().create_task(run.mark(text), name="mark")
        self._marking.add(task)
        task.add_done_callback(self._marked)

    def _marked(self, task: asyncio.Task[None]) -> None:
        self._marking.discard(task)
        if not task.cancelled() and (why := task.exception()) is not None:
            _LOG.error("a mark is not in the recording: %s", why)

    def _announce_equipment(self) -> None:
        told = equipment.described(self._site, self._instruments, self.hardware.described())
        self.bus.announce(
            Description(
                station=self._site.station, scanner=self._scanner_name,
                versions=equipment.versions(), simulated=self._site.simulated, **told,
            )
        )  # fmt: skip

    def _journal_fails(self, text: str | None) -> None:
        if text is None:
            self.alarms.clear("daemon", "journal")
            return
        _LOG.error("%s", text)
        self.alarms.raise_(
            "daemon", "journal", priority="medium", latched=True, details=text,
            text="the station cannot note what is under way: if it were restarted now, it would not know of it",
            guidance="acquisitions go on; do not switch the station off, and tell whoever services the scanner",
        )  # fmt: skip

    def _service_failed(self, service: Service) -> None:
        self.alarms.raise_(
            "daemon", f"service-{service.name}", priority="high" if service.essential else "medium",
            text=f"a part of the station's program has failed: {service.name.replace('-', ' ')}",
            guidance="acquisitions go on; tell whoever services the scanner, who restarts it when nothing is under way",
            details=f"the service {service.name} was given up: {service.why}; the daemon's log tells more",
        )  # fmt: skip
        if service.essential:
            self.supervisor.stop()

    async def _close(self) -> None:
        await self.quality.end()
        await self.station.close()
        await self.planner.close()
        lies = "while a patient is on the bed" if self.desk.bed.patient else ""
        self.audit.note(DAEMON, "end", self._site.station, result="done", new=str(self.machine.state), reason=lies)
        if lies:
            _LOG.warning("the daemon ends %s: go to the patient", lies)
        await self.audit.close()
        await self.hardware.close()
        self.catalogue.close()
        self.protocols.close()
        self.studies.close()
        self.choosing.close()
        self.service_desk.close()
        self.logbook.close()
        self.quality.close()
        self.journal.close()
        self._notify.close()
        _LOG.info("ended; state %s, process %d", self.machine.state, os.getpid())
