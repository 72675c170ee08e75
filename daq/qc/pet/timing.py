"""Time offsets and widths of blocks and crystals by coincidences of a cylinder or line in the middle of the ring.

t_b - t_a = o_b - o_a + what flight makes. Least squares over all pairs, the mean of all offsets being 0, is their
maximum-likelihood estimate (PET timing by least squares, solved iteratively for 13,824 crystals of a GE Discovery 690
by 5 M pairs: abstract of Robust Timing Calibration for PET Using L1-Norm Minimization, IEEE Trans Med Imaging, read).
Randoms are taken off as delayeds, or lie evenly on both sides within what is looked at.

Flight: an emission lies anywhere on its line within the cylinder, evenly about the place nearest to its axis; so the
mean difference is that of this place, 0 for a cylinder in the middle, and the spread is a box. Width is fitted as the
box of each line with a Gaussian over it, so that it is that of the detectors alone. c t / 2 is the way: 0.15 mm / ps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erf

from daq.errors import RefusedError
from daq.qc.pet.kernels import LIGHT_MM_PER_PS, curvature, normal_times, window_moments
from daq.qc.pet.ringmap import Floats, RingMap
from daq.qc.pet.tally import FLIGHT_BINS, TimeTally

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
_ROUNDS = 6
_REACH_SIGMA = 3.0
_SIGMAS_PS = np.geomspace(15.0, 1500.0, 185)
"""Steps of 2.5 %; between them a parabola."""
_SURE = 0.5
"""A width that is less sure than by that share of it is none."""
_FEWEST = 30
"""Trues of a block for an offset."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockTimes:
    """Times by block, float64 [blocks], NaN where there are too few counts.

    `offset_ps` (mean 0); `width_ps`: FWHM of differences with the block in them, flight taken off; noises of both.
    `ctr_ps`, `ctr_noise_ps`: of all; `measured_ps`: with flight. `axis_ps`, `curve`: all differences, aligned.
    """

    offset_ps: Floats
    offset_noise_ps: Floats
    width_ps: Floats
    width_noise_ps: Floats
    trues: Floats
    ctr_ps: float
    ctr_noise_ps: float
    measured_ps: float
    axis_ps: Floats
    curve: Floats


def block_times(tally: TimeTally, centre_mm: tuple[float, float] = (0.0, 0.0)) -> BlockTimes:
    """Return offsets and widths of blocks; the cylinder's middle is at `centre_mm`.

    Raises `RefusedError` where there are no trues within what is looked at.
    """
    low, high = tally.pairs
    flight = flight_ps(tally.ring, centre_mm)[low, high]
    randoms = tally.delayeds[low, high] / tally.times.shape[1]
    blocks = tally.ring.blocks
    offset, noise, trues = np.zeros(blocks), np.full(blocks, np.nan), np.zeros(blocks)
    within = tally.reach_ps
    for _ in range(_ROUNDS):
        sums, counts, sigma, scatter = _pair_sums(tally, offset[high] - offset[low] + flight, within, randoms)
        step, noise, trues = _solved(low, high, sums, counts, scatter, blocks)
        offset = offset + np.nan_to_num(step)
        within = min(_longest_ps(tally) + _REACH_SIGMA * max(sigma / 2.0, tally.bin_ps), tally.reach_ps)
    offset = np.where(np.isfinite(noise), offset, np.nan)
    aligned = _aligned(tally.times, (np.nan_to_num(offset[high] - offset[low]) + flight) / tally.bin_ps)
    each, spread = _by_block(low, high, aligned, randoms, blocks)
    shapes = _shapes(tally)
    width, width_noise = _widths(tally, shapes, each, spread, within)
    whole, whole_spread = each.sum(axis=0) / 2.0, spread.sum(axis=0) / 2.0
    ctr, ctr_noise = _widths(tally, shapes, whole[None, :], whole_spread[None, :], within)
    known = np.isfinite(offset)
    return BlockTimes(
        offset, noise, np.where(known, width, np.nan), np.where(known, width_noise, np.nan), trues, float(ctr[0]),
        float(ctr_noise[0]), _full_width(tally.axis_ps, whole), tally.axis_ps, whole,
    )  # fmt: skip


def width_as_it_is(tally: TimeTally, centre_mm: tuple[float, float] = (0.0, 0.0)) -> tuple[float, float]:
    """Return the FWHM of all differences, flight taken off and nothing aligned, and its noise; NaN without one."""
    low, high = tally.pairs
    aligned = _aligned(tally.times, flight_ps(tally.ring, centre_mm)[low, high] / tally.bin_ps)
    whole = aligned.sum(axis=0).astype(np.float64)
    randoms = float(tally.delayeds.sum()) / tally.times.shape[1]
    spread = np.maximum(whole, 0.0) + 2.0 * randoms + 1.0
    width, noise = _widths(tally, _shapes(tally), whole[None, :], spread[None, :], tally.reach_ps)
    return float(width[0]), float(noise[0])


def flight_ps(ring: RingMap, centre_mm: tuple[float, float]) -> Floats:
    """Return how much later the second of two blocks is on average for a cylinder at `centre_mm`, float64 [B, B].

    -2 c . u / C, with u from the first to the second across the axis; lines are taken as not steep.
    """
    at = ring.block_centres_mm()
    way = at[None, :, :] - at[:, None, :]
    length = np.hypot(way[..., 0], way[..., 1])
    along = (way @ np.asarray(centre_mm, np.float64)) / np.where(length > 0.0, length, np.inf)
    return np.asarray(-2.0 * along / LIGHT_MM_PER_PS)


def _longest_ps(tally: TimeTally) -> float:
    """Return half the difference that flight through a diameter makes, or the bin."""
    return max(2.0 * tally.radius_mm / LIGHT_MM_PER_PS, tally.bin_ps)


def _pair_sums(
    tally: TimeTally, expected: Floats, within: float, randoms: Floats
) -> tuple[Floats, Floats, float, float]:
    """Return by pair the sum of what is left and the net counts; over all the standard deviation, and that of noise.

    The second is larger: randoms and the delayeds that stand against them scatter over all that is looked at.
    """
    moments = np.zeros((len(tally.times), 4))
    window_moments(tally.times, float(tally.axis_ps[0]), tally.bin_ps, expected, within, moments)
    counts, sums, squares, middles = moments.T
    total = float(counts.sum())
    if not total > 0.0:
        raise RefusedError("no more prompts than delayeds within the window of times: no offset can be told")
    variance = max(float(squares.sum()) / total, tally.bin_ps**2 / 12.0)
    return sums, counts, math.sqrt(variance), math.sqrt(variance + 2.0 * float(randoms @ middles) / total)


def _solved(
    low: npt.NDArray[Any], high: npt.NDArray[Any], sums: Floats, counts: Floats, sigma: float, blocks: int
) -> tuple[Floats, Floats, Floats]:
    """Return offsets by least squares, their noise and the counts of each block; NaN for those with too few."""
    weight = np.maximum(counts, 0.0)
    trues = np.zeros(blocks)
    trues += np.bincount(low, weight, minlength=blocks) + np.bincount(high, weight, minlength=blocks)
    matrix = np.zeros((blocks, blocks))
    matrix[low, high] = -weight
    matrix = matrix + matrix.T
    matrix[np.diag_indices(blocks)] = trues
    pull = np.bincount(high, sums, minlength=blocks) - np.bincount(low, sums, minlength=blocks)
    known = np.flatnonzero(trues >= _FEWEST)
    inverse = np.linalg.inv(_mean_zero(matrix[np.ix_(known, known)]))
    offset, noise = np.full(blocks, np.nan), np.full(blocks, np.nan)
    offset[known] = inverse @ pull[known]
    noise[known] = sigma * np.sqrt(np.maximum(np.diag(inverse), 0.0))
    return offset, noise, trues


def _mean_zero(laplacian: Floats) -> Floats:
    """Return the matrix with the constraint of a mean of 0, and a little on its diagonal for parts without pairs."""
    weight = float(np.diag(laplacian).mean()) if len(laplacian) else 0.0
    return np.asarray(laplacian + weight / max(len(laplacian), 1) + 1e-9 * weight * np.eye(len(laplacian)))


def _aligned(times: npt.NDArray[np.int32], shift: Floats) -> npt.NDArray[np.int32]:
    """Return each row moved down by its whole number of bins; what would come from beyond is 0."""
    bins = times.shape[1]
    at = np.arange(bins)[None, :] + np.rint(shift).astype(np.int64)[:, None]
    moved = np.take_along_axis(times, np.clip(at, 0, bins - 1), axis=1)
    return np.where((at >= 0) & (at < bins), moved, 0)


def _by_block(
    low: npt.NDArray[Any], high: npt.NDArray[Any], aligned: npt.NDArray[np.int32], randoms: Floats, blocks: int
) -> tuple[Floats, Floats]:
    """Return the differences with each block in them [blocks, bins], and their variance: net and twice the randoms."""
    from scipy.sparse import csr_matrix

    rows = np.concatenate([low, high])
    columns = np.tile(np.arange(len(low)), 2)
    member = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(blocks, len(low)))
    each = np.asarray(member @ aligned.astype(np.float64))
    return each, np.maximum(each, 0.0) + 2.0 * (member @ randoms)[:, None] + 1.0


def _widths(tally: TimeTally, shapes: Floats, each: Floats, spread: Floats, within: float) -> tuple[Floats, Floats]:
    """Return the FWHM of the Gaussian over the boxes of flight, and its noise, of each row: least chi-squared."""
    used = np.abs(tally.axis_ps) <= within
    shapes, values, weight = shapes[:, used], each[:, used], 1.0 / spread[:, used]
    top = np.maximum(((weight * values) @ shapes.T), 0.0) ** 2 / (weight @ (shapes * shapes).T)
    chi = ((weight * values * values).sum(axis=1))[:, None] - top
    best = np.clip(np.argmin(chi, axis=1), 1, len(_SIGMAS_PS) - 2)
    rows = np.arange(len(best))
    before, at, after = (chi[rows, best + step] for step in (-1, 0, 1))
    bend = before - 2.0 * at + after
    step_log = math.log(_SIGMAS_PS[1] / _SIGMAS_PS[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        move = np.clip((before - after) / (2.0 * bend), -1.0, 1.0)
        relative = np.where(bend > 0.0, step_log * np.sqrt(2.0 / bend), np.nan)
    sigma = _SIGMAS_PS[best] * np.exp(step_log * np.nan_to_num(move))
    inside = (values.sum(axis=1) >= _FEWEST) & (bend > 0.0) & (relative < _SURE)
    width = np.where(inside, FWHM_PER_SIGMA * sigma, np.nan)
    return width, np.asarray(width * relative)


def _shapes(tally: TimeTally) -> Floats:
    """Return what differences look like for each width tried, float64 [widths, bins], by the flights that were seen."""
    share = np.maximum(tally.flights, 0).astype(np.float64)
    if not share.sum() > 0.0:
        share[0] = 1.0
    half = (np.arange(FLIGHT_BINS) + 0.5) * _longest_ps(tally) / (FLIGHT_BINS * 0.8)
    half = np.hypot(half, tally.bin_ps / 2.0)
    wide = math.sqrt(2.0) * _SIGMAS_PS[:, None, None]
    axis = tally.axis_ps[None, None, :]
    box = (erf((axis + half[None, :, None]) / wide) - erf((axis - half[None, :, None]) / wide)) / half[None, :, None]
    return np.asarray((box * (share / share.sum())[None, :, None]).sum(axis=1))


def _full_width(axis: Floats, curve: Floats) -> float:
    """Return the full width at half of the mean of the upper part; NaN where it does not fall to half inside."""
    from daq.qc.peaks import peak_at

    smooth = np.convolve(curve, np.ones(5) / 5.0, mode="same")
    try:
        return peak_at(axis, smooth, int(np.argmax(smooth))).fwhm
    except RefusedError:
        return math.nan


@dataclass(frozen=True, slots=True, eq=False)
class CrystalTimes:
    """Offsets by detector number, float64 [size], NaN with too few counts. `sigma_ps`: of what is left, of `used`."""

    offset_ps: Floats
    noise_ps: Floats
    counts: Floats
    sigma_ps: float
    used: int


def crystal_times(
    first: npt.NDArray[np.uint32], second: npt.NDArray[np.uint32], difference_ps: npt.NDArray[np.float32],
    start_ps: Floats, *, within_ps: float, fewest: float,
) -> CrystalTimes:  # fmt: skip
    """Return the offset of every crystal by least squares over pairs, prompts only.

    `difference_ps` [n]: t_second - t_first less what flight makes on average; `start_ps` [size]: offsets to begin with,
    e.g. those of the blocks. Pairs further than `within_ps` from the offsets found are left out, three times anew.
    Crystals with fewer than `fewest` pairs are NaN. Solved by conjugate gradients, a look at every pair at each step.
    """
    offset = start_ps.astype(np.float64).copy()
    size = len(offset)
    for _ in range(3):
        pull, counts, squares = np.zeros(size), np.zeros(size), np.zeros(2)
        normal_times(first, second, difference_ps, offset, within_ps, pull, counts, squares)
        if not squares[1]:
            raise RefusedError(f"no pair lies within {within_ps:g} ps of the offsets to begin with")
        used = np.abs(difference_ps - (offset[second] - offset[first])) <= within_ps
        offset += _conjugate_gradients(first, second, used, pull, counts)
    sigma = math.sqrt(squares[0] / squares[1])
    seen = counts > 0.0
    offset -= (offset * counts)[seen].sum() / counts[seen].sum() if not seen.any() else offset[seen].mean()
    noise = np.where(seen, sigma / np.sqrt(np.maximum(counts, 1.0)), np.nan)
    return CrystalTimes(np.where(counts >= fewest, offset, np.nan), noise, counts, sigma, int(squares[1]))


def _conjugate_gradients(
    first: npt.NDArray[Any], second: npt.NDArray[Any], used: npt.NDArray[np.bool_], pull: Floats, counts: Floats
) -> Floats:
    """Return the solution of (graph's Laplacian) x = pull, preconditioned by the counts."""
    scale = np.where(counts > 0.0, 1.0 / np.maximum(counts, 1.0), 0.0)
    found = np.zeros_like(pull)
    left, direction = pull.copy(), scale * pull
    energy = float(left @ direction)
    start = energy
    for _ in range(60):
        if energy <= 1e-10 * start or energy == 0.0:
            break
        product = np.zeros_like(pull)
        curvature(first, second, used, direction, product)
        along = energy / float(direction @ product)
        found += along * direction
        left -= along * product
        scaled = scale * left
        energy, before = float(left @ scaled), energy
        direction = scaled + energy / before * direction
    return found
