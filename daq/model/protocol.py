"""What an acquisition is to do: a protocol with its steps, in base units, repetitions expanded.

The TOML file is described in `daq.model.protocol_file`; `daq.model.protocol_steps` makes these values of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from daq.errors import RefusedError
from daq.model.gating import ALL, FrameZero, Gate, Head, HeadCounted
from daq.model.geometry import Laterality, PatientOrientation, View
from daq.model.protocol_terms import Coincidence, HandOver, Need, QcTerms, Requirements, Store, Tolerances
from daq.model.stop import WindowCounter
from daq.model.stopterms import gate_term, zero_term
from daq.model.windowchange import WindowChange
from daq.model.windows import EnergyWindow, WindowSet

if TYPE_CHECKING:
    from daq.model.protocol_file import ProtocolFile

__all__ = [
    "ALL", "Coincidence", "FrameZero", "Gate", "HandOver", "Head", "HeadCounted", "Need", "QcTerms", "Requirements",
    "Store", "Tolerances",
]  # fmt: skip
_PS_PER_S = 10**12

Unit = Literal["mm", "deg"]


class ProtocolKind(StrEnum):
    """What is acquired; decides what a pause means."""

    STATIC = "static"
    WHOLE_BODY = "whole_body"
    DYNAMIC = "dynamic"
    GATED = "gated"
    SPECT = "spect"
    PET = "pet"
    PROBE = "probe"
    QC_FLOOD = "qc_flood"


class PauseMeaning(StrEnum):
    """What a pause does to a step."""

    GAP_MARKED = "gap_marked"
    """What comes is recorded and does not count; the gap is marked."""
    TIME_RUNS = "time_runs"
    """Frames go on by the clock, for the tracer does."""
    FINISH_STEP = "finish_step"
    """The step is finished, then axes stop; what comes until the next one is outside."""
    DROP_BEAT = "drop_beat"
    """The beats that a pause touches are dropped."""


PAUSE_BY_KIND: Mapping[ProtocolKind, PauseMeaning] = MappingProxyType({
    ProtocolKind.STATIC: PauseMeaning.GAP_MARKED,
    ProtocolKind.WHOLE_BODY: PauseMeaning.FINISH_STEP,
    ProtocolKind.DYNAMIC: PauseMeaning.TIME_RUNS,
    ProtocolKind.GATED: PauseMeaning.DROP_BEAT,
    ProtocolKind.SPECT: PauseMeaning.FINISH_STEP,
    ProtocolKind.PET: PauseMeaning.GAP_MARKED,
    ProtocolKind.PROBE: PauseMeaning.GAP_MARKED,
    ProtocolKind.QC_FLOOD: PauseMeaning.GAP_MARKED,
})  # fmt: skip
"""A bed position of PET, a probe's and a flood's measurement are static."""


_OF_SINGLES = ("singles", "events")
"""Counters of what has one energy and one head; a gamma camera's events are its singles."""


@dataclass(frozen=True, slots=True)
class CountLimit:
    """So many counts of one counter, in one energy window (or `all`), of some head, each of some, or of their sum."""

    counter: str
    limit: int
    window: str
    head: HeadCounted
    expected_rate_cps: float | None = None
    all_are_inside: bool = False
    """The software pairs singles of this window alone, so that every pair it makes is inside."""
    heads: tuple[int, ...] = ()
    """The numbers of the heads that `both` or `view` means."""
    region_mm: tuple[float, float, float, float] | None = None
    """x from, y from, x to, y to, as the picture is seen, head up."""

    @property
    def name(self) -> str | None:
        """Return the counter of the readout that counts this; None where it has none: pairs by window or head."""
        if self.of_everything:
            return self.counter
        if self.counter not in _OF_SINGLES:
            return None
        heads = self.heads if self.head in ("both", "view") else ()
        return str(WindowCounter(self.window, heads, self.head == "either", self.region_mm))

    @property
    def of_everything(self) -> bool:
        """Return True when every event counts that the counter names, so that the readout can count them."""
        return self.region_mm is None and self.head == "sum" and (self.window == ALL or self.all_are_inside)

    def __str__(self) -> str:
        """Return the limit in words."""
        window = "whatever their energy" if self.window == ALL else f"in window {self.window}"
        of_view = f"each of {len(self.heads)} heads that have a view" if len(self.heads) > 1 else "the head of the view"
        head = {"sum": "all heads together", "either": "either head", "both": "both heads", "view": of_view}[self.head]
        region = (
            ""
            if self.region_mm is None
            else " in {:g} to {:g} mm across, {:g} to {:g} mm up".format(
                *(self.region_mm[side] for side in (0, 2, 1, 3))
            )
        )
        return f"{self.limit:,} {self.counter} {window}{region}, {head}"


@dataclass(frozen=True, slots=True)
class Stop:
    """What ends a step, whichever comes first. `host_ps`: host time, the backstop. `manual`: a person ends it."""

    counts: CountLimit | None = None
    duration_ps: int | None = None
    host_ps: int | None = None
    manual: bool = False
    beats: int | None = None
    """Accepted ones."""
    as_step: str | None = None
    """Ends after as long as that step took."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One axis moves at constant speed while the step records. Positions in `unit`, speed in `unit` per second."""

    axis: str
    begin: float
    end: float
    speed: float
    unit: Unit
    speed_range: tuple[float, float] | None = None
    """Slowest and fastest that suit the tracer."""
    views: int | None = None
    """Projections of equal angle that a rotation is divided into."""

    @property
    def duration_s(self) -> float:
        """Return how long it moves, without speeding up and slowing down."""
        return abs(self.end - self.begin) / self.speed


@dataclass(frozen=True, slots=True)
class Phase:
    """A run of equal frames."""

    frames: int
    frame_ps: int


@dataclass(frozen=True, slots=True)
class Image:
    """The picture that is made of a step: columns and rows, zoom."""

    columns: int
    rows: int
    zoom: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One element of an acquisition. `key` is its place in the file, e.g. `steps[0]`; those of a repetition share it.

    `positions` are in mm or deg as `units` says, that of a sweep's axis is where it begins.
    """

    name: str
    key: str
    kind: ProtocolKind
    view: View | None = None
    """Of the head with the lowest number; `views` has one for each head."""
    views: tuple[View, ...] = ()
    laterality: Laterality | None = None
    region: str | None = None
    start: Literal["automatic", "manual"] = "automatic"
    instruction: str = ""
    """What a person is told before the step begins."""
    positions: dict[str, float] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    sweep: Sweep | None = None
    stop: Stop = Stop()
    gate: Gate | None = None
    phases: tuple[Phase, ...] = ()
    windows: tuple[str, ...] = ()
    """Names of the energy windows it is about; none means all of the protocol's."""
    image: Image | None = None
    before: tuple[HandOver, ...] = ()
    """What is to be confirmed before it begins."""
    first: Literal["pelvis", "head"] | None = None
    """Of the first of several bed positions: which end of the body it is."""
    overlap_percent: float | None = None
    """Of a bed position: how much of the axial field of view it shares with the one before."""
    minimum_counts: CountLimit | None = None
    """What there must be at the end for the step to be worth reading."""
    expected_rate_cps: float | None = None
    """Events of all heads and energies that are recorded in a second."""
    frame_zero: FrameZero | None = None
    role: str = "emission"
    label: str = ""
    session: int = 1
    after_injection_s: tuple[float, float] | None = None
    """Earliest and latest beginning after the injection."""

    @property
    def moving(self) -> bool:
        """Return True when an axis moves while the step records."""
        return self.sweep is not None

    @property
    def pause(self) -> PauseMeaning:
        """Return what a pause does to it."""
        return PAUSE_BY_KIND[self.kind]

    @property
    def continuable(self) -> bool:
        """Return True when it may be continued after an interruption: nothing moves, and a gap does no harm."""
        return not self.moving and self.pause is PauseMeaning.GAP_MARKED

    def stop_limits(self) -> list[str]:
        """Return what ends it, as `daq.model.stop.parse_stop` takes it; empty when only an axis or a person does.

        With it goes what the readout must know to see it: the gate by which beats are judged, what time counts from.
        Raises `RefusedError` for pairs counted in one of several windows: the readout counts all that it makes.
        """
        limits = []
        if self.stop.counts is not None:
            name = self.stop.counts.name
            if name is None:
                raise RefusedError(
                    f"step {self.name!r} ends at {self.stop.counts}: the readout counts all pairs together; possible "
                    'are window = "all" with head = "sum", prompts in the window that alone is paired, an end by time'
                )
            limits.append(f"{name}={self.stop.counts.limit}")
        if self.stop.beats is not None:
            limits.append(f"beats={self.stop.beats}")
        if self.stop.duration_ps is not None:
            limits.append(f"time={self.stop.duration_ps}ps")
        if self.stop.host_ps is not None:
            limits.append(f"host={self.stop.host_ps}ps")
        limits += [] if self.gate is None else [gate_term(self.gate)]
        limits += [] if self.frame_zero is None else [zero_term(self.frame_zero)]
        return limits

    def shortfall(self, counts: Mapping[str, int]) -> str | None:
        """Return in words what is missing to `minimum_counts` at the end of the step, None when nothing is.

        None also where the readout has no such counter.
        """
        least = self.minimum_counts
        there = None if least is None else _of_limit(counts, least)
        if least is None or there is None or there >= least.limit:
            return None
        return f"step {self.name!r} has {there:,} {least.counter}; below {least.limit:,} it is not worth reading"

    def fraction_done(self, counts: Mapping[str, int], elapsed_s: float) -> float | None:
        """Return how far the step is, 0 to 1, by the limit that is nearest; None where nothing can say.

        `counts` are the step's own, by counter; `elapsed_s` is detector time since it began. Host time is no progress.
        """
        parts = []
        limit = self.stop.counts
        done = None if limit is None else _of_limit(counts, limit)
        if limit is not None and done is not None:
            parts.append(done / limit.limit)
        if self.stop.beats is not None and "beats" in counts:
            parts.append(counts["beats"] / self.stop.beats)
        if self.stop.duration_ps is not None:
            parts.append(elapsed_s * _PS_PER_S / self.stop.duration_ps)
        if self.sweep is not None:
            parts.append(elapsed_s / self.sweep.duration_s)
        return min(1.0, max(0.0, *parts)) if parts else None


def _of_limit(counts: Mapping[str, int], limit: CountLimit) -> int | None:
    """Return how far the counts of a step are towards a limit; None where they do not say.

    The readout tells singles by window and by head; a step that ends at another counter than it is judged by has no
    counter `both` or `either` of its own, which is made of those of the heads then.
    """
    name = limit.name
    if name is None or name in counts:
        return None if name is None else counts[name]
    if limit.head == "sum":
        return 0 if limit.of_everything else None
    by_head = [count for key, count in counts.items() if key.startswith(f"singles[{limit.window}]@")]
    if limit.head == "either":
        return max(by_head, default=None)
    there = [counts.get(f"singles[{limit.window}]@{head}") for head in limit.heads]
    known = [count for count in there if count is not None]
    return min(known) if len(known) == len(there) and known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionProtocol:
    """One protocol, checked. `sources` are the `[sources]` of the file; `file` is the file's content itself."""

    id: str
    version: int
    title: str
    kind: ProtocolKind
    modality: Literal["pet", "gamma_camera", "probe"]
    radionuclide: str | None
    steps: tuple[Step, ...]
    requirements: Requirements
    windows: WindowSet
    store: Store
    recorded: EnergyWindow | None
    """The range of energies to record, where the protocol wants one."""
    coincidence: Coincidence | None
    sources: Mapping[str, str]
    file: ProtocolFile
    after: tuple[HandOver, ...] = ()
    """What is to be confirmed after the last step, before the patient leaves."""
    patient_orientation: PatientOrientation = PatientOrientation.HFS
    tolerances: Tolerances = field(default_factory=Tolerances)
    qc: QcTerms | None = None
    """Of a protocol of quality control."""
    changed: tuple[WindowChange, ...] = ()
    """Windows that are others in one exam; of a protocol as it was read: none."""

    @property
    def signed_windows(self) -> WindowSet:
        """Return the energy windows as the file has them, whatever they are in this exam."""
        before = {each.window: EnergyWindow(*each.from_kev, each.window) for each in self.changed}
        return WindowSet(tuple(before.get(each.name, each) for each in self.windows.windows))

    def with_windows(self, changes: Sequence[WindowChange]) -> AcquisitionProtocol:
        """Return it with these windows in place of its own, for one exam; without any, as the file has it."""
        after = {each.window: EnergyWindow(*each.to_kev, each.window) for each in changes}
        windows = tuple(after.get(each.name, each) for each in self.signed_windows.windows)
        return replace(self, windows=WindowSet(windows), changed=tuple(changes))

    @property
    def of_patient(self) -> bool:
        """Return True where a patient may be acquired with it."""
        return self.kind is not ProtocolKind.QC_FLOOD

    @property
    def hand_overs(self) -> tuple[HandOver, ...]:
        """Return all that is to be confirmed, in order."""
        return (*(each for step in self.steps for each in step.before), *self.after)

    @property
    def sessions(self) -> tuple[int, ...]:
        """Return the numbers of the sessions its steps belong to, ascending."""
        return tuple(sorted({step.session for step in self.steps}))

    def of_session(self, session: int) -> AcquisitionProtocol:
        """Return it with the steps of one session alone. Raises `RefusedError` for a session that it does not have."""
        steps = tuple(step for step in self.steps if step.session == session)
        if not steps:
            there = ", ".join(map(str, self.sessions))
            raise RefusedError(f"protocol {self.id} has no session {session}; there are: {there}")
        last = session == self.sessions[-1]
        return replace(self, steps=steps, after=self.after if last else ())

    def of_views(self, names: Sequence[str]) -> AcquisitionProtocol:
        """Return it with the steps of these names alone, in its own order; with none named, as it is.

        Raises `RefusedError` for a name that it does not have, and for a step that is as long as one left out.
        """
        if not names:
            return self
        there = [step.name for step in self.steps]
        if missing := [name for name in names if name not in there]:
            raise RefusedError(f"protocol {self.id} has no step {missing[0]!r}; there are: {', '.join(there)}")
        steps = tuple(step for step in self.steps if step.name in names)
        for step in steps:
            if step.stop.as_step is not None and step.stop.as_step not in names:
                raise RefusedError(f"{step.name!r} takes as long as {step.stop.as_step!r}: take both")
        last = self.steps[-1].name in names
        return replace(self, steps=steps, after=self.after if last else ())

    @property
    def continuable(self) -> bool:
        """Return True when every step may be continued."""
        return all(step.continuable for step in self.steps)
