"""Which crystal of a block an event lies in: a look-up table of the block's flood histogram.

Each crystal is a spot. Spots are found from a grid that the flood's own counts give (a crystal gets about as many as
any other, so ranks of positions are about places in the grid), pulled to the means of what is nearest to them while a
smooth surface over the grid holds them in order, ever less. What is nearest to a spot is its crystal (Voronoi cells).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

from daq.errors import RefusedError, UsageError
from daq.qc.pet.ringmap import Floats

NO_CRYSTAL = -1
SEPARATED = 1.2
"""Peak over valley: two spots of equal height that are 2.6 standard deviations apart have it."""
_HELD = (1.0, 1.0, 0.9, 0.8, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0)
_ORDER = 3
_FEWEST_PER_CRYSTAL = 100
_FAR = 0.9
_SAMPLES = 21


@dataclass(frozen=True, slots=True, eq=False)
class CrystalMap:
    """`table` int16 [rows, columns] of pixels: crystal = row of crystals * n + column; -1 far from all.

    `x`, `y` float64 [m, n]: the spots in pixels, ascending along each axis; `counts` [m, n]; `peak_to_valley` [m, n]:
    the least against its neighbours. `not_separated`, `out_of_order`: numbers of crystals.
    """

    table: npt.NDArray[np.int16]
    x: Floats
    y: Floats
    counts: npt.NDArray[np.int64]
    peak_to_valley: Floats
    not_separated: tuple[int, ...]
    out_of_order: tuple[int, ...]


def crystal_map(flood: npt.NDArray[Any], *, rows: int, columns: int) -> CrystalMap:
    """Return the table of a flood, counts [y, x], of `rows` by `columns` crystals.

    Raises `UsageError` for a grid that is none, `RefusedError` for fewer than 100 counts to a crystal, or fewer than
    three pixels.
    """
    counts = np.asarray(flood, np.float64)
    _require(counts, rows, columns)
    spots = _best([_spots(counts, start) for start in _starts(counts, rows, columns)], counts)
    table, by_crystal = _nearest(counts, spots)
    ratio = _peak_to_valley(counts, spots)
    flat = ratio.ravel()
    return CrystalMap(
        table, spots[..., 0], spots[..., 1], by_crystal, ratio,
        tuple(np.flatnonzero(~(flat >= SEPARATED)).tolist()), _out_of_order(spots),
    )  # fmt: skip


def _require(counts: Floats, rows: int, columns: int) -> None:
    if rows < 2 or columns < 2 or counts.ndim != 2:  # noqa: PLR2004
        raise UsageError(f"a block of {rows} by {columns} crystals: two each way at the least")
    if counts.shape[0] < 3 * rows or counts.shape[1] < 3 * columns:
        raise RefusedError(
            f"a flood of {counts.shape[1]} by {counts.shape[0]} pixels for {columns} by {rows} crystals: three pixels"
            " to a crystal are needed each way"
        )
    if counts.sum() < _FEWEST_PER_CRYSTAL * rows * columns:
        raise RefusedError(
            f"{counts.sum():.0f} counts for {rows * columns} crystals; {_FEWEST_PER_CRYSTAL} for each are needed"
        )


def _starts(counts: Floats, rows: int, columns: int) -> list[Floats]:
    """Return spots [rows, columns, 2] to begin with: by ranks of the counts, of these evened out, and an even grid.

    Ranks follow distortion and go wrong where crystals see very different numbers; the others the other way round.
    """
    scale = (1.5 * counts.shape[0] / rows, 1.5 * counts.shape[1] / columns)
    even = counts / np.maximum(gaussian_filter(counts, scale), 0.05 * counts.mean())
    edges = []
    for axis, size in ((0, columns), (1, rows)):
        share = np.cumsum(counts.sum(axis=axis)) / counts.sum()
        low, high = np.searchsorted(share, (0.005, 0.995))
        edges.append(low + (np.arange(size) + 0.5) / size * (high - low))
    grid = np.stack(np.meshgrid(edges[0], edges[1]), axis=-1)
    return [_by_ranks(counts, rows, columns), _by_ranks(even, rows, columns), grid]


def _by_ranks(counts: Floats, rows: int, columns: int) -> Floats:
    blurred = gaussian_filter(counts, (counts.shape[0] / rows / 2.0, counts.shape[1] / columns / 2.0))
    rank_x = (np.cumsum(blurred, axis=1) - blurred / 2.0) / blurred.sum(axis=1, keepdims=True).clip(1e-9)
    rank_y = (np.cumsum(blurred, axis=0) - blurred / 2.0) / blurred.sum(axis=0, keepdims=True).clip(1e-9)
    at = np.minimum((rank_y * rows).astype(int), rows - 1) * columns + np.minimum(
        (rank_x * columns).astype(int), columns - 1
    )
    return _smooth(_means(counts, at, rows * columns).reshape(rows, columns, 2), 1.0)


def _best(found: list[Floats], counts: Floats) -> Floats:
    """Return the spots that counts are nearest to: least sum of squares of distances."""
    y, x = np.nonzero(counts)
    points = np.stack([x, y], axis=-1)
    squares = [float(counts[y, x] @ cKDTree(each.reshape(-1, 2)).query(points)[0] ** 2) for each in found]
    return found[int(np.argmin(squares))]


def _spots(counts: Floats, spots: Floats) -> Floats:
    """Return the spots pulled to the means of what is nearest to them, held by a smooth surface ever less."""
    y, x = np.nonzero(counts)
    weight = counts[y, x]
    rows, columns = spots.shape[:2]
    points = np.stack([x, y], axis=-1).astype(np.float64)
    for held in _HELD:
        tree = cKDTree(spots.reshape(-1, 2))
        away, nearest = tree.query(points)
        near = away <= _FAR * _pitch(spots).ravel()[nearest]
        found = _weighted(points[near], weight[near], nearest[near], spots.reshape(-1, 2))
        spots = _smooth(found.reshape(rows, columns, 2), held)
    return spots


def _means(counts: Floats, at: npt.NDArray[Any], size: int) -> Floats:
    y, x = np.indices(counts.shape)
    before = np.full((size, 2), np.nan)
    points = np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float64)
    return _weighted(points, counts.ravel(), at.ravel(), before)


def _weighted(points: Floats, weight: Floats, at: npt.NDArray[Any], before: Floats) -> Floats:
    """Return the weighted means of the points of each spot; where it has none, what it was before."""
    size = len(before)
    total = np.bincount(at, weight, minlength=size)
    out = before.copy()
    some = total > 0.0
    for axis in (0, 1):
        out[some, axis] = np.bincount(at, weight * points[:, axis], minlength=size)[some] / total[some]
    return out


def _smooth(spots: Floats, held: float) -> Floats:
    """Return spots moved by the share `held` to a polynomial surface of third order over the grid."""
    if held == 0.0:
        return spots
    rows, columns = spots.shape[:2]
    v, u = np.meshgrid(np.linspace(-1.0, 1.0, rows), np.linspace(-1.0, 1.0, columns), indexing="ij")
    order_u, order_v = min(_ORDER, columns - 1), min(_ORDER, rows - 1)
    terms = np.stack([u**i * v**j for i in range(order_u + 1) for j in range(order_v + 1)], axis=-1)
    terms = terms.reshape(-1, terms.shape[-1])
    flat = spots.reshape(-1, 2)
    known = np.asarray(np.isfinite(flat).all(axis=1))
    surface = terms @ np.linalg.lstsq(terms[known], flat[known], rcond=None)[0]
    return np.where(known[:, None], held * surface + (1.0 - held) * flat, surface).reshape(spots.shape)


def _pitch(spots: Floats) -> Floats:
    """Return the mean distance of each spot from its neighbours, float64 [m, n]."""
    total, count = np.zeros(spots.shape[:2]), np.zeros(spots.shape[:2])
    for axis in (0, 1):
        apart = np.linalg.norm(np.diff(spots, axis=axis), axis=-1)
        for ends in ((slice(None, -1), slice(None)), (slice(1, None), slice(None))):
            at = ends if axis == 0 else ends[::-1]
            total[at] += apart
            count[at] += 1.0
    return np.asarray(total / count)


def _nearest(counts: Floats, spots: Floats) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64]]:
    y, x = np.indices(counts.shape)
    away, nearest = cKDTree(spots.reshape(-1, 2)).query(np.stack([x.ravel(), y.ravel()], axis=-1))
    far = away > 2.0 * _FAR * _pitch(spots).ravel()[nearest]
    size = spots.shape[0] * spots.shape[1]
    by_crystal = np.bincount(nearest[~far], counts.ravel()[~far], minlength=size).astype(np.int64)
    table = np.where(far, NO_CRYSTAL, nearest).astype(np.int16).reshape(counts.shape)
    return table, by_crystal.reshape(spots.shape[:2])


def _peak_to_valley(counts: Floats, spots: Floats) -> Floats:
    """Return for each spot the least of (lower peak of two neighbours) / (valley on the way between them)."""
    smooth = gaussian_filter(counts, max(0.7, float(np.median(_pitch(spots))) / 12.0))
    least = np.full(spots.shape[:2], np.inf)
    along = np.linspace(0.0, 1.0, _SAMPLES)[:, None, None, None]
    for axis in (0, 1):
        low, high = (np.take(spots, range(start, spots.shape[axis] - 1 + start), axis=axis) for start in (0, 1))
        way = low[None] + along * (high - low)[None]
        seen = map_coordinates(smooth, [way[..., 1], way[..., 0]], order=1, mode="nearest")
        quarter = _SAMPLES // 4
        peak = np.minimum(seen[:quarter].max(axis=0), seen[-quarter:].max(axis=0))
        ratio = peak / np.maximum(seen[quarter:-quarter].min(axis=0), 1e-9)
        for start in (0, 1):
            at = [slice(None), slice(None)]
            at[axis] = slice(start, spots.shape[axis] - 1 + start)
            least[tuple(at)] = np.minimum(least[tuple(at)], ratio)
    return least


def _out_of_order(spots: Floats) -> tuple[int, ...]:
    """Return the crystals that do not lie beyond the one before, along x in their row or along y in their column."""
    wrong = np.zeros(spots.shape[:2], np.bool_)
    wrong[:, 1:] |= np.diff(spots[..., 0], axis=1) <= 0.0
    wrong[1:, :] |= np.diff(spots[..., 1], axis=0) <= 0.0
    return tuple(np.flatnonzero(wrong.ravel()).tolist())
