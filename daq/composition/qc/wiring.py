"""Quality control in the daemon: books, desk, analyses, the automatic test, put together from site and scanner."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.composition.qc import process, readingprocess
from daq.composition.qc.job import Job
from daq.composition.qc.limitslist import limit_rows, references_of, tests_of
from daq.composition.qc.zone import host_zone
from daq.devices.bed import DrivenBed
from daq.errors import DeadlineError, MissingError, RefusedError, ScandaqError
from daq.model.station import Actor, Role
from daq.qc.units import heads_of
from daq.services.catalogue.database import CATALOGUE_FILE
from daq.services.qc.analysing import Analysing
from daq.services.qc.announcing import Announcing
from daq.services.qc.asking import Asking
from daq.services.qc.auto import AutoQc, Leavings, Room
from daq.services.qc.bed import Bed
from daq.services.qc.books import FOLDER, QcBooks
from daq.services.qc.desk import Desk, Surroundings
from daq.services.qc.importing import Importing
from daq.services.qc.looking import Looking
from daq.services.qc.planning import Planning
from daq.services.qc.reading import Reading
from daq.services.qc.register import Register
from daq.services.qc.ringing import DEVICE, Ringing
from daq.services.qc.rounds import Room as RoundsRoom
from daq.services.qc.rounds import Rounds
from daq.services.qc.signing import Signing, Where
from daq.services.qc.spite import InSpite
from daq.services.qc.standing import Standing
from daq.state.acquisition import ACTIVE, IDLE, State
from daq.storage.listing import load_manifest

if TYPE_CHECKING:
    from daq.composition.hardware import Hardware
    from daq.composition.runs import Planner
    from daq.model.scanner import ScannerProfile
    from daq.services.acquisition.machine import Machine
    from daq.services.acquisition.run import Run
    from daq.services.alarms import Alarms
    from daq.services.audit import Audit
    from daq.services.bus import Bus
    from daq.services.qc.handlers import Handlers
    from daq.services.qc.orders import Order
    from daq.services.revisions import Revisions
    from daq.services.station import Station
    from device_profiles.site import Site

_LOG = logging.getLogger(__name__)
WORK = "qc-work"
"""Folder within the state folder: analyses that are owed, and what their processes are given."""
REVISION = "qc"
"""What browsers are told that has changed: books, or a test that was begun from the console."""
AUTO = Actor("autoqc", "daemon", Role.QC)
"""Who acquires by itself. No person: it cannot state that a bed is empty."""
_ARMED_S = 120.0
_LOOK_S = 0.2
_HASHED_S = 60.0

Services = list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]


class Quality:
    """Quality control of one station. `connect` gives it the rest of the daemon, which needs it first."""

    def __init__(
        self, site: Site, scanner: ScannerProfile | None, bus: Bus, alarms: Alarms, audit: Audit, hardware: Hardware,
        machine: Machine, revisions: Revisions,
    ) -> None:  # fmt: skip
        self._revisions = revisions
        self._site, self._scanner, self._bus, self._alarms = site, scanner, bus, alarms
        self._hardware, self._machine = hardware, machine
        self.tests = scanner.qc if scanner is not None else {}
        name = scanner.id if scanner is not None else ""
        self._url = site.catalogue or f"sqlite:///{site.state_folder / CATALOGUE_FILE}"
        folder = site.state_folder / FOLDER
        self.books = QcBooks(self._url, folder, station=site.station, simulated=site.simulated, alarms=alarms)
        heads = heads_of(head.number for head in scanner.heads) if scanner is not None else frozenset()
        self.standing = Standing(self.tests, self.books, host_zone(), heads=heads)
        self.in_spite = InSpite(
            site.state_folder, self.standing.due, alone=site.qc.one_person_may_approve,
            hours=site.qc.allowance_hours, changed=lambda: revisions.changed(REVISION),
        )  # fmt: skip
        if self.in_spite.problem:
            alarms.raise_(
                DEVICE, "in-spite", priority="medium", text=self.in_spite.problem,
                guidance="recordings bear what they were made in spite of; have the file looked at by service",
            )  # fmt: skip
        self.standing.allows = self.in_spite.allows
        self._announcing = Announcing(self.standing, bus)
        self._ringing = Ringing(alarms)
        self.analysing = Analysing(
            process.command, self._job_of, self.books, self._ringing, audit, site.state_folder / WORK,
            station=site.station, scanner=name, simulated=site.simulated, announce=self._changed,
        )  # fmt: skip
        self._where = Where(site.station, name, site.simulated)
        self._leavings = Leavings(lambda: revisions.changed(REVISION))
        self._station: Station | None = None
        self._marking: set[asyncio.Task[None]] = set()

    def connect(self, planner: Planner) -> Desk:
        """Return the desk; let the planner tell it what is prepared."""
        beds = [device for device in self._hardware.motion.axes.values() if isinstance(device, DrivenBed)]
        bed = Bed(beds, patient=self._machine.entry.patient_on_bed)
        asking = Asking(self.standing, bed, lambda name: planner.load(name).protocol)
        around = Surroundings(
            self._bus, self._alarms, lambda: self._machine.state is State.ACQUIRING, self._hardware.places,
            self._directories, self._mark, lambda: self._machine.state in ACTIVE,
        )  # fmt: skip
        self.desk = Desk(asking, self.standing, bed, self.analysing, self._leavings, around)
        planner.prepares = self.desk.prepared
        planner.overridden = self._overridden
        planning = Planning(asking, self.standing, self.books, bed, self._busy)
        self._rounds = Rounds(planning, RoundsRoom(
            self._asked, self._stands, self._bus, self._alarms, bed, self.books, self.analysing.is_owed,
            self._site.simulated, lambda: self._revisions.changed(REVISION),
        ))  # fmt: skip
        return self.desk

    @property
    def handlers(self) -> Handlers:
        """Return who carries out the verbs of quality control; each that changes the books is told of at once."""
        signing = Signing(self.books, self._where, alone=self._site.qc.one_person_may_approve)
        register = Register(self.books, self._where, self.tests)
        importing = Importing(self.books, self._where, self.tests)
        entering = {**signing.handlers(), **register.handlers(), **importing.handlers()}
        looking = Looking(self.books, self.standing, self._limit_rows, signing.against)
        work = self._site.state_folder / WORK / "made"
        reading = Reading(readingprocess.command, self._reading_job, self.books, self.tests, work)
        return {
            **{verb: self._looked(do) for verb, do in entering.items()}, **self.desk.handlers, **looking.handlers(),
            **reading.handlers(), **self._rounds.handlers(), **self.in_spite.handlers(),
        }  # fmt: skip

    def services(self, station: Station) -> Services:
        """Return what has to run: name and coroutine function."""
        self._station = station
        services: Services = [("qc-books", self.books.run)]
        if not self.tests:
            return services
        services += [("qc-analyses", self.analysing.run), ("qc-status", self._announcing.run)]
        auto = self._auto(station)
        return [*services, ("qc-auto", self._listening(auto))] if auto.tests else services

    async def take_over(self, station: Station) -> None:
        """Follow the test that is under way, and have analysed what the daemon before this one left."""
        entry, run = self._machine.entry, station.run
        under_way = self._machine.state not in IDLE
        if run is not None and under_way and entry.qc_test:
            await self.desk.begun(run, entry.qc_test, run.protocol)
        await self.desk.take_over(_is_sealed, entry.run if under_way else None)

    def close(self) -> None:
        """End the threads of the books."""
        self.books.close()

    async def end(self) -> None:
        """Follow no test any more that was begun from the console."""
        await self._rounds.close()

    def _changed(self) -> None:
        self._announcing.look()
        self._revisions.changed(REVISION)

    async def _overridden(self, run: str, overrides: Mapping[str, str], actor: Actor) -> None:
        """Take note of what was overridden of quality control. Its files bear it, also where no note can be taken."""
        try:
            await self.in_spite.note(run, overrides, tuple(self.tests), actor)
        except ScandaqError as why:
            _LOG.error("%s was prepared in spite of quality control, of which no note could be taken: %s", run, why)

    # What others need of the station

    def _busy(self) -> str:
        return (
            "" if self._machine.state in IDLE else f"an acquisition is under way ({self._machine.state}): end it first"
        )

    def _stands(self) -> tuple[State, str | None, str]:
        entry = self._machine.entry
        return entry.state, entry.run, entry.detail

    async def _asked(self, verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
        if self._station is None:
            raise RefusedError("the daemon has only just been started; ask again in a moment")
        return await self._station.command(verb, args, actor)

    async def _limit_rows(self, test: str | None) -> list[dict[str, Any]]:
        scanner = self._scanner
        if scanner is None:
            return []
        tests = tests_of(scanner, test)
        references = await references_of(self.books, tests)
        folders = [] if self._site.protocols is None else [self._site.protocols]
        return await asyncio.to_thread(limit_rows, scanner, tests, protocols=folders, references=references)

    def _reading_job(self) -> Mapping[str, Any]:
        """Return what a process needs that reads the books itself."""
        if self._scanner is None:
            raise RefusedError("this station has no scanner profile: it knows no tests of quality control")
        return {
            "url": self._url, "folder": str(self._site.state_folder / FOLDER), "station": self._site.station,
            "simulated": self._site.simulated, "scanner": self._scanner.model_dump(mode="json"),
        }  # fmt: skip

    async def _job_of(self, order: Order) -> Mapping[str, Any]:
        if self._scanner is None or order.test not in self.tests:
            raise MissingError(f"this scanner has no test {order.test!r} any more")
        await asyncio.to_thread(_await_checksums, order.recordings)
        reference = await self.books.reference(order.test)
        earlier = {
            name: newest.result
            for name in self.tests
            if name != order.test and (newest := await self.books.newest(name)) is not None
        }
        return Job(
            order.test, self.tests[order.test], self._scanner, order.recordings, order.entries, earlier,
            None if reference is None else (reference.document.id, reference.result),
            head_calibrations=self._site.head_calibrations, calibrations=self._site.calibrations,
            performed=order.performed, by=order.by, comment=order.comment, source=await self._source_of(order),
        ).to_json()  # fmt: skip

    async def _source_of(self, order: Order) -> Mapping[str, Any]:
        """Return what the register says of the source that an order names; nothing where it names none."""
        if not order.source:
            return {}
        found = await self.books.source(order.source)
        if found is None:
            raise MissingError(f"source {order.source} is not in the register (daq qc source)")
        return found.body

    def _auto(self, station: Station) -> AutoQc:
        async def protocol_of(name: str) -> Any:
            return await asyncio.to_thread(self.desk.load, name)

        async def acquire(test: str, source: str | None) -> None:
            asked: dict[str, object] = {
                "test": test,
                "reason": "by itself, at its hour",
                **({"source": source} if source else {}),
            }
            await station.command("qc-run", asked, AUTO)
            until_s = time.monotonic() + _ARMED_S
            while self._machine.state is State.PREPARING and time.monotonic() < until_s:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(_LOOK_S)
            if self._machine.state is not State.ARMED:
                raise DeadlineError(f"it could not be armed: {self._machine.state}: {self._machine.entry.detail}")
            await station.command("start", {"reason": "by itself, at its hour"}, AUTO)

        room = Room(protocol_of, self._against, self._hardware.places, acquire)
        file = self._site.state_folder / WORK / "auto.json"
        zone = self.standing.zone
        return AutoQc(self.tests, self._leavings, room, self._ringing, file, zone=zone, clock=lambda: datetime.now(UTC))

    def _against(self) -> str | None:
        """Return why the station is not free for the automatic test; None where it is."""
        if self._machine.state not in IDLE:
            return f"the station is {self._machine.state}"
        if self.desk.bed.occupied:
            return f"the bed is {self.desk.bed.statement}"
        return self._hardware.interlock_trouble()

    def _listening(self, auto: AutoQc) -> Callable[[], Coroutine[Any, Any, None]]:
        async def run() -> None:
            with self._hardware.motion.where.listening(self._leavings.heard):
                await auto.run()

        return run

    def _looked(self, do: Callable[[Any, Actor], Any]) -> Callable[[Any, Actor], Any]:
        async def done(request: Any, actor: Actor) -> dict[str, Any]:
            try:
                answer: dict[str, Any] = await do(request, actor)
            finally:
                self._changed()
            return answer

        return done

    async def _directories(self, runs: Sequence[str]) -> tuple[Path, ...]:
        return await asyncio.to_thread(lambda: tuple(_directory(self._site.storage, run) for run in runs))

    def _mark(self, run: Run, text: str) -> None:
        task = asyncio.get_running_loop().create_task(run.mark(text), name="qc-mark")
        self._marking.add(task)
        task.add_done_callback(self._marked)

    def _marked(self, task: asyncio.Task[None]) -> None:
        self._marking.discard(task)
        if not task.cancelled() and (why := task.exception()) is not None:
            _LOG.error("what stands against a test is not in its recording: %s", why)


def _directory(storage: Path, run: str) -> Path:
    """Return the directory of an acquisition. Raise `MissingError`."""
    named = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", run)
    found = sorted(storage.glob(f"*/{escape(run)}")) if named else []
    if not found:
        raise MissingError(f"there is no acquisition {run!r} in {storage}")
    return found[0].resolve()


def _is_sealed(directory: Path) -> bool | None:
    """Return whether a recording is sealed; None where there is none, or nothing was counted."""
    try:
        manifest = load_manifest(directory)
    except ScandaqError:
        return False if directory.is_dir() else None
    if manifest.state == "open":
        return False
    return True if manifest.steps else None


def _await_checksums(directories: Sequence[Path]) -> None:
    """Return when the readouts have written the checksums, so that a result holds the hash of the last manifest.

    A readout that was killed writes none: after a minute the manifest counts as it is.
    """
    until_s = time.monotonic() + _HASHED_S
    for directory in directories:
        try:
            while not load_manifest(directory).hashed and time.monotonic() < until_s:
                time.sleep(_LOOK_S)
        except ScandaqError as why:
            raise RefusedError(str(why)) from None
