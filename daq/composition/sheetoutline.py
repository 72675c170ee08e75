"""The patient's outline from a transmission view: a line over the emission pictures, never counts added to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from daq.composition.sheetkinds import Outlines
from daq.composition.sheetregions import borders, from_the_edge, smoothed, two_parts
from daq.composition.sheetviews import in_field
from daq.model.framed import Framed, ImageKind

TRANSMISSION = "transmission"
_SMOOTH_MM = 12.0
_FEWEST_PER_PIXEL = 1.0
_SHORTEST_MM = 150.0
_SHARE_OF_EDGE = 0.2
_JUST_BELOW = 0.999
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
                known = head.angle_deg is not None or head.view is not None
                if known and (head.number, head.view, head.angle_deg) == (same.number, same.view, same.angle_deg):
                    found[place] = found.get(place) or outline_mm(other, there)
    return found


def _bed_moved(series: Framed, other: Framed) -> bool:
    """Return True where the bed is known to have stood elsewhere."""
    apart_mm = float(np.abs(series.slots.bed_mm[:1] - other.slots.bed_mm[:1]).max(initial=0.0))
    return apart_mm > _SAME_BED_MM


def outline_mm(series: Framed, place: int) -> list[npt.NDArray[np.float64]]:
    """Return the border between where the source shines freely and where the body is in the way.

    Lines [points, 2] of mm across and up. What is bright inside of the body, as an injection site whose scatter is
    counted, is no border. None where no source shines from behind over a good part of the edge, or there are too few
    counts to tell.
    """
    counts, pixels = in_field(series, place, series.counts[place].sum(axis=(0, 1), dtype=np.float64))
    if not counts.any() or counts.mean() < _FEWEST_PER_PIXEL:
        return []
    smooth = smoothed(np.sqrt(counts), _SMOOTH_MM / pixels.pixel_mm)
    level = two_parts(smooth)
    free = from_the_edge(smooth > level)
    edge = np.concatenate([free[0], free[-1], free[:, 0], free[:, -1]])
    if edge.mean() < _SHARE_OF_EDGE:
        return []
    lines = borders(np.where(free, smooth, np.minimum(smooth, level * _JUST_BELOW)), level)
    corner = np.array([pixels.x0_mm, pixels.y0_mm])
    made = [corner + (line[:, ::-1] + 0.5) * pixels.pixel_mm for line in lines]
    return [line for line in made if float(np.hypot(*np.diff(line, axis=0).T).sum()) >= _SHORTEST_MM]
