"""Slices of phantoms by filtered back-projection, for quality control alone, and what counting makes of them.

The filter is the ramp of a band-limited picture, sampled in space (A. C. Kak, M. Slaney, "Principles of Computerized
Tomographic Imaging", 1988, chapter 3, equation 61), by itself or tamed by a Hann window. Nothing is corrected but,
where it is asked for, attenuation: by the first-order method of L.-T. Chang, IEEE Trans. Nucl. Sci. 25, 638 (1978),
for an even cylinder. No scatter, no resolution, no decay, no offset of the axis.

A projection at the angle a sees x (left), y (back) of a slice at s = y sin a - x cos a (`daq.pipeline.tomography`); the
centre of pixel k of N is at (k - (N - 1) / 2) pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import fft

from daq.errors import RefusedError
from daq.qc.fields import Floats, centres_mm

Window = Literal["ramp", "hann"]
FINER = 4
"""Filtered projections are sampled so many times as finely as pixels, so that straight lines between do not blur."""
_WIDEST_GAP = 2.5
_FEWEST_VIEWS = 8
_CHANG_ANGLES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Projections [views, rows, columns] at angles [views] in degrees; all lasted as long as their mean."""

    counts: Floats
    angle_deg: Floats
    pixel_mm: float

    def __post_init__(self) -> None:
        if self.counts.ndim != 3 or len(self.counts) != len(self.angle_deg):  # noqa: PLR2004 - views, rows, columns
            raise RefusedError(f"projections of shape {self.counts.shape} at {len(self.angle_deg)} angles")
        if not (np.isfinite(self.counts).all() and np.isfinite(self.angle_deg).all()):
            raise RefusedError("a projection or its angle is not a number")
        if len(self.counts) < _FEWEST_VIEWS:
            raise RefusedError(f"{len(self.counts)} views; at least {_FEWEST_VIEWS} are needed for a slice")
        low, high = widest_gap(self.angle_deg)
        if high - low > _WIDEST_GAP * 180.0 / len(np.unique(np.round(self.angle_deg % 180.0, 3))):
            raise RefusedError(f"no view looks along {low:.0f} to {high:.0f} degrees: slices would be wrong")


def widest_gap(angle_deg: Floats) -> tuple[float, float]:
    """Return the widest range of directions without a view, opposite ones being the same, in degrees."""
    seen = np.unique(np.round(np.asarray(angle_deg) % 180.0, 3))
    gaps = np.diff(np.append(seen, seen[0] + 180.0))
    widest = int(gaps.argmax())
    return float(seen[widest]), float(seen[widest] + gaps[widest])


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where slices are wanted: `x_mm`, `y_mm` [n, m], to the left and to the back of the axis."""

    x_mm: Floats
    y_mm: Floats

    @classmethod
    def grid(cls, size: int, pixel_mm: float, middle_mm: tuple[float, float] = (0.0, 0.0)) -> Places:
        """Return a square grid: rows towards the back, columns towards the left."""
        along = centres_mm(size, pixel_mm)
        x, y = np.meshgrid(along + middle_mm[0], along + middle_mm[1])
        return cls(x, y)


def slices(views: Views, places: Places, *, window: Window = "ramp") -> Floats:
    """Return counts per mm^2 and view-row [rows, n, m]: the line integrals of it are the projections per mm.

    A place outside of the pictures gets what their edge has.
    """
    filtered = _filtered(views, window)
    out = np.zeros((views.counts.shape[1], places.x_mm.size))
    for projection, (first, share) in zip(filtered, _seen(views, places), strict=True):
        out += projection[:, first] * (1.0 - share) + projection[:, first + 1] * share
    return np.asarray((out * math.pi / len(filtered)).reshape(-1, *places.x_mm.shape))


def mean_noise(views: Views, places: Places, weight: Floats, *, window: Window = "ramp") -> Floats:
    """Return the standard deviation by counting [rows] of sum(weight * slice) over places; `weight` as `places`.

    Slices are linear in counts, so that it is exact: each count's share in the sum, squared, times the counts. Counts
    must be those that were counted, not scaled.
    """
    finer = views.counts.shape[2] * FINER
    variance = np.zeros(views.counts.shape[1])
    flat = weight.reshape(-1) * math.pi / len(views.counts)
    for counts, (first, share) in zip(views.counts, _seen(views, places), strict=True):
        back = np.zeros(finer)
        back += np.bincount(first, flat * (1.0 - share), finer)
        back += np.bincount(first + 1, flat * share, finer)
        shares = _filter_back(back, views, window)
        variance += counts @ shares**2
    return np.asarray(np.sqrt(variance))


def chang(places: Places, *, radius_mm: float, middle_mm: tuple[float, float], per_mm: float) -> Floats:
    """Return the factors of Chang's first order for an even cylinder; 1 outside of it, `places`' shape.

    One over the mean over directions of what comes out of a place.
    """
    x, y = places.x_mm - middle_mm[0], places.y_mm - middle_mm[1]
    inside = np.hypot(x, y) <= radius_mm
    passed = np.zeros_like(x)
    for angle in 2.0 * math.pi * np.arange(_CHANG_ANGLES) / _CHANG_ANGLES:
        along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        way = np.sqrt(np.maximum(radius_mm**2 - across**2, 0.0)) - along
        passed += np.exp(-per_mm * np.maximum(way, 0.0))
    return np.where(inside, _CHANG_ANGLES / np.maximum(passed, 1e-300), 1.0)


def cylinder_views(
    angle_deg: Floats, columns: int, pixel_mm: float, *, radius_mm: float, middle_mm: tuple[float, float],
    per_mm: float,
) -> Floats:  # fmt: skip
    """Return the projections [views, columns] of an even cylinder of one row, as shares of all their counts.

    Attenuated by `per_mm`, integrated over pixels by eight points in each; sharp, without scatter.
    """
    inner = 8
    fine = centres_mm(columns * inner, pixel_mm / inner)
    angle = np.radians(angle_deg)[:, None]
    across = fine[None, :] - (middle_mm[1] * np.sin(angle) - middle_mm[0] * np.cos(angle))
    chord = 2.0 * np.sqrt(np.maximum(radius_mm**2 - across**2, 0.0))
    seen = chord if per_mm <= 0.0 else -np.expm1(-per_mm * chord) / per_mm
    made = seen.reshape(len(angle_deg), columns, inner).mean(axis=2)
    return np.asarray(made / made.sum())


def _seen(views: Views, places: Places) -> Iterator[tuple[npt.NDArray[np.int64], Floats]]:
    """Yield for each view the sample of its filtered projection left of each place, and how far on it lies."""
    finer = views.counts.shape[2] * FINER
    x, y = places.x_mm.reshape(-1), places.y_mm.reshape(-1)
    step = views.pixel_mm / FINER
    for angle in np.radians(views.angle_deg):
        at = (y * math.sin(angle) - x * math.cos(angle)) / step + (finer - FINER) / 2.0
        at = np.clip(at, 0.0, finer - 1.001)
        first = at.astype(np.int64)
        yield first, at - first


def _filtered(views: Views, window: Window) -> Floats:
    """Return projections [views, rows, columns * FINER], ramp-filtered, per mm^2; sample FINER * k is pixel k."""
    columns = views.counts.shape[2]
    response, size = _response(columns, views.pixel_mm, window)
    spectrum = fft.rfft(views.counts, size, axis=2) * response
    return np.asarray(_finer(spectrum, size)[..., : columns * FINER])


def _filter_back(back: Floats, views: Views, window: Window) -> Floats:
    """Return the adjoint of `_filtered` on one row of samples [columns * FINER]: what each pixel [columns] adds."""
    columns = views.counts.shape[2]
    response, size = _response(columns, views.pixel_mm, window)
    spectrum = fft.rfft(back, size * FINER)[: size // 2 + 1].copy()
    spectrum[-1] = spectrum[-1].real / 2.0
    return np.asarray(fft.irfft(spectrum * response, size)[:columns] * 1.0)


def _finer(spectrum: Floats, size: int) -> Floats:
    wide = np.zeros((*spectrum.shape[:-1], size * FINER // 2 + 1), np.complex128)
    wide[..., : size // 2 + 1] = spectrum
    wide[..., size // 2] /= 2.0
    return np.asarray(fft.irfft(wide, size * FINER, axis=-1) * FINER)


def _response(columns: int, pixel_mm: float, window: Window) -> tuple[Floats, int]:
    """Return the response of the filter, per mm of projection and mm, and the length it is for."""
    size = 1 << (2 * columns - 1).bit_length()
    at = np.minimum(np.arange(size), size - np.arange(size))
    kernel = np.zeros(size)
    kernel[0] = 0.25
    odd = at % 2 == 1
    kernel[odd] = -1.0 / (math.pi * at[odd]) ** 2
    response = np.real(fft.rfft(kernel)) / pixel_mm**2
    if window == "hann":
        response = response * (0.5 + 0.5 * np.cos(2.0 * math.pi * fft.rfftfreq(size)))
    return np.asarray(response), size
