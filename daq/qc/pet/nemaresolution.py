"""Spatial resolution by NEMA NU 2-2018, section 3: a point source, filtered back-projection without smoothing.

Slices by single-slice rebinning of small ring differences; in each, counts per line of response are taken as a function
of the distance from the source, by cubic splines between the lines that there are (so gaps and the narrowing of lines
towards the edge cost no bins), and back-projected about the source by scikit-image's `iradon` with its ramp filter.
Views are counted from the direction of the source, so that one axis of the picture is radial and the other tangential.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from skimage.transform import iradon

from daq.errors import RefusedError
from daq.model.scanner import Ring
from daq.qc.peaks import Peak, peak_near
from daq.qc.pet.nemalines import Indices, Lors, LorTable

Floats = npt.NDArray[np.float64]
NEMA_COUNTS = 100_000
RING_DIFFERENCE = 1
_REACH_MM = 60.0
"""Counts farther than this from the source are not looked at; the picture is half as wide to either side."""
_FINER = 4
"""Pixels to half a crystal's pitch."""
_WITHIN_FWHM = 2.0
"""Profiles within so many widths of the peak on either side, across the direction of measurement, are added up."""
_FEWEST_LINES = 6


@dataclass(frozen=True, slots=True)
class Point:
    """Where a point source is, mm."""

    x_mm: float
    y_mm: float
    z_mm: float

    @property
    def radius_mm(self) -> float:
        """Return its distance from the axis."""
        return float(np.hypot(self.x_mm, self.y_mm))

    @property
    def azimuth_rad(self) -> float:
        """Return the direction in which it lies; of one on the axis that of +x."""
        return float(np.arctan2(self.y_mm, self.x_mm))


@dataclass(frozen=True, slots=True)
class Widths:
    """FWHM and FWTM of the response to a point, mm; `axial` etc. are peaks in mm from the source."""

    radial: Peak
    tangential: Peak
    axial: Peak
    counts: int
    pixel_mm: float


def find_z(lors: Lors, x_mm: float, y_mm: float) -> float:
    """Return z of a point source: the median of where lines that pass within 10 mm of it are nearest to it.

    Raises `RefusedError` where none does.
    """
    near = lors.chosen(np.abs(lors.away_mm(x_mm, y_mm)) <= 10.0)  # noqa: PLR2004 - mm, as the docstring says
    if not len(near.s_mm):
        raise RefusedError(f"no coincidence passes within 10 mm of x = {x_mm:g} mm, y = {y_mm:g} mm")
    return float(np.median(near.z_mm(near.along_mm(x_mm, y_mm))))


def widths(
    table: LorTable, detector_a: npt.NDArray[np.uint32], detector_b: npt.NDArray[np.uint32], point: Point,
    *, ring_difference: int = RING_DIFFERENCE,
) -> Widths:  # fmt: skip
    """Return the widths of the response to a point from its prompts [n].

    Raises `RefusedError` for a ring of several layers, whose lines have no common order, and where a profile has no
    peak.
    """
    volume, slice_mm, pixel_mm, counts = reconstruct(
        table, detector_a, detector_b, point, ring_difference=ring_difference
    )
    axis = (np.arange(volume.shape[2]) - volume.shape[2] // 2) * pixel_mm
    rough = tuple(_rough(volume, each, at) for at, each in enumerate((slice_mm, axis, axis)))
    found = [
        peak_near(each, _response(volume, (slice_mm, axis, axis), rough, at), low=-_REACH_MM / 2, high=_REACH_MM / 2,
                  what=f"{name} profile", unit=" mm")
        for at, (name, each) in enumerate((("axial", slice_mm), ("tangential", axis), ("radial", axis)))
    ]  # fmt: skip
    return Widths(radial=found[2], tangential=found[1], axial=found[0], counts=counts, pixel_mm=pixel_mm)


def reconstruct(
    table: LorTable, detector_a: npt.NDArray[np.uint32], detector_b: npt.NDArray[np.uint32], point: Point,
    *, ring_difference: int = RING_DIFFERENCE,
) -> tuple[Floats, Floats, float, int]:  # fmt: skip
    """Return the picture [slices, tangential, radial] about a point, z of slices from it, the pixel, and the counts."""
    ring = table.ring
    if ring.layers > 1:
        raise RefusedError(f"a ring of {ring.layers} layers: resolution is worked out for rings of one layer only")
    around = ring.detectors_per_ring
    ring_a, crystal_a = np.divmod(detector_a.astype(np.int64), ring.ring_step)
    ring_b, crystal_b = np.divmod(detector_b.astype(np.int64), ring.ring_step)
    z = table.slice_z_mm() - point.z_mm
    slices = np.flatnonzero(np.abs(z) <= _REACH_MM / 2)
    planes = _planes(ring.rings, ring_difference)[slices]
    at = ring_a + ring_b - slices[0]
    kept = (np.abs(ring_a - ring_b) <= ring_difference) & (at >= 0) & (at < len(slices))
    flat = (crystal_a * around + crystal_b)[kept] * len(slices) + at[kept]
    pairs, counts = np.unique(flat, return_counts=True)
    seen = np.zeros((around, around, len(slices)), np.float32)
    seen.reshape(-1)[pairs] = counts
    seen += seen.transpose(1, 0, 2)
    pixel = table.pitch_mm / 2 / _FINER
    per_plane: Floats = np.asarray(seen / planes, np.float64)
    views, angles = _views(table, per_plane, point, pixel)
    return _back_projected(views, angles), z[slices], pixel, int(counts.sum())


def _planes(rings: int, ring_difference: int) -> Floats:
    """Return how many pairs of rings share each slice."""
    a, b = np.meshgrid(np.arange(rings), np.arange(rings))
    return np.bincount((a + b)[np.abs(a - b) <= ring_difference], minlength=2 * rings - 1).astype(np.float64)


def _views(table: LorTable, seen: Floats, point: Point, pixel: float) -> tuple[Floats, Floats]:
    """Return counts per line [slices, bins, views] about the source, and each view's angle from its direction, deg.

    A view holds the lines of crystals i, j with i + j = 2 v and 2 v + 1: both half-ways of the interleaved sinogram.
    """
    ring, around = table.ring, table.ring.detectors_per_ring
    half = int(np.ceil(_REACH_MM / 2 / pixel))
    bins = np.arange(-half, half + 1) * pixel
    made, angles = [], []
    for view in range(around // 2):
        i, j = _pairs_of_view(ring, view)
        lors = table.lors(i, j)
        near = np.abs(lors.away_mm(point.x_mm, point.y_mm)) <= _REACH_MM
        if near.sum() < _FEWEST_LINES:
            continue
        lors, i, j = lors.chosen(near), i[near], j[near]
        turned = np.rint((lors.phi_rad - lors.phi_rad[0]) / np.pi)
        away = lors.away_mm(point.x_mm, point.y_mm) * np.where(turned == 0, 1.0, -1.0)
        order = np.argsort(away)
        spline = CubicSpline(away[order], seen[i, j][order], axis=0, extrapolate=False)
        made.append(np.nan_to_num(spline(bins)).T)
        angles.append(np.degrees(float(np.mean(lors.phi_rad - turned * np.pi)) - point.azimuth_rad))
    if len(made) < around // 4:
        raise RefusedError(
            f"{len(made)} of {around // 2} views have lines near the source: it is not inside of the ring"
        )
    return np.stack(made, axis=-1), np.array(angles)


def _pairs_of_view(ring: Ring, view: int) -> tuple[Indices, Indices]:
    """Return the crystals of a view's lines, each pair once, gaps left out."""
    first = np.tile(np.arange(ring.detectors_per_ring), 2)
    second = (2 * view + np.repeat([0, 1], ring.detectors_per_ring) - first) % ring.detectors_per_ring
    gap = np.isin(first % ring.module_detectors, ring.virtual_positions)
    gap |= np.isin(second % ring.module_detectors, ring.virtual_positions)
    real = (first < second) & ~gap
    return first[real], second[real]


def _back_projected(views: Floats, angles: Floats) -> Floats:
    back: Callable[..., Floats] = iradon
    made = [back(each, theta=angles, filter_name="ramp", interpolation="linear", circle=True) for each in views]
    return np.stack(made)[:, ::-1, :]  # rows of iradon grow downwards


def _rough(volume: Floats, axis: Floats, at: int) -> tuple[int, float]:
    """Return the highest place along an axis of the volume, and the FWHM of the one profile through it."""
    top = np.unravel_index(int(np.argmax(volume)), volume.shape)
    line = volume[tuple(slice(None) if each == at else top[each] for each in range(3))]
    peak = peak_near(axis, line, low=float(axis[0]), high=float(axis[-1]), what="profile", unit=" mm")
    return int(top[at]), peak.fwhm


def _response(volume: Floats, axes: tuple[Floats, ...], rough: tuple[tuple[int, float], ...], at: int) -> Floats:
    """Return the sum of the profiles along one axis that lie within two widths of the peak in the other two."""
    chosen = []
    for each, (axis, (top, fwhm)) in enumerate(zip(axes, rough, strict=True)):
        near = np.abs(axis - axis[top]) <= _WITHIN_FWHM * fwhm
        chosen.append(np.ones(len(axis), np.bool_) if each == at else near)
    summed = volume[np.ix_(*chosen)].sum(axis=tuple(each for each in range(3) if each != at))
    return np.asarray(summed, np.float64)
