"""System alignment: the axis of rotation on each head, by point sources that are seen all the way round.

NEMA NU 1, "System Alignment". A head at the angle a about the patient (`daq.model.geometry`) sees a source at x (left)
and y (back) at

    s = offset + y sin a - x cos a,

and `offset` is where the axis of rotation lies on the head. It is what a reconstruction needs; what remains of s beside
the sine says whether the head holds its place, and nothing of the offset.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from daq.errors import LimitError, RefusedError
from daq.qc.camera.points import REACH_MM, near_edge, refined
from daq.qc.fields import Floats, centres_mm

FEWEST_VIEWS = 8
LEAST_ARC_DEG = 180.0
_TERMS = 3
_LEAST_SHARE = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A source in every view of a head: float64 [views], mm, with its standard deviations by counting."""

    x_mm: Floats
    y_mm: Floats
    noise_x_mm: Floats
    noise_y_mm: Floats
    counts: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SourceFit:
    """The sine of one source. `left_mm`, `back_mm`: its place about the axis; `up_mm`: mean y.

    `off_mm` [views]: what remains of x; `up_off_mm` [views]: distance of y from its mean. Noise is of counting alone.
    """

    offset_mm: float
    offset_noise_mm: float
    left_mm: float
    back_mm: float
    place_noise_mm: float
    up_mm: float
    off_mm: Floats
    up_off_mm: Floats
    noise_x_mm: float
    noise_y_mm: float
    chi2_per_freedom: float

    @property
    def radius_mm(self) -> float:
        """Return how far the source is from the axis."""
        return math.hypot(self.left_mm, self.back_mm)


@dataclass(frozen=True, slots=True)
class HeadAlignment:
    """A head by all of its sources. Values with their noise: sigma of the offset, else what a perfect head would show.

    `offset_mm` is the weighted mean of the sources; `offset_range_mm` how far they differ along the axis: a head that
    is turned in its plane, or holes that are not parallel. `residual_mm`: the largest distance of a view from its sine,
    `axial_mm`: the largest distance of a view from the mean y.
    """

    sources: tuple[SourceFit, ...]
    offset_mm: float
    offset_noise_mm: float
    offset_range_mm: float
    residual_mm: float
    residual_noise_mm: float
    axial_mm: float
    axial_noise_mm: float
    fewest_counts: float


def arc_deg(angles: Floats) -> float:
    """Return how much of a turn views at these angles [n] cover, each as wide as they are mostly apart."""
    there = np.unique(np.round(np.asarray(angles, np.float64) % 360.0, 6))
    if len(there) < 2:  # noqa: PLR2004 - one direction
        return 0.0
    gaps = np.diff(np.append(there, there[0] + 360.0))
    return float(min(360.0, 360.0 - gaps.max() + np.median(gaps)))


def tracks(
    counts: Floats, pixel_mm: float, *, width_mm: float, height_mm: float, reach_mm: float = REACH_MM
) -> tuple[Track, ...]:
    """Return the sources of a head in its views [views, rows, columns], from the lowest y up.

    Sources are told apart by their place along the axis; two at one place there are one. `width_mm`, `height_mm`: the
    field of view. Raises `LimitError` for a view with too few counts, `RefusedError` where a source leaves the field.
    """
    places = source_rows(counts.sum(axis=(0, 2)), pixel_mm, reach_mm)
    return tuple(_track(counts, pixel_mm, place, (width_mm, height_mm), reach_mm) for place in places)


def source_fit(angle_deg: Floats, track: Track) -> SourceFit:
    """Return the weighted fit of the sine. Raises `RefusedError` for fewer than eight views, less than half a turn."""
    angle = np.radians(np.asarray(angle_deg, np.float64))
    _require_turn(angle_deg, track)
    terms = np.stack([np.ones_like(angle), -np.cos(angle), np.sin(angle)], axis=1)
    weight = 1.0 / track.noise_x_mm
    found, *_ = np.linalg.lstsq(terms * weight[:, None], track.x_mm * weight, rcond=None)
    spread = np.linalg.inv((terms * weight[:, None] ** 2).T @ terms)
    off = track.x_mm - terms @ found
    up = float(np.average(track.y_mm, weights=track.noise_y_mm**-2))
    chi2 = float(((off * weight) ** 2).sum() / max(1, len(angle) - _TERMS))
    return SourceFit(
        float(found[0]), math.sqrt(spread[0, 0]), float(found[1]), float(found[2]),
        math.sqrt(spread[1, 1] + spread[2, 2]), up, off, track.y_mm - up,
        float(np.sqrt(np.mean(track.noise_x_mm**2))), float(np.sqrt(np.mean(track.noise_y_mm**2))), chi2,
    )  # fmt: skip


def head_alignment(angle_deg: Floats, found: Sequence[Track]) -> HeadAlignment:
    """Return what the sources of one head say of it; its views are at `angle_deg` [views]."""
    fits = tuple(source_fit(angle_deg, track) for track in found)
    offsets = np.array([fit.offset_mm for fit in fits])
    weights = np.array([fit.offset_noise_mm**-2 for fit in fits])
    views, sources = len(fits[0].off_mm), len(fits)
    return HeadAlignment(
        fits, float(np.average(offsets, weights=weights)), float(weights.sum() ** -0.5), float(np.ptp(offsets)),
        max(float(np.abs(fit.off_mm).max()) for fit in fits),
        largest_by_chance(views * sources) * max(fit.noise_x_mm for fit in fits),
        max(float(np.abs(fit.up_off_mm).max()) for fit in fits),
        largest_by_chance(views * sources) * max(fit.noise_y_mm for fit in fits),
        min(float(track.counts.min()) for track in found),
    )  # fmt: skip


def largest_by_chance(values: int) -> float:
    """Return the median of the largest magnitude of so many normal values, in standard deviations."""
    return float(stats.norm.ppf((1.0 + 0.5 ** (1.0 / max(1, values))) / 2.0))


@dataclass(frozen=True, slots=True)
class HeadsApart:
    """How two heads differ, mm: of their offsets, and of where they see the same sources, across and along the axis."""

    offset_mm: float
    offset_noise_mm: float
    transverse_mm: float
    transverse_noise_mm: float
    axial_mm: float
    axial_noise_mm: float


def heads_apart(first: HeadAlignment, second: HeadAlignment) -> HeadsApart:
    """Return how two heads differ that saw the same sources. Raise `RefusedError` where their number is not the same.

    Both heads must have pictures of one orientation. `transverse_mm`: the largest distance of a source from itself.
    """
    if len(first.sources) != len(second.sources):
        raise RefusedError(f"one head sees {len(first.sources)} sources, the other {len(second.sources)}")
    pairs = list(zip(first.sources, second.sources, strict=True))
    across = [math.hypot(a.left_mm - b.left_mm, a.back_mm - b.back_mm) for a, b in pairs]
    along = [b.up_mm - a.up_mm for a, b in pairs]
    noise = math.sqrt(max(a.place_noise_mm**2 + b.place_noise_mm**2 for a, b in pairs) / 2.0)
    views = len(first.sources[0].off_mm)
    along_noise = math.sqrt(max(a.noise_y_mm**2 + b.noise_y_mm**2 for a, b in pairs) / views)
    return HeadsApart(
        second.offset_mm - first.offset_mm, math.hypot(first.offset_noise_mm, second.offset_noise_mm),
        max(across), rayleigh_mean(noise, len(pairs)), max(along, key=abs), along_noise,
    )  # fmt: skip


def rayleigh_mean(sigma: float, values: int = 1) -> float:
    """Return the mean of the largest of so many distances whose two components have the standard deviation `sigma`."""
    terms = [(-1.0) ** (k + 1) * math.comb(values, k) / math.sqrt(k) for k in range(1, min(values, _TRUSTED) + 1)]
    if values > _TRUSTED:  # the sum cancels too much: the median of the largest is as good
        return sigma * math.sqrt(-2.0 * math.log(1.0 - 0.5 ** (1.0 / values)))
    return float(sigma * math.sqrt(math.pi / 2.0) * sum(terms))


_TRUSTED = 20


def source_rows(profile: Floats, pixel_mm: float, reach_mm: float) -> list[float]:
    """Return where sources are along the axis, from the lowest up."""
    y = centres_mm(len(profile), pixel_mm)
    left = profile - np.median(profile)
    wide = max(1, round(reach_mm / 2.0 / pixel_mm))
    found: list[float] = []
    highest = 0.0
    while len(found) < len(profile):
        smooth = np.convolve(left, np.ones(wide) / wide, mode="same")
        top = int(np.argmax(smooth))
        highest = max(highest, float(smooth[top]))
        if smooth[top] <= 0.0 or smooth[top] < _LEAST_SHARE * highest:
            break
        found.append(float(y[top]))
        left = np.where(np.abs(y - y[top]) <= 1.5 * reach_mm, 0.0, left)
    if not found:
        raise LimitError("the views of a head show no source")
    return sorted(found)


def _track(counts: Floats, pixel_mm: float, place_mm: float, field_mm: tuple[float, float], reach_mm: float) -> Track:
    rows, columns = counts.shape[1:]
    x, y = centres_mm(columns, pixel_mm), centres_mm(rows, pixel_mm)
    band = np.abs(y - place_mm) <= reach_mm
    if not band.any():
        raise RefusedError(f"no row of the pictures lies within {reach_mm:g} mm of {place_mm:.1f} mm")
    wide = max(1, round(reach_mm / 2.0 / pixel_mm))
    found = []
    outside = []
    for view in range(len(counts)):
        across = np.convolve(counts[view, band].sum(axis=0), np.ones(wide), mode="same")
        try:
            source = refined(counts[view], pixel_mm, (float(x[np.argmax(across)]), place_mm), reach_mm=reach_mm)
        except LimitError as why:
            raise LimitError(f"view {view}: {why}") from None
        found.append(source)
        if near_edge(source, field_mm[0], field_mm[1]):
            outside.append(view)
    if outside:
        raise RefusedError(
            f"a source leaves the field of view of {field_mm[0]:g} x {field_mm[1]:g} mm in {len(outside)} of "
            f"{len(counts)} views, the first of them view {outside[0]}: put it nearer to the axis"
        )
    columns_of = [(s.x_mm, s.y_mm, s.noise_x_mm, s.noise_y_mm, s.counts) for s in found]
    return Track(*np.array(columns_of, np.float64).T)


def _require_turn(angle_deg: Floats, track: Track) -> None:
    if not (np.isfinite(angle_deg).all() and np.isfinite(track.x_mm).all()):
        raise RefusedError("a view has no angle, or its source no place")
    arc = arc_deg(angle_deg)
    if len(angle_deg) < FEWEST_VIEWS or arc < LEAST_ARC_DEG - 1e-6:
        raise RefusedError(
            f"{len(angle_deg)} views over {arc:.0f} degrees; at least {FEWEST_VIEWS} over {LEAST_ARC_DEG:g} are needed"
        )
