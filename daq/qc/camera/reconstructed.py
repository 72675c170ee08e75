"""Resolution of the reconstruction: point or line sources in air, in slices by the ramp alone.

NEMA NU 1, "SPECT Reconstructed Spatial Resolution without Scatter": widths at half of the maximum of the profiles
through a source, towards the axis and across that, and along the axis for a point. A source is looked for over the
whole slice, and slices are made anew around it, finer than pixels: it may be anywhere in the field.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from daq.errors import LimitError, RefusedError
from daq.qc.camera.alignment import source_rows
from daq.qc.camera.tomography import Places, Views, slices
from daq.qc.fields import Floats, centres_mm
from daq.qc.peaks import peak_at

REACH_MM = 25.0
SLICE_MM = 10.0
LINE_PLACES_MM = (-40.0, 0.0, 40.0)
_FINE = 6
_WIDE_MM = 40.0
_BAND_MM = 1.0
_DRAWS = 8
_SEED = 20_180_600
_FEWEST_COUNTS = 2_000


@dataclass(frozen=True, slots=True)
class SourceWidth:
    """A source in the reconstruction: where it is, mm, and its FWHM each way with the sigma by counting.

    `axial_mm` is None of a line source. `up_mm`: along the axis.
    """

    x_mm: float
    y_mm: float
    up_mm: float
    radial_mm: float
    radial_noise_mm: float
    tangential_mm: float
    tangential_noise_mm: float
    axial_mm: float | None
    counts: float


def source_widths(views: Views, *, line: bool, reach_mm: float = REACH_MM) -> tuple[SourceWidth, ...]:
    """Return the widths of the sources, from the lowest up; of a line in three slices of 10 mm, 40 mm apart.

    Raises `LimitError` for fewer than 2000 counts, `RefusedError` where a source is not narrow enough to be one.
    """
    rows = views.counts.shape[1]
    y = centres_mm(rows, views.pixel_mm)
    if line:
        profile = views.counts.sum(axis=(0, 2))
        middle = float((profile * y).sum() / max(1.0, profile.sum()))
        return tuple(_widths(views, y, middle + along, SLICE_MM / 2.0, line=True) for along in LINE_PLACES_MM)
    found = source_rows(views.counts.sum(axis=(0, 2)), views.pixel_mm, reach_mm)
    return tuple(_widths(views, y, place, reach_mm, line=False) for place in found)


def _widths(views: Views, y: Floats, place_mm: float, reach_mm: float, *, line: bool) -> SourceWidth:
    near = np.abs(y - place_mm) <= max(reach_mm, views.pixel_mm / 2.0)
    seen = views.counts[:, near].sum(axis=1, keepdims=True)
    if seen.sum() < _FEWEST_COUNTS:
        raise LimitError(
            f"a source of {seen.sum():.0f} counts at {place_mm:.0f} mm along the axis; at least {_FEWEST_COUNTS} "
            "are needed"
        )
    at = _place(Views(seen, views.angle_deg, views.pixel_mm))
    found = _two_ways(Views(seen, views.angle_deg, views.pixel_mm), at)
    random = np.random.default_rng(_SEED)
    drawn = [
        _two_ways(Views(random.poisson(seen).astype(np.float64), views.angle_deg, views.pixel_mm), at)
        for _ in range(_DRAWS)
    ]
    noise = np.std(drawn, axis=0, ddof=1)
    axial = None if line else _axial(views, at, near, y)
    return SourceWidth(
        *at, place_mm, found[0], float(noise[0]), found[1], float(noise[1]), axial, float(seen.sum())
    )  # fmt: skip


def _place(views: Views) -> tuple[float, float]:
    """Return where the source is: the highest place of a slice over the whole field, then of a finer one around it."""
    coarse = Places.grid(views.counts.shape[2], views.pixel_mm)
    picture = slices(views, coarse, window="hann")[0]
    top = np.unravel_index(int(np.argmax(picture)), picture.shape)
    at = float(coarse.x_mm[top]), float(coarse.y_mm[top])
    fine = Places.grid(4 * _FINE + 1, views.pixel_mm / _FINE, at)
    picture = slices(views, fine, window="hann")[0]
    top = np.unravel_index(int(np.argmax(picture)), picture.shape)
    return float(fine.x_mm[top]), float(fine.y_mm[top])


def _two_ways(views: Views, at: tuple[float, float]) -> tuple[float, float]:
    """Return FWHM along the radius and across it, of profiles through the source in a band of a millimetre."""
    away = math.hypot(*at)
    radial = (at[0] / away, at[1] / away) if away > views.pixel_mm else (1.0, 0.0)
    step = views.pixel_mm / _FINE
    along = centres_mm(2 * math.ceil(_WIDE_MM / step) + 1, step)
    band = np.array([-_BAND_MM, 0.0, _BAND_MM])
    found = []
    for way, across in ((radial, (-radial[1], radial[0])), ((-radial[1], radial[0]), radial)):
        x = at[0] + along[None, :] * way[0] + band[:, None] * across[0]
        y = at[1] + along[None, :] * way[1] + band[:, None] * across[1]
        profile = slices(views, Places(x, y))[0].mean(axis=0)
        near = np.abs(along) <= _WIDE_MM / 2.0
        top = int(np.flatnonzero(near)[np.argmax(profile[near])])
        found.append(peak_at(along, profile, top).fwhm)
    return found[0], found[1]


def _axial(views: Views, at: tuple[float, float], near: np.ndarray, y: Floats) -> float | None:
    """Return the FWHM along the axis at the place of the source; None where rows are too few to tell."""
    places = Places.grid(5, 2.0 * _BAND_MM, at)
    profile = slices(views, places).mean(axis=(1, 2))
    profile = np.where(near, profile, 0.0)
    try:
        return peak_at(y, profile, int(np.argmax(profile))).fwhm
    except RefusedError:
        return None
