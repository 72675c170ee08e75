"""Lines of response of a ring as a sinogram counts them, and where a straight line source lies among them.

A line of response is told by `s_mm`, its signed distance from the axis in the transaxial plane, and `phi_rad`, the
direction of its normal: every point of it has x cos(phi) + y sin(phi) = s. By single-slice rebinning it counts for the
slice in which it passes the axis (M. E. Daube-Witherspoon, G. Muehllehner, J Nucl Med 28, 1717 (1987)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError, RefusedError
from daq.model.scanner import Ring, positions_mm

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
LIGHT_MM_PER_PS = 0.299792458
_VIEWS = 60
_COARSE_MM = 6.0
_REACHES_MM = (40.0, 25.0, 15.0, 12.0, 10.0, 10.0, 10.0)
"""How near to the line of the round before a line of response must pass to count in the next: scatter and randoms,
spread evenly, then pull to neither side."""
_FEWEST = 500
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Lors:
    """Lines of response, float64 arrays of one length but for `slice`.

    `normal_x`, `normal_y`: cosine and sine of `phi_rad`, which lies in [0, pi). `along_x`, `along_y`: direction from a
    to b, of length 1. `a_along_mm`, `b_along_mm`: where both ends are along the line, 0 at the foot of the normal.
    `slice` is the sum of both ring numbers, `apart` the ring of b minus that of a.
    """

    s_mm: Floats
    normal_x: Floats
    normal_y: Floats
    along_x: Floats
    along_y: Floats
    a_along_mm: Floats
    b_along_mm: Floats
    a_z_mm: Floats
    b_z_mm: Floats
    slice: Indices
    apart: Indices

    @property
    def phi_rad(self) -> Floats:
        """Return the directions of the normals."""
        return np.asarray(np.arctan2(self.normal_y, self.normal_x), np.float64)

    def along_mm(self, x_mm: float | Floats, y_mm: float | Floats) -> Floats:
        """Return where along the lines a point is nearest."""
        return np.asarray(self.along_x * x_mm + self.along_y * y_mm, np.float64)

    def away_mm(self, x_mm: float | Floats, y_mm: float | Floats) -> Floats:
        """Return how far the lines pass from a point, signed, in the transaxial plane."""
        return np.asarray(self.s_mm - self.normal_x * x_mm - self.normal_y * y_mm, np.float64)

    def z_mm(self, along_mm: Floats) -> Floats:
        """Return the lines' z at a place along them."""
        share = (along_mm - self.a_along_mm) / (self.b_along_mm - self.a_along_mm)
        return np.asarray(self.a_z_mm + share * (self.b_z_mm - self.a_z_mm), np.float64)

    def chosen(self, keep: npt.NDArray[Any]) -> Lors:
        """Return some of them."""
        return Lors(*(getattr(self, name)[keep] for name in self.__slots__))


class LorTable:
    """Where the detectors of a ring are, as a table: made once, for many pairs."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        layers, rings, around = np.meshgrid(
            np.arange(ring.layers), np.arange(ring.rings), np.arange(ring.detectors_per_ring), indexing="ij"
        )
        numbers = (layers * ring.layer_step + rings * ring.ring_step + around).reshape(-1)
        self._at = np.full((ring.highest_detector + 1, 3), np.nan)
        self._at[numbers] = positions_mm(ring, numbers.astype(np.uint32))
        self._ring = np.zeros(ring.highest_detector + 1, np.int64)
        self._ring[numbers] = rings.reshape(-1)

    @property
    def pitch_mm(self) -> float:
        """Return the distance of neighbouring crystals around the ring."""
        return 2.0 * np.pi * (self.ring.radius_mm + self.ring.interaction_depth_mm) / self.ring.detectors_per_ring

    @property
    def slices(self) -> int:
        """Return the number of slices of single-slice rebinning."""
        return 2 * self.ring.rings - 1

    def slice_z_mm(self) -> Floats:
        """Return z of each slice's middle."""
        return (np.arange(self.slices) / 2.0 - (self.ring.rings - 1) / 2.0) * self.ring.axial_pitch_mm

    def lors(self, detector_a: npt.NDArray[Any], detector_b: npt.NDArray[Any]) -> Lors:
        """Return the lines of pairs of detectors; raise `MismatchError` for a number that the ring does not have."""
        a, b = detector_a.astype(np.int64), detector_b.astype(np.int64)
        highest = int(max(a.max(initial=0), b.max(initial=0)))
        if highest >= len(self._at) or np.isnan(self._at[a, 0]).any() or np.isnan(self._at[b, 0]).any():
            raise MismatchError(
                f"detector {highest}: the ring has numbers up to {self.ring.highest_detector}, not all of them"
            )
        first, second = self._at[a], self._at[b]
        step = second - first
        length = np.hypot(step[:, 0], step[:, 1])
        if not np.all(length > 0.0):
            raise MismatchError("a pair of detectors one behind the other has no line in the transaxial plane")
        along_x, along_y = step[:, 0] / length, step[:, 1] / length
        normal_y = np.where(np.abs(along_x) < _NOTHING, 0.0, along_x)  # a hair below 0 would turn the normal round
        side = np.where((normal_y < 0.0) | ((normal_y == 0.0) & (along_y > 0.0)), -1.0, 1.0)
        return Lors(
            s_mm=side * (along_x * first[:, 1] - along_y * first[:, 0]), normal_x=-side * along_y,
            normal_y=side * normal_y,
            along_x=along_x, along_y=along_y,
            a_along_mm=along_x * first[:, 0] + along_y * first[:, 1],
            b_along_mm=along_x * second[:, 0] + along_y * second[:, 1],
            a_z_mm=first[:, 2], b_z_mm=second[:, 2], slice=self._ring[a] + self._ring[b],
            apart=self._ring[b] - self._ring[a],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A straight line source: x and y in mm at z = 0, and how both grow with z (mm per mm)."""

    x_mm: float
    y_mm: float
    x_slope: float = 0.0
    y_slope: float = 0.0

    def away_mm(self, lors: Lors) -> Floats:
        """Return how far lines of response pass from it, signed: a sinogram whose maxima are aligned."""
        z = lors.z_mm(lors.along_mm(self.x_mm, self.y_mm))
        return lors.away_mm(self.x_mm + self.x_slope * z, self.y_mm + self.y_slope * z)


def find_line(lors: Lors, *, tilted: bool = True) -> SourceLine:
    """Return the line source that most lines of response pass.

    First from the highest bin of each view, all slices together, then by least squares of those that pass near it.
    Raises `RefusedError` where too few do: no line source is there. `tilted` False: parallel to the axis, or a point.
    """
    if len(lors.s_mm) < _FEWEST:
        raise RefusedError(f"{len(lors.s_mm)} coincidences: too few to find a line source among, {_FEWEST} are needed")
    line = _coarse(lors)
    for reach in _REACHES_MM:
        near = np.abs(line.away_mm(lors)) <= reach
        if np.count_nonzero(near) < _FEWEST / 2:
            raise RefusedError(
                f"{np.count_nonzero(near)} of {len(near)} coincidences pass within {reach:g} mm of the best line: "
                "no line source is there"
            )
        line = _least_squares(lors.chosen(near), tilted=tilted)
    return line


def _coarse(lors: Lors) -> SourceLine:
    reach = np.abs(lors.s_mm).max() + _COARSE_MM
    bins = int(np.ceil(2 * reach / _COARSE_MM))
    view = np.minimum((lors.phi_rad / np.pi * _VIEWS).astype(np.int64), _VIEWS - 1)
    at = ((lors.s_mm + reach) / _COARSE_MM).astype(np.int64)
    counts = np.bincount(view * bins + at, minlength=_VIEWS * bins).reshape(_VIEWS, bins)
    phi: Floats = (np.arange(_VIEWS) + 0.5) * np.pi / _VIEWS
    s = (counts.argmax(axis=1) + 0.5) * _COARSE_MM - reach
    terms, seen = np.stack([np.cos(phi), np.sin(phi)], axis=1), counts.max(axis=1) > 0
    for _ in range(4):  # views whose maximum is another's go
        found = np.linalg.lstsq(terms[seen], s[seen], rcond=None)[0]
        off = np.abs(terms @ found - s)
        seen &= off <= max(2.0 * _COARSE_MM, 2.0 * float(np.median(off[seen])))
    return SourceLine(float(found[0]), float(found[1]))


def _least_squares(lors: Lors, *, tilted: bool) -> SourceLine:
    cos, sin = lors.normal_x, lors.normal_y
    if not tilted:
        found = np.linalg.lstsq(np.stack([cos, sin], axis=1), lors.s_mm, rcond=None)[0]
        return SourceLine(*map(float, found))
    z = (lors.a_z_mm + lors.b_z_mm) / 2.0
    found = np.linalg.lstsq(np.stack([cos, sin, cos * z, sin * z], axis=1), lors.s_mm, rcond=None)[0]
    return SourceLine(*map(float, found))
