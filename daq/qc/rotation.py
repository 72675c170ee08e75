"""Centre of rotation and registration of windows: point sources seen from many angles and in several windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import LimitError, RefusedError
from daq.qc.camera.alignment import Track, source_fit
from daq.qc.fields import Floats

FEWEST_COUNTS = 1_000
_STEPS = 20
_SETTLED_MM = 0.01


@dataclass(frozen=True, slots=True)
class Rotation:
    """Where the axis of rotation lies on a head, mm."""

    offset_mm: float
    """x of the axis on the detector: what an offset of half a pixel would do, in mm."""
    residual_mm: float
    """Largest distance of a view from the fitted circle."""
    axial_shift_mm: float
    """How far y moves over all views: a head that is tilted, or a bed that sags."""
    radius_mm: float


def centre_of_rotation(angles_deg: Floats, x_mm: Floats, y_mm: Floats) -> Rotation:
    """Return the fit of the sine, each view with the same weight, to a point source seen at `angles_deg` [views].

    Raises `RefusedError` for fewer than eight views or less than half a turn.
    """
    even = np.ones(len(angles_deg))
    fit = source_fit(angles_deg, Track(x_mm, y_mm, even, even, even))
    return Rotation(fit.offset_mm, float(np.abs(fit.off_mm).max()), float(np.ptp(y_mm)), fit.radius_mm)


def point_source(x_mm: npt.NDArray[Any], y_mm: npt.NDArray[Any], *, reach_mm: float = 25.0) -> tuple[float, float]:
    """Return where a point source is: the centroid within `reach_mm` of itself, begun at the densest place.

    Raises `LimitError` where it holds fewer than 1000 counts.
    """
    x, y = np.asarray(x_mm, np.float64), np.asarray(y_mm, np.float64)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if not len(x):
        raise LimitError(f"a point source of 0 counts; at least {FEWEST_COUNTS} are needed")
    at = np.array([_densest(x), _densest(y)])
    for _ in range(_STEPS):
        near = (x - at[0]) ** 2 + (y - at[1]) ** 2 <= reach_mm**2
        if near.sum() < FEWEST_COUNTS:
            raise LimitError(f"a point source of {near.sum()} counts; at least {FEWEST_COUNTS} are needed")
        moved = np.array([x[near].mean(), y[near].mean()])
        done = np.abs(moved - at).max() < _SETTLED_MM
        at = moved
        if done:
            break
    return float(at[0]), float(at[1])


def registration(places: dict[str, Floats]) -> tuple[dict[str, tuple[float, float]], float]:
    """Return how far pictures of other windows lie from that of the first, and the largest distance of a source, mm.

    `places`: by window float64 [sources, 2], x and y of the same sources in the same order.
    """
    first = next(iter(places.values()))
    apart = {name: at - first for name, at in list(places.items())[1:]}
    if not apart:
        raise RefusedError("one window alone has nothing to be registered with")
    shifts = {name: (float(moved[:, 0].mean()), float(moved[:, 1].mean())) for name, moved in apart.items()}
    worst = max(float(np.hypot(moved[:, 0], moved[:, 1]).max()) for moved in apart.values())
    return shifts, worst


def _densest(values: Floats, bin_mm: float = 5.0) -> float:
    counts, edges = np.histogram(values, np.arange(values.min(), values.max() + 2 * bin_mm, bin_mm))
    top = int(np.argmax(counts))
    return float(edges[top] + bin_mm / 2)
