"""Closed forms of coincidences: randoms, delayeds, policies and NECR, simulator and the product's sorter together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from support_pet import (
    Check,
    Pairs,
    counted,
    in_batches,
    pair_acceptance,
    paired,
    single_acceptance,
    small_ring,
)

from daq.model.coincidence import Policy
from daq.model.scanner import Ring, sectors
from simulators.pet.generate import generate
from simulators.pet.model import Detectors, Scan, line, point

BETA = 0.9673
W_PS = 4500
W_S = W_PS / 1e12
DELAY_PS = 100_000
BATCHES = 50


@dataclass(frozen=True)
class Rates:
    """A line source in a ring of 8 modules, each of them a sector, one row of them along the axis.

    A photon's partner goes to the opposite module, if it stays within the ring. Rates are per module and second.
    """

    activity_bq: float
    efficiency: float = 0.6
    dead_ps: int = 0
    length_mm: float = 60.0

    @property
    def n(self) -> float:
        """Photons that a module detects if it is alive: A b 2 g1 e / 8."""
        return self.activity_bq * BETA * 2 * self._mean(single_acceptance) * self.efficiency / 8

    @property
    def c(self) -> float:
        """Decays that two opposite modules share: A b g2 e^2 / 4."""
        return self.activity_bq * BETA * self._mean(pair_acceptance) * self.efficiency**2 / 4

    @property
    def singles(self) -> float:
        return 8 * self.n * math.exp(-self.n * self._tau)

    @property
    def trues(self) -> float:
        """Both modules must have seen nothing for tau: neither what both share nor what one has alone."""
        return 4 * self.c * math.exp(-(2 * self.n - self.c) * self._tau)

    @property
    def randoms(self) -> float:
        """2 W n^2 of every allowed pair, alive. Of 20 allowed pairs of sectors, 2 to 4 apart, 4 are opposite.

        With dead time, a random of opposite modules takes a first decay whose other photon was not detected: it would
        have been in the second module just before.
        """
        alone = math.exp(-2 * self.n * self._tau)
        together = math.exp(-(2 * self.n - self.c) * self._tau) * (1 - (self.c / self.n if self.dead_ps else 0.0))
        return 2 * W_S * self.n**2 * (16 * alone + 4 * together)

    def necr(self, k: int) -> float:
        return self.trues**2 / (self.trues + k * self.randoms)

    def scan(self, seconds: float) -> Scan:
        source = line("F-18", self.activity_bq, self.length_mm)
        detectors = Detectors(efficiency=self.efficiency, dead_time_ps=self.dead_ps, coincidence_fwhm_ps=400.0)
        return Scan(small_ring(module_rings=8), (source,), detectors, seconds=seconds)

    @property
    def _tau(self) -> float:
        return self.dead_ps / 1e12

    def _mean(self, acceptance: Callable[[Ring, float], float]) -> float:
        z = (np.arange(200) + 0.5) / 200 * self.length_mm - self.length_mm / 2
        return float(np.mean([acceptance(small_ring(), value) for value in z]))


def by_batch(pairs: Pairs, chosen: np.ndarray, seconds: float) -> np.ndarray:
    edges = np.linspace(0, seconds * 1e12, BATCHES + 1)
    return np.histogram(pairs.time_ps[chosen], edges)[0].astype(np.float64)


def scanned(rates: Rates, seconds: float, seed: int, policy: Policy = Policy.TAKE_ALL_GOODS) -> Pairs:
    photons = generate(rates.scan(seconds), seed)
    return paired(photons, small_ring(), half_window_ps=W_PS, delay_ps=DELAY_PS, policy=policy)


def randoms(scale: float) -> list[Check]:
    """2 W S_i S_j for each allowed pair of sectors and in total; delayeds have the same mean."""
    rates, seconds = Rates(2e7), 0.05 * scale
    pairs = scanned(rates, seconds, 201)
    prompts, found = pairs.is_prompt, pairs.randoms()
    total = in_batches("randoms in total", by_batch(pairs, found, seconds), rates.randoms * seconds)
    checks = [
        in_batches("trues", by_batch(pairs, prompts & ~pairs.is_random, seconds), rates.trues * seconds),
        total,
        in_batches("delayeds in total", by_batch(pairs, ~prompts, seconds), rates.randoms * seconds),
    ]
    difference = by_batch(pairs, ~prompts, seconds) - by_batch(pairs, found, seconds)
    checks.append(in_batches("delayeds less randoms", difference, 0.0))
    sector = [sectors(small_ring(), numbers[found]) for numbers in (pairs.detector_a, pairs.detector_b)]
    low, high = np.minimum(*sector), np.maximum(*sector)
    each = 2 * W_S * rates.n**2 * seconds
    for a in range(8):
        for b in range(a + 1, 8):
            got = int(np.count_nonzero((low == a) & (high == b)))
            if min(b - a, 8 - b + a) >= 2:
                checks.append(counted(f"randoms of sectors {a} and {b}", got, each))
            else:
                assert got == 0
    return checks


def wide_window(scale: float) -> list[Check]:
    """Randoms grow with the window: few singles, a wide window."""
    ring = small_ring(module_rings=8)
    seconds, bq, w_s = 0.5 * scale, 3e5, 200e-9
    detectors = Detectors(efficiency=0.05)
    scan = Scan(ring, (point("F-18", bq), point("F-18", 2 * bq)), detectors, seconds=seconds)
    pairs = paired(generate(scan, 211), ring, half_window_ps=round(w_s * 1e12), policy=Policy.TAKE_ALL_GOODS)
    rate = 3 * bq * BETA * 2 * pair_acceptance(ring) * 0.05 / 8
    expected = 2 * w_s * rate**2 * 20 * seconds
    return [in_batches("randoms of a window of 200 ns", by_batch(pairs, pairs.randoms(), seconds), expected)]


def policies(scale: float) -> list[tuple[Policy, int, int, int]]:
    """Trues, randoms and delayeds of every policy on the same singles."""
    photons = generate(Rates(3e7).scan(0.02 * scale), 221)
    rows = []
    for policy in Policy:
        pairs = paired(photons, small_ring(), half_window_ps=W_PS, delay_ps=DELAY_PS, policy=policy)
        trues = int(np.count_nonzero(pairs.is_prompt & ~pairs.is_random))
        rows.append((policy, trues, int(pairs.randoms().sum()), int(np.count_nonzero(~pairs.is_prompt))))
    return rows


NECR_LOADS = (0.05, 0.15, 0.3, 0.6, 1.0, 1.5)
"""n tau of a module."""


def necr(scale: float, k: int) -> tuple[list[Check], list[float]]:
    """T^2 / (T + k R) of a line source without scatter, activity after activity; also the curve that is expected."""
    checks, curve = [], []
    for load in NECR_LOADS:
        dead_ps = 500_000
        rates = Rates(load / dead_ps * 1e12 / Rates(1.0).n, dead_ps=dead_ps)
        seconds = 8e5 * scale / (8 * rates.n)
        pairs = scanned(rates, seconds, 231)
        t = int(np.count_nonzero(pairs.is_prompt & ~pairs.is_random)) / seconds
        r = int(pairs.randoms().sum()) / seconds
        got, curve_value = t**2 / (t + k * r), rates.necr(k)
        curve.append(curve_value)
        by_t = (t * (t + 2 * k * r)) / (t + k * r) ** 2 * math.sqrt(t / seconds)
        by_r = k * t**2 / (t + k * r) ** 2 * math.sqrt(r / seconds)
        checks += [
            counted(f"trues with n tau = {load}", t * seconds, rates.trues * seconds),
            counted(f"randoms with n tau = {load}", r * seconds, rates.randoms * seconds, 1.1),
            Check(f"NECR, k = {k}, with n tau = {load}", got, curve_value, math.hypot(by_t, by_r)),
        ]
    return checks, curve
