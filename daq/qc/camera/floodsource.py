"""Where a bare point source stood, by how the flood falls off from below it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from daq.qc.camera.floodrebin import Flood
from daq.qc.fields import Floats, Mask


@dataclass(frozen=True, slots=True)
class PointSource:
    """Where a bare point source stood, by the slope of the flood: off the axis of the head, and how far away, mm."""

    x_mm: float
    y_mm: float
    away_mm: float


def point_source(flood: Flood, used: Mask, expected: Floats) -> tuple[PointSource, Floats]:
    """Return where a point source stood and the flood it gives: (1 + r^2 / d^2) ^ (-3/2), r from below the source."""
    x, y = np.meshgrid(flood.x_mm, flood.y_mm)
    unit = flood.field.width_mm

    def light(at: Floats) -> Floats:
        away = ((x / unit - at[1]) ** 2 + (y / unit - at[2]) ** 2) * at[3]
        return np.asarray(at[0] * np.maximum(1.0 + away, 1e-3) ** -1.5)

    mean = float(expected[used].mean())
    found = optimize.least_squares(
        lambda at: ((light(at) - flood.shown) / np.sqrt(mean))[used],
        [mean, 0.0, 0.0, 0.05],
        x_scale=[mean, 1.0, 1.0, 0.1],
    )
    _, across, up, near = found.x
    if near <= 0.0:
        return PointSource(float("nan"), float("nan"), float("inf")), expected
    return PointSource(float(across) * unit, float(up) * unit, unit / float(np.sqrt(near))), light(found.x)
