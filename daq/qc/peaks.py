"""Peaks of spectra and profiles: where they are, how high, how wide. Widths as NEMA NU 1 and NU 2 take them.

The top is that of a parabola; the width at a share of it is found by straight lines between neighbouring bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.qc.fields import Floats

_HALF, _TENTH = 0.5, 0.1
_TOP_SHARE = 0.2
"""The parabola goes as far to both sides of the middle as this share of the width at half maximum."""
_FEWEST_FOR_PARABOLA = 3
_FLAT = 0.1
"""A top that falls by less than this share of e within the reach of the parabola is no peak."""


@dataclass(frozen=True, slots=True)
class Peak:
    """A peak in the unit of its axis. `fwtm` is NaN where the profile does not fall to a tenth on both sides."""

    at: float
    height: float
    fwhm: float
    fwtm: float
    counts: float
    """In the bins between the two points of half maximum."""

    @property
    def fwhm_percent(self) -> float:
        """Return the full width at half maximum in per cent of where the peak is."""
        return 100.0 * self.fwhm / self.at


def peak_near(
    axis: Floats, counts: npt.NDArray[Any], *, low: float, high: float, what: str = "spectrum", unit: str = ""
) -> Peak:
    """Return the highest peak between `low` and `high` on an evenly spaced `axis` (centres of bins).

    Raises `RefusedError` where there is none: nothing there, or the highest bin is the first or last one looked at.
    """
    values = np.asarray(counts, np.float64)
    chosen = np.flatnonzero((axis >= low) & (axis <= high))
    where = f"{what} between {low:.5g} and {high:.5g}{unit}"
    if len(chosen) < _FEWEST_FOR_PARABOLA or values[chosen].max() <= 0.0:
        raise RefusedError(f"{where}: no counts, so no peak")
    top = int(chosen[np.argmax(_three_bin_mean(values)[chosen])])
    if top in (chosen[0], chosen[-1]):
        raise RefusedError(f"{where}: it is highest at the end, {axis[top]:.5g}{unit}, so no peak lies inside")
    return peak_at(axis, values, top)


def peak_at(axis: Floats, values: Floats, top: int) -> Peak:
    """Return the peak whose highest bin is about `top`; raise `RefusedError` where it does not fall to half."""
    step = float(axis[1] - axis[0])
    at_bin, height = _parabola(values, top)
    left, right = crossing(values, top, -1, _HALF * height), crossing(values, top, 1, _HALF * height)
    if np.isnan(left) or np.isnan(right):
        raise RefusedError(f"the peak at {axis[top]:g} does not fall to half of its height on both sides")
    tenths = crossing(values, top, 1, _TENTH * height) - crossing(values, top, -1, _TENTH * height)
    inside = values[int(np.ceil(left)) : int(np.floor(right)) + 1]
    return Peak(
        at=float(axis[0]) + at_bin * step, height=height, fwhm=(right - left) * step, fwtm=tenths * step,
        counts=float(inside.sum()),
    )  # fmt: skip


def crossing(values: Floats, top: int, direction: int, level: float) -> float:
    """Return the bin, with its fraction, where values fall to `level` on the way from `top`; NaN where never."""
    way = values[top:] if direction > 0 else values[top::-1]
    below = np.flatnonzero(way <= level)
    if not len(below) or below[0] == 0:
        return float("nan")
    last = int(below[0])
    fraction = (way[last - 1] - level) / (way[last - 1] - way[last])
    return float(top + direction * (last - 1 + fraction))


def log_parabola_peaks(axis: Floats, counts: npt.NDArray[Any], start: Floats, *, half_width: Floats | float) -> Floats:
    """Return where each row of `counts` [rows, bins] peaks: the parabola through the logarithms around `start` [rows].

    Weighted by what is expected in a bin, and moved to what it found, three times: the maximum of a Gaussian on little
    background, with nearly the least noise that is possible. NaN where a row has no peak there.
    """
    values = np.asarray(counts, np.float64)
    centre, reach = start.astype(np.float64), np.broadcast_to(np.asarray(half_width, np.float64), start.shape)
    logs = np.log(np.maximum(values, 0.5))
    for _ in range(3):
        offset = (axis[None, :] - centre[:, None]) / reach[:, None]
        weight = np.where(np.abs(offset) <= 1.0, values, 0.0)
        for _ in range(2):
            constant, slope, bend = _weighted_parabolas(offset, logs, weight)
            model = np.exp(np.clip(constant[:, None] + slope[:, None] * offset + bend[:, None] * offset**2, -5.0, 40.0))
            weight = np.where(np.abs(offset) <= 1.0, model, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            move = np.where(bend < -_FLAT, -slope / (2.0 * bend), np.nan)
        centre = np.where(np.abs(move) <= 1.0, centre + move * reach, np.nan)
    return centre


def _weighted_parabolas(offset: Floats, logs: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return constant, slope and bend [rows] of the weighted parabolas; NaN where they are not determined."""
    powers = [(weight * offset**power).sum(axis=1) for power in range(5)]
    sums = [(weight * logs * offset**power).sum(axis=1) for power in range(3)]
    matrix = np.stack([np.stack(powers[row : row + 3], axis=-1) for row in range(3)], axis=-2)
    known = np.isfinite(matrix).all(axis=(1, 2)) & np.isfinite(np.stack(sums)).all(axis=0)
    matrix[~known] = 0.0
    singular = ~(known & (np.linalg.det(matrix) > 1e-12 * np.maximum(powers[0], 1e-300) ** 3))
    matrix[singular] = np.eye(3)
    found = np.linalg.solve(matrix, np.stack(sums, axis=-1)[..., None])[..., 0]
    found[singular] = np.nan
    return found[:, 0], found[:, 1], found[:, 2]


def _parabola(values: Floats, top: int) -> tuple[float, float]:
    """Return the bin with its fraction, and the height, of a least-squares parabola through the top of a peak.

    It goes through the middle part of the peak, so that a bin that is high by chance does not decide.
    """
    smooth = _three_bin_mean(values)
    left, right = (crossing(smooth, top, way, _HALF * smooth[top]) for way in (-1, 1))
    if np.isnan(left) or np.isnan(right):
        return float(top), float(values[top])
    middle, reach = (left + right) / 2.0, max(_TOP_SHARE * (right - left), 1.0)
    at = np.arange(max(0, int(np.ceil(middle - reach))), min(len(values), int(np.floor(middle + reach)) + 1))
    if len(at) < _FEWEST_FOR_PARABOLA:
        at = np.arange(max(0, top - 1), min(len(values), top + 2))
    bend, slope, constant = np.polyfit(at - middle, values[at], 2)
    move = -slope / (2.0 * bend) if bend < 0.0 else np.inf
    if abs(move) > reach:
        return float(top), float(values[top])
    return float(middle + move), float(constant + slope * move / 2.0)


def _three_bin_mean(values: Floats) -> Floats:
    return np.convolve(values, np.ones(3) / 3.0, mode="same")
