"""Block by block what a daily scan shows: efficiencies, dead, silent and noisy blocks, planes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.qc.pet.efficiency import DEAD_SHARE, Efficiencies, efficiencies
from daq.qc.pet.ringmap import Floats, Ints, RingMap
from daq.qc.pet.tally import PairTally

NOISY_TIMES = 2.0
"""A block with more than so many times the rate of the middle one of its row is noisy."""
SILENT_QUANTILE = 0.9
_OF_NOISE = 5.0


def crystal_efficiencies(tally: PairTally) -> Efficiencies:
    """Return the efficiencies of crystals, [rings, places around]; raise what `efficiencies` raises."""
    of = tally.ring
    return efficiencies(
        of.grid(tally.net_crystals), of.grid(tally.crystals.sum(axis=0)), of.grid(of.real).astype(np.bool_),
        by_planes=np.asarray(tally.planes[0] - tally.planes[1], np.float64),
        by_places=np.asarray(tally.places[0] - tally.places[1], np.float64),
    )  # fmt: skip


def block_efficiencies(tally: PairTally) -> Efficiencies:
    """Return the efficiencies of blocks, [rows, places around]; raise what `efficiencies` raises."""
    of = tally.ring
    net, shape = tally.net_blocks.astype(np.float64), (of.rows, of.per_turn)
    low, high = np.triu_indices(of.blocks, 1)
    rows = np.abs(low // of.per_turn - high // of.per_turn)
    places = np.abs(low % of.per_turn - high % of.per_turn)
    places = np.minimum(places, of.per_turn - places)
    return efficiencies(
        net.sum(axis=1).reshape(shape), of.of_blocks(tally.crystals.sum(axis=0)).reshape(shape),
        np.ones(shape, np.bool_), by_planes=np.bincount(rows, net[low, high], minlength=of.rows).astype(np.float64),
        by_places=np.bincount(places, net[low, high], minlength=of.per_turn // 2 + 1).astype(np.float64),
    )  # fmt: skip


def misfit(tally: PairTally, found: Efficiencies) -> float:
    """Return chi-squared per degree of freedom of pairs of blocks against the model; NaN with no pair to judge by.

    Near 1 counting alone explains what is left; a cylinder off the axis, short or uneven makes more.
    """
    net, both = tally.net_blocks, tally.blocks.sum(axis=0)
    low, high = np.triu_indices(tally.ring.blocks, 1)
    per_turn = tally.ring.per_turn
    expected = np.stack([found.expected(at // per_turn, at % per_turn).ravel() for at in range(tally.ring.blocks)])
    variance = both[low, high].astype(np.float64)
    some = variance >= 25.0  # noqa: PLR2004 - Poisson is near normal from there
    if not some.any():
        return float("nan")
    left = (net[low, high] - expected[low, high])[some]
    freedom = max(int(some.sum()) - tally.ring.blocks, 1)
    return float((left**2 / variance[some]).sum() / freedom)


@dataclass(frozen=True, slots=True, eq=False)
class Silent:
    """Which blocks see nothing, by `rate` [blocks], and how many that is of all."""

    blocks: tuple[int, ...]
    share: float


def silent(rate: Floats, of: RingMap) -> Silent:
    """Return the blocks whose rate is below a tenth of the brighter ones of their row.

    The brighter ones are at nine tenths of the order, not in the middle: of a ring with a silent half the middle block
    is one that is silent.
    """
    rows = rate.reshape(of.rows, of.per_turn)
    bright = np.fmax(np.quantile(rows, SILENT_QUANTILE, axis=1), np.quantile(rows, SILENT_QUANTILE) / 2.0)
    found = np.flatnonzero((rows < DEAD_SHARE * np.maximum(bright, 1e-12)[:, None]).ravel())
    return Silent(tuple(found.tolist()), len(found) / of.blocks)


def noisy(rate: Floats, counts: Floats, of: RingMap) -> tuple[int, ...]:
    """Return the blocks with more than twice the rate of the middle one of their row, by more than noise makes."""
    rows = rate.reshape(of.rows, of.per_turn)
    middle = np.repeat(np.median(rows, axis=1), of.per_turn)
    with np.errstate(divide="ignore", invalid="ignore"):
        above = (rate - NOISY_TIMES * middle) * np.where(rate > 0.0, counts / rate, 0.0)
    return tuple(np.flatnonzero(above > _OF_NOISE * np.sqrt(np.maximum(counts, 1.0))).tolist())


def planes(found: Efficiencies, fans: Floats, scatter: Floats, real: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return by ring of crystals the mean efficiency of those that live, and its noise; mean of all planes 1."""
    live = real & ~found.dead
    count = live.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(count > 0, (found.value * live).sum(axis=1) / count, np.nan)
        noise = np.sqrt((scatter * live).sum(axis=1)) / (fans * live).sum(axis=1) * mean
    scale = np.nanmean(mean)
    return np.asarray(mean / scale), np.asarray(noise / scale)


def by_position(found: Efficiencies, of: RingMap) -> Floats:
    """Return the mean efficiency of crystals by their place within a block, float64 [rings, positions of a block].

    Over all blocks, those that are dead left out, their mean 1; NaN where there is a gap.
    """
    ring = of.ring
    live = of.grid(of.real).astype(np.bool_) & ~found.dead
    whole = of.rows * ring.module_rings
    value, weight = (np.zeros((whole, ring.detectors_per_ring)) for _ in range(2))
    value[: ring.rings], weight[: ring.rings] = np.where(live, found.value, 0.0), live
    shape = (of.rows, ring.module_rings, of.per_turn, ring.module_detectors)
    sums, counts = (each.reshape(shape).sum(axis=(0, 2)) for each in (value, weight))
    mean = np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)
    return np.asarray(mean / np.nanmean(mean))


def spread_percent(found: Efficiencies, real: npt.NDArray[np.bool_]) -> float:
    """Return the standard deviation of live crystals' efficiencies in per cent, that of counting taken off."""
    live = real & ~found.dead & (found.value > 0.0)
    variance = float(found.value[live].var()) - float((found.noise[live] ** 2).mean())
    return 100.0 * float(np.sqrt(max(variance, 0.0))) / float(found.value[live].mean())


def weak_blocks(dead: npt.NDArray[np.bool_], of: RingMap, *, share: float = 0.25) -> Ints:
    """Return the blocks of which more than that share of crystals is dead."""
    flat = np.zeros(of.size)
    at = of.detectors
    flat[at] = dead[of.plane[at], of.around[at]]
    return np.flatnonzero(of.of_blocks(flat) > share * of.of_blocks(of.real))
