"""Check that heads sent events all the time: what a detector that died has not counted looks like a cold patient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from daq.model.framed import Framed, ImageKind, place_on_patient_mm
from daq.model.verdict import Check, Grade
from daq.qc.studyfacts import StudyFacts
from daq.qc.studysteps import PS_PER_S, Planned, name_of

_LESS = 0.1
"""Of the exposure of a row, or the time of a frame: rows under 90 % are cut or marked, never amplified."""
_EXPECTED = 100.0
"""Of a sweep: events that should have come, by what the rows that were under the head sent before and afterwards."""
_LOOKS = 65
"""At the bed in a time without events: the patient leaves the field while it lasts, or comes into it."""
_TOLD_S = 0.5
"""A network or a machine that was busy for less is not worth a sentence."""


def silences(series: Framed, planned: Sequence[Planned], facts: StudyFacts) -> Iterator[Check]:
    """Check the longest time without an event of each head against what a frame, a view or a row can lose.

    Of a sweep such times are left out in which nothing of the patient was before the head.
    """
    if series.kind is ImageKind.GATED_TOMO:
        return  # the set of all beats tells it
    begins = min((each.seen.begin_ps for each in planned if each.seen is not None), default=0)
    limit_s, of_what = _can_lose(series)
    for at, head in enumerate(series.heads):
        begin_ps, end_ps = head.silent_ps or (0, 0)
        lasted_s, name = (end_ps - begin_ps) / PS_PER_S, head.name or str(head.number)
        if lasted_s < _TOLD_S or _expected(series, at, (begin_ps, end_ps), planned, facts) < _EXPECTED:
            continue
        since_s = (begin_ps - begins) / PS_PER_S
        said = f"no event of head {name} for {lasted_s:,.1f} s, from {since_s:,.1f} s on"
        text = f"{said}; {of_what} may lose {limit_s:,.1f} s"
        grade = Grade.BAD if lasted_s > limit_s else Grade.DOUBTFUL
        yield Check("events", name_of(series), grade, text, lasted_s, limit_s, "s")


def _expected(
    series: Framed, head: int, silent_ps: tuple[int, int], planned: Sequence[Planned], facts: StudyFacts
) -> float:
    """Return how many events a head of a sweep should have sent meanwhile; of all others, or if nobody knows, many."""
    strip, sweep = series.strip, next((each.step.sweep for each in planned if each.step.sweep), None)
    track, height_mm = facts.axes.get(sweep.axis) if sweep is not None else None, series.heads[head].height_mm
    if strip is None or track is None or height_mm is None:
        return np.inf
    exposure_s = np.asarray(strip.exposure_ps, np.float64) / PS_PER_S
    rates = series.counts[head].sum(axis=(0, 1, 3)) / np.maximum(exposure_s, _TOLD_S)
    rows_mm = series.pixels.y0_mm + (np.arange(series.pixels.rows) + 0.5) * series.pixels.pixel_mm
    found = []
    for time_ps in np.linspace(*silent_ps, _LOOKS).astype(np.int64).tolist():
        if (bed_mm := track.before(time_ps)) is not None:
            middle_mm = place_on_patient_mm(0.0, bed_mm, series.orientation)
            found.append(float(rates[np.abs(rows_mm - middle_mm) <= height_mm / 2].sum()))
    return float(np.mean(found)) * (silent_ps[1] - silent_ps[0]) / PS_PER_S if found else 0.0


def _can_lose(series: Framed) -> tuple[float, str]:
    """Return the seconds that may be without events, and of what they are a tenth."""
    live = series.slots.live_ps
    if series.strip is not None:
        return _LESS * series.strip.full_ps / PS_PER_S, "a row of the strip"
    if series.kind is ImageKind.DYNAMIC:
        return _LESS * float(np.median(live)) / PS_PER_S, "a frame"
    if series.kind is ImageKind.TOMO:
        views = np.unique(series.slots.view)
        of_views = [
            int((series.slots.end_ps - series.slots.begin_ps)[series.slots.view == view].max()) for view in views
        ]
        return _LESS * float(np.median(of_views)) / PS_PER_S, "a view"
    lasting = int(series.slots.end_ps.max() - series.slots.begin_ps.min())
    return _LESS * lasting / PS_PER_S, "the picture"
