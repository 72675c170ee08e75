"""Slit masks: which way their lines run, resolution and linearity of both fields, and what counting makes of them.

NEMA NU 1, "Intrinsic Spatial Resolution" and "Intrinsic Spatial Linearity"; the procedure is in `daq.qc.slits`. The
width of the slits is not taken off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.qc.camera.alignment import largest_by_chance
from daq.qc.fields import FieldOfView, Floats
from daq.qc.slits import Across, Lines, SlitMask, SlitPeaks, resolution_and_linearity, slit_peaks

_DRAWS = 6
_SEED = 20_180_200
_LEAST = 0.05
"""Of the largest amplitude that a wave of positions can have: a blurred slit has far more, a flood far less."""


@dataclass(frozen=True, slots=True)
class LineNoise:
    """What counting makes: one standard deviation of the widths, what perfect lines would show of linearity, mm."""

    fwhm_mm: float
    fwtm_mm: float
    differential_mm: float
    absolute_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class MaskFigures:
    """Figures of one direction in the useful and in the central field of view."""

    peaks: SlitPeaks
    useful: Lines
    central: Lines
    useful_noise: LineNoise
    central_noise: LineNoise


def lines_across(x_mm: npt.NDArray[Any], y_mm: npt.NDArray[Any], pitch_mm: float, field: FieldOfView) -> Across:
    """Return across which axis the lines of a mask are apart; raise `RefusedError` where neither has lines."""
    inside = field.holds(x_mm, y_mm)
    if not inside.any():
        raise RefusedError("no event lies in the field of view")
    waves = {}
    for across, at in (("x", x_mm), ("y", y_mm)):
        waves[across] = abs(np.mean(np.exp(2j * np.pi * np.asarray(at[inside], np.float64) / pitch_mm)))
    if max(waves.values()) < _LEAST + 3.0 / np.sqrt(inside.sum()):
        raise RefusedError(
            f"no lines every {pitch_mm:g} mm are seen, neither across x nor across y: another mask, or none"
        )
    return "x" if waves["x"] > waves["y"] else "y"


def mask_figures(made: tuple[Floats, Floats, npt.NDArray[np.int64]], mask: SlitMask, field: FieldOfView) -> MaskFigures:
    """Return the figures of profiles (`daq.qc.slits.profiles`). Raises `RefusedError` where lines are not found."""
    strips, axis, counts = made
    peaks = slit_peaks(strips, axis, counts, mask=mask, field=field)
    random = np.random.default_rng(_SEED)
    drawn = [slit_peaks(strips, axis, random.poisson(counts), mask=mask, field=field) for _ in range(_DRAWS)]
    useful, central = (resolution_and_linearity(peaks, each) for each in (field, field.central))
    return MaskFigures(
        peaks, useful, central, _noise(peaks, drawn, field), _noise(peaks, drawn, field.central)
    )  # fmt: skip


def _noise(peaks: SlitPeaks, drawn: list[SlitPeaks], field: FieldOfView) -> LineNoise:
    """Return the noise by profiles drawn anew: of means their spread, of linearity what such peaks scatter by."""
    lines = [resolution_and_linearity(each, field) for each in drawn]
    inside = peaks.within(field)
    scatter = np.stack([each.at_mm - peaks.at_mm for each in drawn])[:, inside]
    sigma = float(np.nanstd(scatter))
    return LineNoise(
        float(np.std([one.fwhm_mm for one in lines], ddof=1)), float(np.std([one.fwtm_mm for one in lines], ddof=1)),
        sigma * float(np.sqrt(2.0)), sigma * largest_by_chance(int(inside.sum())),
    )  # fmt: skip
