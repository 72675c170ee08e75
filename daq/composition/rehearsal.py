"""What would speak against preparing just so, item by item, with what is the case; nothing is changed by it.

Every item comes of the function that `prepare` itself asks, so that what is told here is what would be refused there.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from daq.composition.entries import require_patient
from daq.composition.examwindows import asked_for
from daq.composition.facing import require_facing, unfaced
from daq.composition.judging import QC, assumed, require_usable, unmet, unsigned
from daq.composition.protocolplan import fitted
from daq.composition.rehearsedspace import space_told
from daq.composition.studies import linked
from daq.errors import ScandaqError
from daq.model.orientation import lying
from daq.model.station import Actor
from daq.model.verbs import Rehearse
from daq.pipeline.facing import GANTRY
from daq.services.acquisition import papers
from daq.services.acquisition.reaching import targets_of
from daq.services.acquisition.uptake import UptakeTime
from daq.state.acquisition import Trigger, possible
from daq.state.enable import Motion, Reference

if TYPE_CHECKING:
    from acquisition_protocols.load import LoadedProtocol
    from daq.composition.equipment import Equipment
    from daq.composition.studies import Find, Linked
    from daq.model.administration import AdministrationRecord
    from daq.model.protocol import AcquisitionProtocol
    from daq.model.verbs import Prepare
    from daq.services.acquisition.machine import Machine
    from daq.services.alarms import Alarms
    from daq.services.motion.engine import MotionEngine
    from daq.services.qc.bed import Bed

State = Literal["ok", "warning", "missing", "refused"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was looked at. `overridable`: by its name, with a reason."""

    name: str
    state: State
    sentence: str
    overridable: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is looked at beside the equipment."""

    load: Callable[[str], LoadedProtocol]
    find: Find
    machine: Machine
    motion: MotionEngine
    alarms: Alarms
    bed: Bed
    interlocks: Callable[[], str | None]
    completed: Callable[[Prepare], Awaitable[Prepare]]
    lacking: Callable[[Prepare], Awaitable[str]]
    """Says what the administration record of the entry still needs."""


class Rehearsal:
    """Carries out `rehearse`."""

    def __init__(self, equipment: Equipment, around: Surroundings) -> None:
        self._equipment, self._around = equipment, around

    async def rehearse(self, request: Rehearse, actor: Actor) -> dict[str, Any]:
        """Return the items, and whether `prepare` would be taken now; what it would raise is an item."""
        look = _Look(self._equipment, self._around, request, actor)
        await look.at_all()
        items = look.items
        blocked = [item for item in items if item.state in ("missing", "refused")]
        return {
            "ready": not blocked, "items": [asdict(item) for item in items],
            "protocol": None if look.loaded is None else _about(look.loaded), "orientation": look.lies,
            "orientation_words": lying(look.lies).words if look.lies is not None else "",
        }  # fmt: skip


class _Look:
    """One rehearsal."""

    def __init__(self, equipment: Equipment, around: Surroundings, request: Rehearse, actor: Actor) -> None:
        self._equipment, self._around, self._request, self._actor = equipment, around, request, actor
        self._completed: Prepare = request
        self.items: list[Item] = []
        self._in_spite: set[str] = set()
        """Requirements that hold only because a person has allowed it."""
        self.loaded: LoadedProtocol | None = None
        self.lies: Any = None

    async def at_all(self) -> None:
        """Look at everything, as far as one can without what is refused."""
        self._at_state()
        with self._refused("entry"):
            self._completed = await self._around.completed(self._request)
        with self._refused("protocol"):
            loaded = await asyncio.to_thread(self._around.load, self._request.protocol)
            chosen = loaded.protocol.of_session(self._request.session).of_views(self._request.views)
            self.loaded = replace(loaded, protocol=chosen)
            self._at_windows(chosen)
        if self.loaded is None:
            return
        study = await self._study(self.loaded.protocol)
        if study is None or not await self._usable(self.loaded):
            return
        self._at_signature(self.loaded)
        self._completed = study.completed(self._completed)
        await self._at_requirements(self.loaded.protocol)
        record = await self._at_papers(self.loaded.protocol, study)
        await self._at_views(self.loaded.protocol)
        await self._at_room(self.loaded.protocol)
        await self._at_disk(self.loaded.protocol)
        self._at_uptake(self.loaded.protocol, record)

    # What there is to look at, in the order of the list

    def _at_state(self) -> None:
        machine = self._around.machine
        if not machine.allows(Trigger.PREPARE):
            legal = ", ".join(possible(machine.state))
            self._add("station", "refused", f"the station is {machine.state}; possible now: {legal}")

    def _at_windows(self, protocol: AcquisitionProtocol) -> None:
        with self._refused("windows"):
            request = self._request
            for change in asked_for(self._equipment, protocol, request.windows, self._actor.user, request.reason):
                self._add("windows", "warning", change.sentence)

    async def _study(self, protocol: AcquisitionProtocol) -> Linked | None:
        found = None
        with self._refused("study"):
            storage = self._equipment.site.storage
            found = await linked(storage, self._around.find, self._completed, protocol)
            self.lies = found.reference.patient_orientation  # before what may be refused
            require_patient(protocol, self._completed, found, self._actor)
        return found

    async def _usable(self, loaded: LoadedProtocol) -> bool:
        with self._refused("protocol"):
            await require_usable(self._equipment, loaded, self._completed)
            return True
        return False

    def _at_signature(self, loaded: LoadedProtocol) -> None:
        draft = unsigned(loaded)
        by = loaded.signature.by if loaded.signature is not None else ""
        if draft is None:
            self._add("draft", "ok", f"version {loaded.protocol.version}, signed by {by}")
        elif self._request.draft_reason:
            self._add("draft", "warning", f"{draft}; used because: {self._request.draft_reason}")
        else:
            self._add("draft", "missing", draft, overridable=True)

    async def _at_requirements(self, protocol: AcquisitionProtocol) -> None:
        missing: dict[str, str] | None = None
        with self._refused("calibrations"):
            holding = await self._holding(protocol)
            missing = await unmet(self._equipment, protocol, self._completed)
        if missing is None:
            return
        for name in dict.fromkeys([*holding, *missing]):
            if name not in missing:
                self._add(name, "warning" if name in self._in_spite else "ok", holding[name])
            elif name in self._request.overrides:
                self._add(name, "warning", f"{missing[name]}; overridden: {self._request.overrides[name]}")
            else:
                more = await self._around.lacking(self._request) if name == "administration" else ""
                said = f"{missing[name]}: still needed are {more}" if more else missing[name]
                self._add(name, "missing", said, overridable=True)

    async def _holding(self, protocol: AcquisitionProtocol) -> dict[str, str]:
        """Return what is required, by name, in the words for where it holds."""
        wants = protocol.requirements
        told = {}
        if wants.collimators:
            told["collimator"] = f"{await self._equipment.collimator()} is mounted, as the protocol needs"
        if self._equipment.standing is not None and protocol.of_patient:
            stands = await self._equipment.standing.of_protocol(protocol)
            told[QC] = "quality control allows it" + (
                f"; to be looked at: {', '.join(stands.remarks)}" * bool(stands.remarks)
            )
            if stands.in_spite:
                self._in_spite.add(QC)
                told[QC] = f"used in spite of {'; '.join(f'{name}: {why}' for name, why in stands.in_spite.items())}"
        told["high-voltage"] = "no supply is in trouble"
        told |= {need.name: "a calibration that fits is there, and not too old" for need in wants.calibrations}
        if protocol.windows.windows:
            told["energy-calibration"] = "windows in keV can be told from the codes of the front end"
        if wants.administration != "none":
            told["administration"] = "the administration record has what the protocol needs"
        return told

    async def _at_papers(self, protocol: AcquisitionProtocol, study: Linked) -> AdministrationRecord | None:
        given = self._completed
        with self._refused("identity"):
            papers.checked(given.patient, None, self._actor, study.patient)
        record = None
        with self._refused("administration"):
            _, record = papers.checked(None, given.administration, self._actor, None)
        if record is not None:
            for doubt in record.doubts:
                self._add("administration-doubt", "warning", doubt)
        del protocol
        return record

    async def _at_views(self, protocol: AcquisitionProtocol) -> None:
        gantry_deg = None
        with self._refused("orientation"):
            gantry_deg = (await self._equipment.places()).get(GANTRY)
            require_facing(protocol, self._equipment.scanner, self.lies, gantry_deg)
            self._add("orientation", "ok", f"lies {lying(self.lies).words}; heads will see the views of the protocol")
        for doubt in unfaced(protocol, self._equipment.scanner, gantry_deg):
            self._add("views", "warning", doubt)

    async def _at_room(self, protocol: AcquisitionProtocol) -> None:
        motion, first = self._around.motion, protocol.steps[0]
        trouble = self._around.interlocks()
        if trouble is not None:
            self._add("interlocks", "warning", trouble)
        else:
            self._add("interlocks", "ok", "no interlock is open")
        if motion.axes:
            await self._at_axes(first)
        if protocol.of_patient and self._around.bed.patient:
            self._add("bed", "warning", "nobody has said that the patient before is off the bed")
        elif protocol.of_patient:
            self._add("bed", "ok", "nobody else was prepared before; look that nothing is in the way")

    async def _at_axes(self, first: Any) -> None:
        motion, targets = self._around.motion, targets_of(first)
        if motion.enable.reference is not Reference.CONFIRMED:
            needed = motion.figures()["needed"]
            self._add("axes", "refused" if targets else "warning", f"positions are {motion.enable.reference}: {needed}")
            return
        self._add("axes", "ok", "axes are homed")
        try:
            there = not targets or await motion.is_at(targets)
        except ScandaqError as why:
            self._add("enable", "refused", str(why))
            return
        if there:
            self._add("enable", "ok", "axes stand where the first step begins")
        elif (lacking := motion.against(Motion.POSITIONING)) is not None:
            where = f"{', '.join(targets)} will move to where the first step begins"
            self._add("enable", "warning", f"{where} while the enable is held ({lacking})")
        else:
            self._add("enable", "ok", f"{', '.join(targets)} will move to where the first step begins")

    async def _at_disk(self, protocol: AcquisitionProtocol) -> None:
        storage = self._equipment.site.storage
        with self._refused("disk"):
            collimator = assumed(await self._equipment.collimator(), protocol, self._request.overrides)
            fit = await asyncio.to_thread(fitted, self._equipment, protocol, Path(storage) / "rehearsed", collimator)
            self._add(
                "disk", "ok", await asyncio.to_thread(space_told, storage, fit.profile, protocol, self._equipment)
            )

    def _at_uptake(self, protocol: AcquisitionProtocol, record: AdministrationRecord | None) -> None:
        first = protocol.steps[0]
        if first.after_injection_s is None:
            return
        injected = None if record is None else record.injected_at
        said = UptakeTime(lambda: injected, self._around.alarms).said(first)
        if said is not None:
            self._add("uptake", "warning", said)
            return
        minutes = 0.0 if injected is None else (datetime.now(UTC) - injected).total_seconds() / 60
        self._add("uptake", "ok", f"injected {math.floor(minutes)} min ago, which is in time for {first.name!r}")

    # How it is told

    def _add(self, name: str, state: State, sentence: str, *, overridable: bool = False) -> None:
        self.items.append(Item(name, state, sentence, overridable))

    def _refused(self, name: str) -> _AsItem:
        """Take what is raised as an item that is refused."""
        return _AsItem(lambda why: self._add(name, "refused", why))


class _AsItem:
    """Tells what is raised within it, and goes on after it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _: type[BaseException] | None, why: BaseException | None, __: TracebackType | None
    ) -> bool:  # fmt: skip
        if not isinstance(why, ScandaqError | OSError):
            return False
        self._tell(str(why) if isinstance(why, ScandaqError) else f"{why.filename or 'a file'}: {why.strerror or why}")
        return True  # a file that went, or a disk that was busy, while it was looked at is no fault of the program


def _about(loaded: LoadedProtocol) -> dict[str, Any]:
    protocol = loaded.protocol
    return {
        "id": protocol.id, "title": protocol.title, "version": protocol.version, "state": loaded.state,
        "steps": [step.name for step in protocol.steps], "radionuclide": protocol.radionuclide,
        "collimators": list(protocol.requirements.collimators), "sessions": list(protocol.sessions),
        "administration": protocol.requirements.administration,
        "instruction": protocol.steps[0].instruction or "",
    }  # fmt: skip
