"""How long a protocol takes, how many counts and bytes it gives; what each figure assumes, or why it is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from daq.model.protocol import AcquisitionProtocol, Step
from daq.model.scanner import ScannerProfile

_PS_PER_S = 10**12
_MOST_NAMED = 3
BEATS_PER_S = 1.0
"""Of a heart that is counted by beats: a usual one."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, None where it is unknown; `assumes` says on what it stands, or what is missing."""

    value: float | None
    assumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepEstimate:
    """One step: seconds, and events recorded."""

    name: str
    duration_s: Figure
    counts: Figure


@dataclass(frozen=True, slots=True)
class Estimate:
    """A whole protocol. `counts` are recorded events of all heads and energies, `bytes` those of the recording."""

    duration_s: Figure
    counts: Figure
    bytes: Figure
    steps: tuple[StepEstimate, ...]


def estimate(
    protocol: AcquisitionProtocol,
    *,
    word_bytes: float | None = None,
    row_bytes: float | None = None,
    scanner: ScannerProfile | None = None,
    told: tuple[str, ...] = (),
) -> Estimate:
    """Return the estimate of a protocol.

    `word_bytes` is what one event takes in the raw stream, `row_bytes` in the stream of rows, 0 where there is none.
    With a `scanner` the time of its moves between steps is added, at the highest speed of each axis. `told`: what the
    expected rates of the steps stand on, in place of naming each of them.
    """
    steps = _steps(protocol.steps, told)
    return Estimate(
        duration_s=_duration(protocol, steps, scanner),
        counts=_counts(steps),
        bytes=_bytes(_counts(steps), word_bytes, row_bytes),
        steps=steps,
    )


def moves_s(steps: Iterable[Step], scanner: ScannerProfile) -> float:
    """Return how long axes move between steps, at their highest speed, all axes at once; to the first step not."""
    total_s, at = 0.0, dict[str, float]()
    for step in steps:
        waits = [abs(to - at[axis]) / _fastest(axis, scanner) for axis, to in step.positions.items() if axis in at]
        total_s += max(waits, default=0.0)
        at |= step.positions
        if step.sweep is not None:
            at[step.sweep.axis] = step.sweep.end
    return total_s


def _steps(steps: tuple[Step, ...], told: tuple[str, ...]) -> tuple[StepEstimate, ...]:
    made: list[StepEstimate] = []
    took: dict[str, Figure] = {}
    for step in steps:
        duration_s = took[step.name] = step_duration(step, took, told=told)
        made.append(StepEstimate(step.name, duration_s, _step_counts(step, duration_s.value, told)))
    return tuple(made)


def step_duration(step: Step, took: Mapping[str, Figure], *, told: tuple[str, ...] = ()) -> Figure:
    """Return when the first of its limits is reached, and what that assumes; `took`: the steps before it by name."""
    if step.stop.as_step is not None:
        first = took.get(step.stop.as_step, Figure(None))
        return Figure(first.value, (f"as long as {step.stop.as_step} takes",))
    ends: list[float] = []
    notes: list[str] = []
    if step.stop.duration_ps is not None:
        ends.append(step.stop.duration_ps / _PS_PER_S)
    if step.sweep is not None:
        ends.append(step.sweep.duration_s)
        notes.append("without speeding up and slowing down")
    for figure in (_by_counts(step, told), _by_beats(step)):
        ends += [] if figure.value is None else [figure.value]
        notes += figure.assumes
    if step.stop.manual:
        notes.append("a person may end it sooner")
    return Figure(_with_backstop(step, min(ends, default=None), notes), tuple(notes))


def _with_backstop(step: Step, ends_s: float | None, notes: list[str]) -> float | None:
    """Return when a step ends that its backstop may end before; say so in the notes."""
    if step.stop.host_ps is None:
        return ends_s
    backstop_s = step.stop.host_ps / _PS_PER_S
    if ends_s is None:
        notes.append(f"at most {backstop_s:g} s, its backstop")
    elif ends_s > backstop_s:
        notes.append(f"its backstop ends it after {backstop_s:g} s")
        return backstop_s
    return ends_s


def _by_counts(step: Step, told: tuple[str, ...]) -> Figure:
    if step.stop.counts is None:
        return Figure(None)
    rate = _rate_of_limit(step)
    if rate is None:
        return Figure(None, (f"how soon {step.stop.counts} come is unknown: no expected_rate",))
    note = (f"{rate:g} of the counts it stops at come in a second, decay left out",)
    return Figure(step.stop.counts.limit / rate, told or note)


def _by_beats(step: Step) -> Figure:
    if step.stop.beats is None:
        return Figure(None)
    return Figure(step.stop.beats / BEATS_PER_S, (f"{60 * BEATS_PER_S:g} beats a minute, all accepted",))


def _rate_of_limit(step: Step) -> float | None:
    limit = step.stop.counts
    if limit is None or limit.expected_rate_cps is not None:
        return None if limit is None else limit.expected_rate_cps
    return step.expected_rate_cps if limit.of_everything else None


def _step_counts(step: Step, duration_s: float | None, told: tuple[str, ...]) -> Figure:
    limit = step.stop.counts
    if step.expected_rate_cps is not None and duration_s is not None:
        about = told or (f"{step.expected_rate_cps:g} events are recorded in a second, decay left out",)
        return Figure(step.expected_rate_cps * duration_s, about)
    if limit is not None and limit.of_everything and limit.counter in ("events", "singles"):
        return Figure(float(limit.limit), ("a step that ends at its counts has just those",))
    return Figure(None, ("no duration" if step.expected_rate_cps is not None else "no expected_rate",))


def _duration(protocol: AcquisitionProtocol, steps: tuple[StepEstimate, ...], scanner: ScannerProfile | None) -> Figure:
    total, assumes = _total([step.duration_s for step in steps]), list[str]()
    manual = sum(step.start == "manual" for step in protocol.steps[1:])
    if manual:
        assumes.append(f"waiting for {manual} manual start{'s' if manual > 1 else ''} not counted")
    if len(protocol.sessions) > 1:
        assumes.append(f"{len(protocol.sessions)} sessions together, without the time between them")
    if _moves(protocol.steps):
        if scanner is None:
            assumes.append("moves between steps not counted: no scanner given")
        else:
            travel_s = moves_s(protocol.steps, scanner)
            total = None if total is None else total + travel_s
            assumes.append(f"{travel_s:.0f} s of moves between steps, at the highest speed of scanner {scanner.id}")
    return Figure(total, (*assumes, *_notes(steps, [step.duration_s for step in steps])))


def _counts(steps: tuple[StepEstimate, ...]) -> Figure:
    figures = [step.counts for step in steps]
    return Figure(_total(figures), _notes(steps, figures))


def _bytes(counts: Figure, word_bytes: float | None, row_bytes: float | None) -> Figure:
    if word_bytes is None or row_bytes is None:
        return Figure(None, ("the size of words and rows is unknown: no instrument given",))
    each = f"{word_bytes:g} bytes raw and {row_bytes:g} bytes as a row for each event; time words and headers left out"
    return Figure(None if counts.value is None else counts.value * (word_bytes + row_bytes), (*counts.assumes, each))


def _total(parts: list[Figure]) -> float | None:
    known = [part.value for part in parts if part.value is not None]
    return sum(known) if len(known) == len(parts) else None


def _moves(steps: tuple[Step, ...]) -> bool:
    return len({tuple(sorted(step.positions.items())) for step in steps}) > 1


def _fastest(axis: str, scanner: ScannerProfile) -> float:
    if axis in scanner.axes.rotary:
        return scanner.axes.rotary[axis].max_speed_deg_per_s
    return scanner.axes.linear[axis].max_speed_mm_per_s if axis in scanner.axes.linear else float("inf")


def _named(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _notes(steps: tuple[StepEstimate, ...], figures: list[Figure]) -> tuple[str, ...]:
    """Return what the figures of steps assume, each text once, with the steps that it is true of unless of all."""
    of: dict[str, list[str]] = {}
    for step, figure in zip(steps, figures, strict=True):
        for note in figure.assumes:
            of.setdefault(note, []).append(step.name)
    return tuple(note if len(names) == len(steps) else f"{_named(names)}: {note}" for note, names in of.items())
