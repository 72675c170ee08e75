"""Slit masks: intrinsic resolution and linearity by NEMA NU 1, and positions for a linearity map.

The lines of a mask run along one axis of the detector, one every `pitch_mm` across it. The field is cut into strips
across the lines; in each strip every line is a peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError, UsageError
from daq.qc.fields import FieldOfView, Floats, Mask, centres_mm
from daq.qc.peaks import peak_at

Across = Literal["x", "y"]
STRIP_MM = 30.0
BIN_MM = 0.6
NEMA_COUNTS_PER_PEAK = 1_000
_FEWEST_IN_PEAK = 50
_FEWEST_PEAKS = 4
_FEWEST_SHARE = 0.25
"""Of the peaks of a mask: fewer that stand out are noise, as in a flood."""
_CENTROID_STEPS = 8


@dataclass(frozen=True, slots=True)
class SlitMask:
    """Lines at `first_mm + k * pitch_mm` along `across`, for every whole k."""

    across: Across
    pitch_mm: float
    first_mm: float = 0.0

    def lines_mm(self, half_mm: float) -> Floats:
        """Return where lines are between `-half_mm` and `half_mm`."""
        low = int(np.ceil((-half_mm - self.first_mm) / self.pitch_mm))
        high = int(np.floor((half_mm - self.first_mm) / self.pitch_mm))
        return np.asarray(self.first_mm + self.pitch_mm * np.arange(low, high + 1), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class SlitPeaks:
    """Where lines were found: float64 [strips, lines] in mm, NaN where one was not.

    `lines_mm` [lines] is where they are, `strips_mm` [strips] the middle of each strip along the lines.
    """

    mask: SlitMask
    lines_mm: Floats
    strips_mm: Floats
    at_mm: Floats
    fwhm_mm: Floats
    fwtm_mm: Floats
    counts: Floats

    def within(self, field: FieldOfView) -> Mask:
        """Return True [strips, lines] for peaks that were found and belong to lines and strips inside of a field."""
        lines, strips = np.meshgrid(self.lines_mm, self.strips_mm)
        inside = field.holds(lines, strips) if self.mask.across == "x" else field.holds(strips, lines)
        return np.asarray(inside & np.isfinite(self.at_mm))


@dataclass(frozen=True, slots=True)
class Lines:
    """Resolution and linearity of one direction in one field of view."""

    fwhm_mm: float
    fwtm_mm: float
    differential_mm: float
    """Standard deviation of the distances of neighbouring peaks."""
    absolute_mm: float
    """Largest distance of a peak from the best grid of parallel lines, equally far apart."""
    scale_percent: float
    """Pitch of that grid against the true one."""
    peaks: int
    counts_per_peak: float
    """Of the faintest peak."""


def profiles(
    x_mm: npt.NDArray[Any], y_mm: npt.NDArray[Any], *, across: Across, field: FieldOfView, strip_mm: float = STRIP_MM,
    bin_mm: float = BIN_MM,
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:  # fmt: skip
    """Return middles of strips [strips], centres of bins [bins] and counts [strips, bins] of profiles across lines."""
    along_size, size = (field.height_mm, field.width_mm) if across == "x" else (field.width_mm, field.height_mm)
    position, along = (x_mm, y_mm) if across == "x" else (y_mm, x_mm)
    strips = max(1, int(np.floor(along_size / strip_mm + 1e-6)))
    bins = 2 * int(np.ceil((size / 2 + strip_mm / 2) / bin_mm)) + 1
    strip_at = np.floor(np.asarray(along, np.float64) / strip_mm + strips / 2)
    bin_at = np.floor(np.asarray(position, np.float64) / bin_mm + bins / 2)
    inside = (strip_at >= 0) & (strip_at < strips) & (bin_at >= 0) & (bin_at < bins)
    flat = strip_at[inside].astype(np.int64) * bins + bin_at[inside].astype(np.int64)
    counts: npt.NDArray[np.int64] = np.bincount(flat, minlength=strips * bins).reshape(strips, bins)
    return centres_mm(strips, strip_mm), centres_mm(bins, bin_mm), counts


def slit_peaks(
    strips_mm: Floats, axis_mm: Floats, counts: npt.NDArray[Any], *, mask: SlitMask, field: FieldOfView
) -> SlitPeaks:
    """Return the peaks of `profiles`.

    From the middle outwards each line is looked for half a pitch around where its neighbours say, so that a distortion
    may grow beyond that; in the middle it must not. Raises `RefusedError` where hardly a line is found.
    """
    size = field.width_mm if mask.across == "x" else field.height_mm
    lines = mask.lines_mm(size / 2)
    if len(lines) < 2:  # noqa: PLR2004 - a distance
        raise UsageError(f"a mask with lines every {mask.pitch_mm:g} mm has {len(lines)} in {size:g} mm")
    found = np.full((4, len(strips_mm), len(lines)), np.nan)
    outwards = np.argsort(np.abs(strips_mm), kind="stable")
    for strip in outwards:
        moved = _neighbours(found[0] - lines, strips_mm, int(strip))
        _strip_peaks(axis_mm, np.asarray(counts[strip], np.float64), lines, mask.pitch_mm, moved, found[:, strip])
    known = np.isfinite(found[0])
    if known.sum() < _FEWEST_PEAKS or known.mean() < _FEWEST_SHARE:
        raise RefusedError(
            f"{known.sum()} of {found[0].size} peaks of a mask with lines every {mask.pitch_mm:g} mm "
            "were found: too few counts, or another mask"
        )
    return SlitPeaks(mask, lines, strips_mm, *found)


def resolution_and_linearity(peaks: SlitPeaks, field: FieldOfView) -> Lines:
    """Return the figures of the lines inside a field of view; raise `RefusedError` where there are too few."""
    inside = peaks.within(field)
    if inside.sum() < _FEWEST_PEAKS:
        raise RefusedError(f"{inside.sum()} peaks lie in a field of {field.width_mm:g} x {field.height_mm:g} mm")
    at = np.where(inside, peaks.at_mm, np.nan)
    apart = np.diff(at, axis=1)
    apart = apart[np.isfinite(apart)]
    away, pitch_ratio = _from_best_grid(peaks, inside)
    return Lines(
        fwhm_mm=float(np.mean(peaks.fwhm_mm[inside])), fwtm_mm=float(np.nanmean(peaks.fwtm_mm[inside])),
        differential_mm=float(np.std(apart)) if len(apart) else float("nan"), absolute_mm=float(np.abs(away).max()),
        scale_percent=100.0 * (pitch_ratio - 1.0), peaks=int(inside.sum()),
        counts_per_peak=float(peaks.counts[inside].min()),
    )  # fmt: skip


def _from_best_grid(peaks: SlitPeaks, inside: Mask) -> tuple[Floats, float]:
    """Return distances from the best grid (offset, pitch, turn) of the peaks inside, and its pitch over the true."""
    lines, strips = np.meshgrid(peaks.lines_mm, peaks.strips_mm)
    terms = np.stack([np.ones(int(inside.sum())), lines[inside], strips[inside]], axis=1)
    wanted = peaks.at_mm[inside]
    best, *_ = np.linalg.lstsq(terms, wanted, rcond=None)
    return wanted - terms @ best, float(best[1])


def _neighbours(moved: Floats, strips_mm: Floats, strip: int) -> Floats:
    """Return how far lines are moved in the neighbouring strip nearer to the middle; NaN where not known."""
    inner = strip - 1 if strips_mm[strip] > 0 else strip + 1
    return moved[inner] if 0 <= inner < len(moved) else np.full(moved.shape[1], np.nan)


def _strip_peaks(axis: Floats, profile: Floats, lines: Floats, pitch: float, moved: Floats, into: Floats) -> None:
    """Find every line of a strip, from the middle outwards; `into` [4, lines] gets place, FWHM, FWTM and counts."""
    middle = int(np.argmin(np.abs(lines)))
    for way in (range(middle, len(lines)), range(middle - 1, -1, -1)):
        last = 0.0
        for line in way:
            expected = moved[line] if np.isfinite(moved[line]) else last
            _one_peak(axis, profile, lines[line] + expected, pitch, into[:, line])
            if np.isfinite(into[0, line]):
                last = into[0, line] - lines[line]


def _one_peak(axis: Floats, profile: Floats, expected: float, pitch: float, into: Floats) -> None:
    near = np.flatnonzero(np.abs(axis - expected) <= pitch / 2)
    if len(near) < 3 or profile[near].sum() < _FEWEST_IN_PEAK:  # noqa: PLR2004 - a top and both sides
        return
    smooth = np.convolve(profile, np.ones(3) / 3.0, mode="same")
    top = int(near[np.argmax(smooth[near])])
    local = slice(max(0, top - len(near) // 2), top + len(near) // 2 + 1)
    try:
        peak = peak_at(axis[local], profile[local], top - local.start)
    except RefusedError:
        return
    at = _centroid(axis, profile, peak.at, 0.75 * peak.fwhm)
    if abs(at - expected) <= pitch / 2:
        into[:] = at, peak.fwhm, peak.fwtm, peak.counts


def _centroid(axis: Floats, profile: Floats, start: float, reach: float) -> float:
    """Return the centroid of what lies within `reach` of it: with less noise than the top, and no bias on a line."""
    at, step = start, float(axis[1] - axis[0])
    for _ in range(_CENTROID_STEPS):
        share = np.clip((reach - np.abs(axis - at)) / step + 0.5, 0.0, 1.0) * profile
        at = float((share * axis).sum() / share.sum())
    return at
