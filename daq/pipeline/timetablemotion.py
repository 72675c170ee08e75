"""Strips and projections of moving axes: time tables from where the axes were, exposures in closed form.

Between two samples an axis is taken to move evenly. It counts while it moves; where samples are far apart nobody knows
where it was, and nothing counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daq.model.framed import Floats, Ints, Pixels, Strip
from daq.model.protocol import Sweep
from daq.pipeline.timetable import LAST_PS, Span, TimeTable
from daq.pipeline.timetablemarks import Track

MOST_APART_PS = 2 * 10**12
"""Samples further apart than this do not tell where the axis was between them."""
_STANDS_MM = 1e-9
_SPEED_OVER_PS = 10**12
_PS_PER_S = 1e12


def strip_table(track: Track, active: Sequence[Span], *, head_first: bool) -> TimeTable:
    """Return the table of a sweep of the bed, one slot: y is shifted to the place on the patient.

    See `daq.model.framed.place_on_patient_mm`: head first the bed's position is taken from y, feet first it is added.
    """
    if not active:
        return TimeTable.of([], [], [])
    times, places, moving = track.arrays((active[0][0], active[-1][1]))
    begin, end = times[:-1], times[1:]
    counts = moving[:-1] & (end - begin <= MOST_APART_PS)
    shift = -places if head_first else places
    per_ps = np.diff(shift) / np.maximum(end - begin, 1)
    return TimeTable.of(begin[counts], end[counts], 0, shift[:-1][counts], per_ps[counts]).within(active)


def views_table(track: Track, active: Sequence[Span], sweep: Sweep, views: int) -> TimeTable:
    """Return the table of a continuous rotation: its arc in so many equal parts, a slot each."""
    if not active:
        return TimeTable.of([], [], [])
    times, places, moving = track.arrays((active[0][0], active[-1][1]))
    if not moving.any():
        return TimeTable.of([], [], [])
    first, last = int(moving.argmax()), len(moving) - int(moving[::-1].argmax())
    times, places = times[first : last + 1], places[first : last + 1]
    along = np.maximum.accumulate((places - sweep.begin) * np.sign(sweep.end - sweep.begin))
    arrived = int(along.argmax()) + 1
    since, along = times[:arrived] - times[0], along[:arrived]
    edges = np.arange(views + 1) * abs(sweep.end - sweep.begin) / views
    begun = int(np.searchsorted(edges[:-1], along[-1], "right"))
    at = times[0] + np.rint(np.interp(edges[: begun + 1], along, since)).astype(np.int64)
    at[0], at[-1] = max(at[0], times[0]), min(at[-1], times[0] + since[-1])
    return TimeTable.of(at[:-1], at[1:], np.arange(begun)).within(_near(times, active))


def heard(table: TimeTable, gaps: Sequence[tuple[int, int]], came: int) -> TimeTable:
    """Return what is left of a table when the time of missing words is taken out of it.

    `gaps`: when words are missing, and how many; `came`: those that came in the time of the table. How long a gap was
    is told by the mean rate; it ends when it is told, or where the next one begins.
    """
    inside = table.slots_at(np.array([time_ps for time_ps, _ in gaps], np.int64)) >= 0
    told = sorted(gap for gap, is_in in zip(gaps, inside.tolist(), strict=True) if is_in)
    lost = sum(missing for _, missing in told)
    if not lost:
        return table
    per_word = int((table.end_ps - table.begin_ps).sum()) / (came + lost)
    holes: list[Span] = []
    until = LAST_PS
    for time_ps, missing in reversed(told):
        end_ps = min(until, time_ps)
        until = end_ps - round(missing * per_word)
        holes.append((until, end_ps))
    begins, ends = np.array(holes[::-1], np.int64).T
    edges = np.unique(np.concatenate([table.begin_ps, table.end_ps, begins, ends]))
    since, until_ps = edges[:-1], edges[1:]
    hole = np.minimum(np.searchsorted(ends, since, "right"), len(ends) - 1)
    gone = (begins[hole] <= since) & (since < ends[hole])
    here = (table.slots_at(since) >= 0) & ~gone
    at = np.searchsorted(table.end_ps, since[here], "right")
    shift = table.shift_mm[at] + table.shift_per_ps[at] * (since[here] - table.begin_ps[at])
    return TimeTable.of(since[here], until_ps[here], table.slot[at], shift, table.shift_per_ps[at])


def exposure_ps(table: TimeTable, pixels: Pixels, usable_mm: tuple[float, float], *, head_first: bool) -> Ints:
    """Return how long each row lay inside the usable length, int64 [rows]; the mean over the height of the row."""
    low, high = usable_mm if head_first else (-usable_mm[1], -usable_mm[0])
    passed = _Passed.of(table)
    edges: Floats = pixels.y0_mm + np.arange(pixels.rows + 1, dtype=np.float64) * pixels.pixel_mm
    inside = np.diff(passed.area(edges - low)) - np.diff(passed.area(edges - high))
    return np.rint(inside / pixels.pixel_mm).astype(np.int64)


def strip_of(
    table: TimeTable, pixels: Pixels, usable_mm: tuple[float, float], *, head_first: bool,
    gaps: Sequence[tuple[int, int]] = (), came: int = 0,
) -> Strip | None:  # fmt: skip
    """Return what a sweep did; None where it has not moved. `gaps`, `came`: as in `heard`."""
    lasts = int((table.end_ps - table.begin_ps).sum())
    bed = -table.shift_mm if head_first else table.shift_mm
    bed_end = -table.shift_end_mm if head_first else table.shift_end_mm
    way = float((bed_end - bed).sum())
    if not lasts or not way:
        return None
    mean = abs(way) / lasts * _PS_PER_S
    speeds = _speeds(table, (bed_end - bed) * np.sign(way))
    return Strip(
        exposure_ps=tuple(exposure_ps(heard(table, gaps, came), pixels, usable_mm, head_first=head_first).tolist()),
        full_ps=round((usable_mm[1] - usable_mm[0]) / mean * _PS_PER_S),
        mean_speed_mm_per_s=mean,
        slowest_mm_per_s=float(speeds.min(initial=mean)),
        fastest_mm_per_s=float(speeds.max(initial=mean)),
        bed_begin_mm=float(bed[0]),
        bed_end_mm=float(bed_end[-1]),
    )


def _speeds(table: TimeTable, ways_mm: Floats) -> Floats:
    """Return the speeds over about a second each; the first and the last second, in which it speeds up, are left out.

    None where it moved for less than three.
    """
    begin, end = int(table.begin_ps[0]) + _SPEED_OVER_PS, int(table.end_ps[-1]) - _SPEED_OVER_PS
    edges = np.arange(begin, end + 1, _SPEED_OVER_PS)
    ends = np.concatenate([table.begin_ps[:1], table.end_ps])
    lasting = np.cumsum(np.concatenate([[0], table.end_ps - table.begin_ps]))
    way = np.cumsum(np.concatenate([[0.0], ways_mm]))
    since = ends - ends[0]
    moved, active = (np.diff(np.interp(edges - ends[0], since, values)) for values in (way, lasting))
    whole = active > _SPEED_OVER_PS / 2
    found: Floats = moved[whole] / active[whole] * _PS_PER_S
    return found


def _near(times: Ints, active: Sequence[Span]) -> list[Span]:
    """Return what of the times that count lies between samples that are not too far apart."""
    lost = np.flatnonzero(np.diff(times) > MOST_APART_PS)
    spans = list(active)
    for at in lost.tolist():
        hole = (int(times[at]), int(times[at + 1]))
        spans = [part for begin, end in spans for part in ((begin, min(end, hole[0])), (max(begin, hole[1]), end))]
    return [(begin, end) for begin, end in spans if end > begin]


@dataclass(frozen=True, slots=True, eq=False)
class _Passed:
    """How long the shift was below a value, as a function of it: straight between `knots`, with steps at them."""

    knots: Floats
    time_ps: Floats
    per_mm: Floats
    areas: Floats

    @classmethod
    def of(cls, table: TimeTable) -> _Passed:
        ends = np.sort(np.stack([table.shift_mm, table.shift_end_mm]), axis=0)
        low, high = ends
        lasts = (table.end_ps - table.begin_ps).astype(np.float64)
        moves = high - low > _STANDS_MM
        per_mm = lasts[moves] / (high - low)[moves]
        knots = np.concatenate([low[moves], high[moves], low[~moves]])
        slope = np.concatenate([per_mm, -per_mm, np.zeros((~moves).sum())])
        step = np.concatenate([np.zeros(2 * len(per_mm)), lasts[~moves]])
        order = np.argsort(knots, kind="stable")
        knots, slopes = knots[order], np.cumsum(slope[order])
        apart = np.diff(knots)
        times = np.cumsum(step[order]) + np.concatenate([[0.0], np.cumsum(slopes[:-1] * apart)])[: len(knots)]
        areas = np.concatenate([[0.0], np.cumsum(times[:-1] * apart + slopes[:-1] * apart**2 / 2)])[: len(knots)]
        return cls(knots, times, slopes, areas)

    def area(self, values_mm: Floats) -> Floats:
        """Return the integral of the function from below all knots up to each value, ps mm."""
        if not len(self.knots):
            return np.zeros(len(values_mm))
        at = np.searchsorted(self.knots, values_mm, "right") - 1
        away = values_mm - self.knots[np.maximum(at, 0)]
        found: Floats = self.areas[at] + self.time_ps[at] * away + self.per_mm[at] * away**2 / 2
        found[at < 0] = 0.0
        return found
