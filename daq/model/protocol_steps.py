"""Make an acquisition protocol of its file: base units, repetitions expanded, pauses derived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

from daq.model.protocol import (
    AcquisitionProtocol,
    Coincidence,
    CountLimit,
    FrameZero,
    Gate,
    HandOver,
    Image,
    Need,
    Phase,
    ProtocolKind,
    QcTerms,
    Requirements,
    Step,
    Stop,
    Store,
    Sweep,
    Tolerances,
    Unit,
)
from daq.model.protocol_file import (
    CoincidenceFile,
    Counts,
    FrameZeroFile,
    GateFile,
    NeedFile,
    ProtocolFile,
    QcFile,
    Repeat,
    StepFile,
    SweepFile,
    TolerancesFile,
    Window,
)
from daq.model.protocol_timelapse import in_time_lapse
from daq.model.quantity import Quantity
from daq.model.windows import FWHM_PER_SIGMA, EnergyWindow, WindowSet

_OF_PAIRS = ("prompts", "delayeds", "coincidences")
_UNITS: dict[str, Unit] = {"length": "mm", "angle": "deg"}


def made_of(file: ProtocolFile) -> AcquisitionProtocol:
    """Return the protocol of a file that the rules have found in order."""
    recorded = file.recorded
    steps, after = _with_hand_overs(file)
    protocol = AcquisitionProtocol(
        id=file.id,
        version=file.version,
        title=file.title,
        kind=file.kind,
        modality=file.modality,
        radionuclide=file.radionuclide,
        steps=steps,
        requirements=Requirements(
            collimators=file.requirements.collimators,
            qc=_needs(file.requirements.qc),
            calibrations=_needs(file.requirements.calibrations),
            administration=file.requirements.administration,
        ),
        windows=WindowSet(tuple(energy_window(name, window) for name, window in file.windows.items())),
        store=store_of(file),
        recorded=None if recorded is None else _range("recorded", recorded.lower, recorded.upper),
        coincidence=None if file.coincidence is None else _coincidence(file, file.coincidence),
        after=after,
        patient_orientation=file.patient_orientation,
        tolerances=_tolerances(file.tolerances),
        sources=MappingProxyType(dict(file.sources)),
        qc=None if file.qc is None else _qc(file.qc),
        file=file,
    )
    return protocol if file.time_lapse is None else in_time_lapse(protocol, file.time_lapse)


def _with_hand_overs(file: ProtocolFile) -> tuple[tuple[Step, ...], tuple[HandOver, ...]]:
    """Return the steps that record, each with what is to be confirmed before it, and what is after the last."""
    steps: list[Step] = []
    waiting: list[HandOver] = []
    for index, said in enumerate(file.steps):
        if said.hand_over is not None:
            waiting.append(HandOver(said.name, f"steps[{index}]", said.hand_over, said.instruction or ""))
            continue
        first, *others = expanded(file, index)
        steps += [replace(first, before=tuple(waiting)), *others]
        waiting = []
    return tuple(steps), tuple(waiting)


def store_of(file: ProtocolFile) -> Store:
    """Return what is recorded. `windowed` alone means no raw words either: nothing outside of windows is kept."""
    said = file.store
    if said == "all":
        return Store(pairs=file.modality == "pet")
    if said == "windowed":
        return Store(raw=False, singles="windowed", pairs=file.modality == "pet")
    return Store(said.raw, said.singles, file.modality == "pet" if said.pairs is None else said.pairs)


def expanded(file: ProtocolFile, index: int) -> Iterator[Step]:
    """Yield the steps that one entry of `steps` stands for."""
    said = file.steps[index]
    if said.repeat is None:
        yield _step(file, index, said.name, {}, first=True)
        return
    for number in range(said.repeat.count):
        at = {said.repeat.axis: _repeated(said.repeat, number)}
        at |= {axis: places[number] for axis, places in said.repeat.also.items() if number < len(places)}
        yield _step(file, index, f"{said.name} {number + 1}/{said.repeat.count}", at, first=number == 0)


def kind_of(file: ProtocolFile, step: StepFile) -> ProtocolKind:
    """Return the kind of a step: its own, else the protocol's."""
    return file.kind if step.kind is None else ProtocolKind(step.kind)


def energy_window(name: str, window: Window) -> EnergyWindow:
    """Return an energy window. Raises `RefusedError` where its bounds make no sense."""
    if window.peak is not None and window.width is not None:
        offset = 0.0 if window.offset is None else float(window.offset.to("%"))
        return EnergyWindow.around(
            float(window.peak.value), full_width_percent=float(window.width.to("%")), offset_percent=offset, name=name
        )
    return _range(name, window.lower, window.upper)


def step_duration_ps(step: StepFile) -> int | None:
    """Return the detector time after which a step ends: as stated, else that of all its frames."""
    if step.stop.time is not None:
        return step.stop.time.ps
    return sum(phase.frames * phase.frame.ps for phase in step.phases) or None


def _step(file: ProtocolFile, index: int, name: str, repeated: dict[str, Quantity], *, first: bool) -> Step:
    said = file.steps[index]
    sweep = None if said.sweep is None else sweep_of(said.sweep)
    at = {**said.set, **repeated}  # of a repetition: its axis, and others that go with it
    if said.sweep is not None:
        at[said.sweep.axis] = said.sweep.begin
    expected = said.expected_rate or file.expected_rate
    return Step(
        name=name,
        key=f"steps[{index}]",
        kind=kind_of(file, said),
        view=said.view or next(iter(said.views), None),
        views=said.views or (() if said.view is None else (said.view,)),
        laterality=said.laterality,
        region=said.region,
        start=said.start if first else "automatic",
        instruction=(said.instruction or "") if first else "",
        positions={axis: float(position.value) for axis, position in at.items()},
        units={axis: _UNITS[position.dimension] for axis, position in at.items()},
        sweep=sweep,
        stop=_stop(file, said),
        gate=None if said.gate is None else _gate(said.gate),
        first=said.repeat.first if said.repeat is not None and first else None,
        overlap_percent=_overlap(said.repeat) if repeated and not first else None,
        phases=tuple(Phase(phase.frames, phase.frame.ps) for phase in said.phases),
        windows=said.windows,
        image=None if said.image is None else Image(*said.image.matrix, said.image.zoom),
        minimum_counts=None if said.minimum_counts is None else _counts(file, said, said.minimum_counts),
        expected_rate_cps=None if expected is None else float(expected.value),
        frame_zero=None if said.frame_zero is None else _frame_zero(file, said.frame_zero),
        role="quality_control" if file.kind is ProtocolKind.QC_FLOOD and said.role == "emission" else said.role,
        label=said.label or "",
        session=said.session,
        after_injection_s=None
        if said.after_injection is None
        else (said.after_injection[0].seconds, said.after_injection[1].seconds),
    )


def _frame_zero(file: ProtocolFile, said: FrameZeroFile) -> FrameZero:
    rate = None if said.rate is None else float(said.rate.value)
    over = {} if said.over is None else {"over_ps": said.over.ps}
    heads = tuple(range(file.instrument.heads or 2)) if said.head == "both" else ()
    return FrameZero(said.by, rate, window=said.window, head=said.head, heads=heads, **over)


def _tolerances(said: TolerancesFile) -> Tolerances:
    return Tolerances(
        speed_percent=_percent(said.speed),
        position_mm=None if said.position is None else float(said.position.value),
        angle_deg=None if said.angle is None else float(said.angle.value),
        exposure_percent=_percent(said.exposure),
        rejected_beats_percent=_percent(said.rejected_beats),
        live_percent=_percent(said.live),
        drift_mm=None if said.drift is None else float(said.drift.value),
    )


def _percent(said: Quantity | None) -> float | None:
    return None if said is None else float(said.to("%"))


def sweep_of(said: SweepFile) -> Sweep:
    """Return a sweep in mm or deg."""
    begin, end, speed = float(said.begin.value), float(said.end.value), float(said.speed.value)
    slowest_fastest = said.speed_range
    speeds = None if slowest_fastest is None else (float(slowest_fastest[0].value), float(slowest_fastest[1].value))
    return Sweep(said.axis, begin, end, speed, _UNITS[said.begin.dimension], speeds, said.views)


def _repeated(repeat: Repeat, number: int) -> Quantity:
    value = repeat.begin.value + number * repeat.step.value
    return Quantity(f"{float(value):g}", value, repeat.begin.dimension)


def _overlap(repeat: Repeat | None) -> float | None:
    return None if repeat is None or repeat.overlap is None else float(repeat.overlap.to("%"))


def _stop(file: ProtocolFile, said: StepFile) -> Stop:
    return Stop(
        counts=None if said.stop.counts is None else _counts(file, said, said.stop.counts),
        duration_ps=step_duration_ps(said),
        host_ps=None if said.stop.host is None else said.stop.host.ps,
        manual=said.stop.manual,
        beats=said.stop.beats,
        as_step=said.stop.as_step,
    )


def _counts(file: ProtocolFile, step: StepFile, said: Counts) -> CountLimit:
    rate = None if said.expected_rate is None else float(said.expected_rate.value)
    paired = paired_windows(file) if said.counter in _OF_PAIRS else ()
    heads = tuple(range(max(1, len(step.views)) if said.head == "view" else file.instrument.heads or 2))
    x0, y0, x1, y1 = (float(side.value) for side in said.region) if said.region else (0.0, 0.0, 0.0, 0.0)
    region = (x0, y0, x1, y1) if said.region else None
    all_are_inside = paired == (said.window,)
    return CountLimit(said.counter, int(said.limit.value), said.window, said.head, rate, all_are_inside, heads, region)


def paired_windows(file: ProtocolFile) -> tuple[str, ...]:
    """Return the windows whose singles pair: as said, else all; none where singles are not paired, or every one is."""
    return () if file.coincidence is None else file.coincidence.windows or tuple(file.windows)


def _gate(said: GateFile) -> Gate:
    interval = None if said.interval is None else (said.interval[0].ps, said.interval[1].ps)
    tolerance = _percent(said.tolerance)
    return Gate(said.trigger, said.bins, said.framing, said.direction, tolerance, interval, said.learn, said.skip)


def _coincidence(file: ProtocolFile, said: CoincidenceFile) -> Coincidence:
    return Coincidence(
        said.half_window.ps,
        None if said.delay is None else said.delay.ps,
        None if said.timing_resolution is None else said.timing_resolution.ps / FWHM_PER_SIGMA,
        said.policy,
        paired_windows(file),
        said.minimum_sector_difference,
        said.max_ring_difference,
        None if said.expected_singles_rate is None else float(said.expected_singles_rate.value),
    )


def _qc(said: QcFile) -> QcTerms:
    rates = None if said.rate is None else (float(said.rate[0].value), float(said.rate[1].value))
    told = said.background
    return QcTerms(said.source, rates, None if told is None else Need(told.test, told.maximum_age.seconds))


def _needs(said: tuple[NeedFile, ...]) -> tuple[Need, ...]:
    return tuple(Need(need.name, None if need.maximum_age is None else need.maximum_age.seconds) for need in said)


def _range(name: str, lower: Quantity | None, upper: Quantity | None) -> EnergyWindow:
    low = 0.0 if lower is None else float(lower.value)
    return EnergyWindow(low, float("inf") if upper is None else float(upper.value), name)
