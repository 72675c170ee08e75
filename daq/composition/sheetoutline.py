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


def outlines_for(series: Framed, others: Sequence[Framed]) -> Outlines:
    """Return the outlines for the heads of a static or dynamic view, of transmissions of heads with the same view."""
    if series.role == TRANSMISSION or series.kind not in (ImageKind.STATIC, ImageKind.DYNAMIC):
        return {}
    found: Outlines = {}
    for other in others:
        if other.role != TRANSMISSION or other.orientation is not series.orientation:
            continue
        for place, head in enumerate(series.heads):
            for there, same in enumerate(other.heads):
                if head.number == same.number and head.view == same.view and head.angle_deg == same.angle_deg:
                    lines = outline_mm(other, there)
                    if lines:
                        found[place] = lines
    return found


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
