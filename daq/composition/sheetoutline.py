"""The patient's outline from a transmission view: a line over the emission pictures, never counts added to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from daq.composition.sheetkinds import Outlines
from daq.composition.sheetregions import borders, smoothed, two_parts
from daq.model.framed import Framed, ImageKind

TRANSMISSION = "transmission"
_SMOOTH_MM = 12.0
_FEWEST_PER_PIXEL = 1.0
_SHORTEST_MM = 150.0
_SAME_BED_MM = 2.0


def outlines_for(series: Framed, others: Sequence[Framed]) -> Outlines:
    """Return the outlines for the heads of a static view, of transmissions by the same heads in the same place."""
    if series.role == TRANSMISSION or series.kind is not ImageKind.STATIC:
        return {}
    found: Outlines = {}
    for other in others:
        if other.role != TRANSMISSION or other.orientation is not series.orientation or _bed_moved(series, other):
            continue
        for place, head in enumerate(series.heads):
            for there, same in enumerate(other.heads):
                if head.number == same.number and head.view == same.view and head.angle_deg == same.angle_deg:
                    found[place] = found.get(place) or outline_mm(other, there)
    return found


def _bed_moved(series: Framed, other: Framed) -> bool:
    """Return True where the bed is known to have stood elsewhere."""
    apart_mm = float(np.abs(series.slots.bed_mm[:1] - other.slots.bed_mm[:1]).max(initial=0.0))
    return apart_mm > _SAME_BED_MM


def outline_mm(series: Framed, place: int) -> list[npt.NDArray[np.float64]]:
    """Return the border between where the source shines freely and where the body is in the way.

    Lines [points, 2] of mm across and up. None where there are too few counts to tell.
    """
    counts = series.counts[place].sum(axis=(0, 1), dtype=np.float64)
    seen = counts[counts > 0]
    if not seen.size or counts.mean() < _FEWEST_PER_PIXEL:
        return []
    by = series.pixels.pixel_mm
    smooth = smoothed(np.sqrt(counts), _SMOOTH_MM / by)
    lines = borders(smooth, two_parts(smooth))
    corner = np.array([series.pixels.x0_mm, series.pixels.y0_mm])
    made = [corner + (line[:, ::-1] + 0.5) * by for line in lines]
    return [line for line in made if float(np.hypot(*np.diff(line, axis=0).T).sum()) >= _SHORTEST_MM]
