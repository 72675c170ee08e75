"""Whether the circles that somebody wants masked lie on a picture at all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from daq.composition.sheetviews import Mask, in_field
from daq.errors import RefusedError
from daq.model.framed import Framed, Pixels


def require_masks_inside(masks: Sequence[Mask], series: Sequence[Framed]) -> None:
    """Raise `RefusedError` for the first circle that touches no picture of its view, and say how far pictures reach."""
    if not masks:
        return
    fields = [
        (head.view, in_field(one, place, np.zeros(one.counts.shape[-2:], np.uint8))[1])
        for one in series for place, head in enumerate(one.heads)
    ]  # fmt: skip
    for mask in masks:
        seen = [pixels for view, pixels in fields if mask.view in (None, view)]
        if not any(_touches(mask, pixels) for pixels in seen):
            where = f"mask {mask.x_mm:g},{mask.y_mm:g},{mask.radius_mm:g}" + (f"@{mask.view}" if mask.view else "")
            reach = "; ".join(dict.fromkeys(map(_reach, seen))) or f"no picture of view {mask.view}"
            raise RefusedError(f"{where} lies outside of every picture: there is {reach}")


def _touches(mask: Mask, pixels: Pixels) -> bool:
    x0, y0, x1, y1 = _edges(pixels)
    return math.hypot(mask.x_mm - min(max(mask.x_mm, x0), x1), mask.y_mm - min(max(mask.y_mm, y0), y1)) < mask.radius_mm


def _reach(pixels: Pixels) -> str:
    x0, y0, x1, y1 = _edges(pixels)
    return f"x {x0:g} to {x1:g} mm, y {y0:g} to {y1:g} mm"


def _edges(pixels: Pixels) -> tuple[float, float, float, float]:
    by = pixels.pixel_mm
    return pixels.x0_mm, pixels.y0_mm, pixels.x0_mm + pixels.columns * by, pixels.y0_mm + pixels.rows * by
