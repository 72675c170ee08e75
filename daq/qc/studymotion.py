"""Checks of what moved: sweeps and their exposure, axes that should stand, rotations, and the patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from daq.model.framed import Framed, ImageKind, Strip
from daq.model.protocol import Step, Sweep
from daq.model.protocol_terms import Tolerances
from daq.model.verdict import Check, Grade
from daq.qc.patientmotion import drift
from daq.qc.studyfacts import StudyFacts
from daq.qc.studysteps import Planned, name_of

_LESS = 0.1
"""Rows may have so much less, or more, than the full exposure where the protocol says nothing: rows under 90 %
are cut or marked, never amplified."""
_SURE = 4.0
"""A limit is judged where it is at least so many standard deviations: noise alone breaks it once in 16,000 studies."""
_KNOWN = 0.01
"""A mean speed is known so well: an axis is looked at by the host's clock, photons are told by the detector's. A sweep
at the slowest speed that suits is not bad for that."""
_SAMPLE_S = 0.05
"""Axes are looked at so often while they turn: when a view began and ended is known no better."""
_MM_PER_S_IN_CM_PER_MIN = 6.0


def sweeps(series: Framed, planned: Sequence[Planned], tolerances: Tolerances) -> Iterator[Check]:
    """Check speed, length and exposure of a sweep of the bed."""
    strip, sweep = series.strip, next((each.step.sweep for each in planned if each.step.sweep), None)
    if strip is None or sweep is None:
        return
    of = name_of(series)
    yield from _speed(strip, sweep, of, tolerances.speed_percent)
    yield from _length(strip, sweep, of, tolerances.position_mm)
    yield _exposure(strip, of, tolerances.exposure_percent)


def _speed(strip: Strip, sweep: Sweep, of: str, tolerance_percent: float | None) -> Iterator[Check]:
    told = f"{_cm_per_min(strip.mean_speed_mm_per_s)} on average"
    if sweep.speed_range is not None:
        low, high = sweep.speed_range
        inside = low * (1 - _KNOWN) <= strip.mean_speed_mm_per_s <= high * (1 + _KNOWN)
        text = f"{told}; {_cm_per_min(low)} to {_cm_per_min(high)} suit the tracer"
        grade = Grade.GOOD if inside else Grade.BAD
        limit = low if strip.mean_speed_mm_per_s < low else high
        yield Check("speed range", of, grade, text, strip.mean_speed_mm_per_s, limit, "mm/s")
    if tolerance_percent is None:
        return
    off = max(abs(speed / sweep.speed - 1) for speed in (strip.slowest_mm_per_s, strip.fastest_mm_per_s))
    text = (
        f"{told}, from {_cm_per_min(strip.slowest_mm_per_s)} to {_cm_per_min(strip.fastest_mm_per_s)}; "
        f"wanted {_cm_per_min(sweep.speed)} within {tolerance_percent:g} %"
    )
    grade = Grade.BAD if 100 * off > tolerance_percent else Grade.GOOD
    yield Check("speed", of, grade, text, 100 * off, tolerance_percent, "%")


def _length(strip: Strip, sweep: Sweep, of: str, tolerance_mm: float | None) -> Iterator[Check]:
    if tolerance_mm is None:
        return
    covered, wanted = abs(strip.bed_end_mm - strip.bed_begin_mm), abs(sweep.end - sweep.begin)
    short = wanted - covered > tolerance_mm
    text = f"{covered / 10:.1f} cm of {wanted / 10:.1f} cm were swept"
    yield Check("length", of, Grade.BAD if short else Grade.GOOD, text, covered, wanted, "mm")


def _exposure(strip: Strip, of: str, tolerance_percent: float | None) -> Check:
    """Judge the rows between the first and the last that are exposed in full; the ends are cut or marked."""
    least = 1 - _LESS if tolerance_percent is None else tolerance_percent / 100
    share = np.asarray(strip.exposure_ps, np.float64) / max(strip.full_ps, 1)
    inside = np.flatnonzero(share >= least)
    if not len(inside):
        most = 100 * float(share.max(initial=0.0))
        text = f"no row has {100 * least:.0f} % of the full exposure, at most {most:.0f} %"
        return Check("exposure", of, Grade.BAD, text, most, 100 * least, "%")
    between = share[inside[0] : inside[-1] + 1]
    lowest, highest = float(between.min()), float(between.max())
    uneven = lowest < least or highest > 2 - least
    ends = f"{inside[0]} rows at the feet's end and {len(share) - 1 - inside[-1]} at the head's have less"
    text = f"rows have {100 * lowest:.0f} to {100 * highest:.0f} % of the full exposure; {ends}"
    if uneven:
        text += "; the bed slipped or stood"
    worst = lowest if lowest < least else highest
    return Check("exposure", of, Grade.BAD if uneven else Grade.GOOD, text, 100 * worst, 100 * least, "%")


def places(planned: Sequence[Planned], facts: StudyFacts, tolerances: Tolerances) -> Iterator[Check]:
    """Check that axes that should stand stood where they should, all steps of one entry of the protocol together."""
    together: dict[tuple[str, str], list[tuple[float | None, str]]] = {}
    units: dict[tuple[str, str], str] = {}
    for each in planned:
        for axis, wanted in _standing(each.step).items():
            key = (each.step.key, axis)
            units[key] = each.step.units[axis]
            together.setdefault(key, []).append((_deviation(each, axis, wanted, facts), each.step.name))
    for key, seen in together.items():
        limit = tolerances.position_mm if units[key] == "mm" else tolerances.angle_deg
        if limit is not None:
            yield _place(key[1], seen, limit, units[key])


def _place(axis: str, seen: Sequence[tuple[float | None, str]], limit: float, unit: str) -> Check:
    known = [(off, name) for off, name in seen if off is not None]
    if not known:
        return Check(
            "position", seen[0][1], Grade.NOT_EVALUABLE, f"where {axis} was is not recorded", None, limit, unit
        )
    off, name = max(known)
    text = f"{axis} was at most {off:.2f} {unit} off, limit {limit:g} {unit}"
    return Check("position", name, Grade.BAD if off > limit else Grade.GOOD, text, off, limit, unit)


def _standing(step: Step) -> dict[str, float]:
    moving = step.sweep.axis if step.sweep is not None else None
    return {axis: place for axis, place in step.positions.items() if axis != moving}


def _deviation(each: Planned, axis: str, wanted: float, facts: StudyFacts) -> float | None:
    """Return how far an axis was off at most during a step, None where no sample tells."""
    track, seen = facts.axes.get(axis), each.seen
    if track is None or seen is None or seen.end_ps is None:
        return None
    at_begin = track.before(seen.begin_ps)
    places_seen = [*track.within(seen.begin_ps, seen.end_ps).position, *([] if at_begin is None else [at_begin])]
    offs = [abs(place - wanted) for place in places_seen]
    turned = each.step.units.get(axis) == "deg"
    return max((min(off % 360, 360 - off % 360) if turned else off for off in offs), default=None)


def lost(planned: Sequence[Planned], facts: StudyFacts) -> Iterator[Check]:
    """Tell of steps in which motion was lost."""
    for each in planned:
        for time_ps in facts.motion_lost_ps:
            seen = each.seen
            if seen is not None and seen.begin_ps <= time_ps <= (time_ps if seen.end_ps is None else seen.end_ps):
                after_s = (time_ps - seen.begin_ps) / 1e12
                text = f"motion was lost {after_s:,.1f} s after it began; counts after that are in no picture"
                yield Check("motion", each.step.name, Grade.BAD, text)


def rotation(series: Framed, planned: Sequence[Planned], tolerances: Tolerances) -> Iterator[Check]:
    """Check the projections of a rotation: all there, at equal speed, and the patient lay still."""
    if series.kind is not ImageKind.TOMO or series.role != "emission":
        return
    of = name_of(series)
    sweep = next((each.step.sweep for each in planned if each.step.sweep), None)
    views = len(np.unique(series.slots.view))
    if sweep is not None and sweep.views:
        text = f"{views} of {sweep.views} projections"
        grade = Grade.GOOD if views == sweep.views else Grade.BAD
        yield Check("projections", of, grade, text, views, sweep.views)
    if series.continuous and tolerances.speed_percent is not None and views > 1:
        lasted = (series.slots.end_ps - series.slots.begin_ps).astype(np.float64)
        off = 100 * float(np.abs(np.median(lasted) / np.maximum(lasted, 1) - 1).max())
        known = 100 * _SAMPLE_S * 1e12 / float(np.median(lasted))
        text = f"the speed of the rotation differs by up to {off:.1f} % from view to view"
        grade = Grade.BAD if off - known > tolerances.speed_percent else Grade.GOOD
        yield Check("rotation speed", of, grade, text, off, tolerances.speed_percent, "%")
    if tolerances.drift_mm is not None:
        yield _still(series, of, tolerances.drift_mm)


def _still(series: Framed, of: str, limit_mm: float) -> Check:
    found = drift(series)
    if found is None or found.error_mm > limit_mm / _SURE:
        unknown = any(head.angle_deg is None for head in series.heads)
        few = "where the heads stood is not known" if unknown else "too few counts or views"
        text = f"{few}: it cannot be told whether the patient lay still"
        return Check("patient motion", of, Grade.NOT_EVALUABLE, text, None, limit_mm, "mm")
    text = f"along the body the patient moved by {found.largest_mm:.1f} ± {found.error_mm:.1f} mm"
    if found.step_view is not None and found.step_mm >= found.slope_mm:
        text += f", most of it before view {found.step_view + 1}"
    grade = Grade.BAD if found.largest_mm > limit_mm else Grade.GOOD
    return Check("patient motion", of, grade, text, found.largest_mm, limit_mm, "mm")


def _cm_per_min(mm_per_s: float) -> str:
    return f"{mm_per_s * _MM_PER_S_IN_CM_PER_MIN:.1f} cm/min"
