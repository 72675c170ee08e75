"""Beats: which intervals between triggers are taken, why others are not, and the time table of those that are.

An interval is judged by the median of the first plausible ones of its step, so that the verdict is the same live and
later. What comes before that median is known waits for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from daq.model.framed import Beats, Ints
from daq.model.protocol import Gate
from daq.pipeline.timetable import Span, TimeTable

SHORT, LONG, AFTER_REJECTED, GAP = "short", "long", "after_rejected", "gap"
"""Why an interval is not taken: shorter or longer than the limits; after one that was not; words are missing in it."""
TRIGGER_MARK: Mapping[str, str] = MappingProxyType({"ecg": "cardiac_trigger", "respiration": "respiratory_trigger"})
PLAUSIBLE_PS: Mapping[str, Span] = MappingProxyType({
    "ecg": (250 * 10**9, 2500 * 10**9), "respiration": (1000 * 10**9, 20_000 * 10**9),
})  # fmt: skip
"""Intervals that a median is made of: 24 to 240 beats a minute, 3 to 60 breaths. What is beyond is a lost or false
trigger, not a patient; scandaq's own choice."""
_MS = 10**9
_PER_CENT = 100


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The intervals of a step that lie wholly in a time that counts, in order; arrays [intervals].

    `cause` is empty for one that is taken. `reference_ps` is None before enough are known; then `cause` is not final.
    `outside`: intervals, those at both ends included, that are not judged.
    """

    begin_ps: Ints
    end_ps: Ints
    cause: tuple[str, ...]
    reference_ps: int | None
    limits_ps: tuple[int, int] | None
    triggers: int
    outside: int
    known: bool

    @property
    def taken(self) -> npt.NDArray[np.bool_]:
        """Return which are taken."""
        return np.array([not cause for cause in self.cause], np.bool_)


def judged(
    triggers_ps: Ints, active: Sequence[Span], gate: Gate, *, gaps_ps: Sequence[int] = (), ended: bool = True
) -> Judged:
    """Judge the intervals between triggers, which ascend; `active` are the times that count, in order.

    Unless the step has `ended`, a median waits for `gate.learn` plausible intervals.
    """
    begin, end = triggers_ps[:-1], triggers_ps[1:]
    whole = np.zeros(len(begin), np.bool_)
    for since, until in active:
        whole |= (begin >= since) & (end <= until)
    begin, end = begin[whole], end[whole]
    reference = _reference(end - begin, gate, ended=ended)
    limits = _limits(reference, gate)
    needed = gate.tolerance_percent is not None or gate.framing == "time"
    causes = _causes(begin, end, limits, gate, np.asarray(sorted(gaps_ps), np.int64))
    outside = len(triggers_ps) + 1 - len(begin)
    known = ended or not needed or reference is not None
    return Judged(begin, end, causes, reference, limits, len(triggers_ps), outside, known)


def beats_table(found: Judged, gate: Gate) -> TimeTable:
    """Return the table of the intervals that are taken: slot 0 begins with the trigger, or the last ends at the next.

    By time, slots are equal parts of the median, and what is beyond them is in none; by percent, of each interval.
    """
    taken = found.taken
    begin, end = found.begin_ps[taken], found.end_ps[taken]
    if not found.known or not len(begin):
        return TimeTable.of([], [], [])
    place = np.arange(gate.bins + 1, dtype=np.int64)
    if gate.framing == "percent":
        edges = begin[:, None] + (end - begin)[:, None] * place // gate.bins
    elif gate.direction == "forward":
        edges = begin[:, None] + place * _width_ps(found, gate)
    else:
        edges = end[:, None] - (gate.bins - place) * _width_ps(found, gate)
    edges = np.clip(edges, begin[:, None], end[:, None])
    slots = np.broadcast_to(place[:-1], (len(begin), gate.bins))
    return TimeTable.of(edges[:, :-1].ravel(), edges[:, 1:].ravel(), slots.ravel())


def account(of_steps: Sequence[Judged], gate: Gate, *, latency_ms: float | None = None) -> Beats:
    """Return the account of the beats of all steps of a series, as triggers tell them, `latency_ms` after beats."""
    causes = [cause for found in of_steps for cause in found.cause]
    lasting = np.concatenate([np.zeros(0, np.int64), *(found.end_ps - found.begin_ps for found in of_steps)])
    mask = np.array([not cause for cause in causes], np.bool_)
    taken = lasting[mask]
    mean = float(taken.mean()) / _MS if len(taken) else None
    low, high = _bounds_ms(of_steps, taken)
    widths = [_width_ps(found, gate) / _MS for found in of_steps if found.reference_ps is not None]
    by_time = float(np.mean(widths)) if widths else None
    return Beats(
        triggers=sum(found.triggers for found in of_steps),
        accepted=int(mask.sum()),
        rejected=len(causes) - int(mask.sum()),
        outside=sum(found.outside for found in of_steps),
        by_cause=dict(sorted(Counter(cause for cause in causes if cause).items())),
        mean_ms=mean,
        low_ms=low,
        high_ms=high,
        bins=gate.bins,
        bin_ms=by_time if gate.framing == "time" else (None if mean is None else mean / gate.bins),
        framing=gate.framing,
        direction=gate.direction,
        latency_ms=latency_ms,
        intervals_ms=tuple((lasting / _MS).tolist()),
        accepted_mask=tuple(mask.tolist()),
    )


def _width_ps(found: Judged, gate: Gate) -> int:
    return (found.reference_ps or 0) // gate.bins


def _reference(lasting: Ints, gate: Gate, *, ended: bool) -> int | None:
    """Return the median of the first plausible intervals; None while there are too few."""
    low, high = gate.interval_ps or PLAUSIBLE_PS[gate.trigger]
    first = np.sort(lasting[(lasting >= low) & (lasting <= high)][: gate.learn])
    if not len(first) or (len(first) < gate.learn and not ended):
        return None
    middle = len(first) // 2
    return int(first[middle]) if len(first) % 2 else int(first[middle - 1] + first[middle]) // 2


def _limits(reference: int | None, gate: Gate) -> tuple[int, int] | None:
    if gate.interval_ps is not None:
        return gate.interval_ps
    if gate.tolerance_percent is None or reference is None:
        return None
    away = round(reference * gate.tolerance_percent / _PER_CENT)
    return reference - away, reference + away


def _causes(begin: Ints, end: Ints, limits: Span | None, gate: Gate, gaps: Ints) -> tuple[str, ...]:
    low, high = limits or (0, 1 << 62)
    holes = np.searchsorted(gaps, end, "left") - np.searchsorted(gaps, begin, "left")
    causes: list[str] = []
    to_skip = 0
    for lasts, hole in zip((end - begin).tolist(), holes.tolist(), strict=True):
        cause = SHORT if lasts < low else LONG if lasts > high else GAP if hole else ""
        if cause:
            to_skip = gate.skip
        elif to_skip:
            to_skip -= 1
            cause = AFTER_REJECTED
        causes.append(cause)
    return tuple(causes)


def _bounds_ms(of_steps: Sequence[Judged], taken: Ints) -> tuple[float | None, float | None]:
    """Return the limits, the widest of all steps; without any the shortest and longest that were taken."""
    limits = [found.limits_ps for found in of_steps if found.limits_ps is not None]
    if limits:
        return min(low for low, _ in limits) / _MS, max(high for _, high in limits) / _MS
    return (float(taken.min()) / _MS, float(taken.max()) / _MS) if len(taken) else (None, None)
