"""Rates of pairs of a Poisson stream against closed forms, with fixed seeds, |z| < 4."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from daq.model.coincidence import PairingRule, Policy
from daq.model.scanner import Ring
from daq.pipeline.pairing import Pairer

RING = Ring(
    radius_mm=50.0, rings=3, detectors_per_ring=16, axial_pitch_mm=4.0, module_detectors=2, module_rings=3, sectors=8,
    minimum_sector_difference=2,
)  # fmt: skip
DETECTORS = RING.highest_detector + 1
W_PS, D_PS, T_PS = 5_000, 100_000, 20 * 10**9
MEAN_SINGLES = 250_000
RULE = PairingRule(half_window_ps=W_PS, delay_ps=D_PS, ring=RING, max_ring_difference=1)


def rates_per_ps() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the rate of each detector: one is three times as busy as another."""
    weight = 1.0 + 2.0 * np.arange(DETECTORS) / (DETECTORS - 1)
    return np.asarray(weight / weight.sum() * MEAN_SINGLES / T_PS)


def allowed() -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which two detectors may pair [detectors, detectors]."""
    ring, crystal = np.divmod(np.arange(DETECTORS), RING.detectors_per_ring)
    sector = crystal // (RING.detectors_per_ring // RING.sectors)
    apart = np.abs(sector[:, None] - sector[None, :])
    apart = np.minimum(apart, RING.sectors - apart)
    return np.asarray((apart >= 2) & (np.abs(ring[:, None] - ring[None, :]) <= 1))


def counts_of(policy: Policy, seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    singles = rng.poisson(MEAN_SINGLES)
    columns = {
        "time_ps": np.sort(rng.integers(0, T_PS, singles)),
        "detector": rng.choice(DETECTORS, singles, p=rates_per_ps() / rates_per_ps().sum()).astype(np.uint32),
        "energy_kev": rng.normal(511.0, 30.0, singles).astype(np.float32),
    }
    pairer = Pairer(RULE.model_copy(update={"policy": policy}))
    for part in range(0, singles, 10_000):
        pairer.push({name: column[part : part + 10_000] for name, column in columns.items()})
    pairer.flush()
    return pairer.counts


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_prompts_of_random_singles_are_two_w_times_the_sum_over_allowed_pairs(seed: int) -> None:
    """Two W T times the sum of S_i S_j; its variance has a second term, for pairs that share a single."""
    rates = rates_per_ps()
    partners = allowed() @ rates
    randoms = W_PS * T_PS * float(rates @ partners)  # the sum over both orders of a pair is twice that over pairs
    variance = randoms + T_PS * float(rates @ (2 * W_PS * partners) ** 2)

    counts = counts_of(Policy.TAKE_ALL_GOODS, seed)

    assert randoms > 7_000
    assert abs(counts["prompts"] - randoms) / variance**0.5 < 4
    assert abs(counts["delayeds"] - randoms * (T_PS - D_PS) / T_PS) / variance**0.5 < 4


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_delayeds_equal_randoms_under_take_all_goods(seed: int) -> None:
    counts = counts_of(Policy.TAKE_ALL_GOODS, seed)

    difference = counts["prompts"] - counts["delayeds"]

    assert abs(difference) / (counts["prompts"] + counts["delayeds"]) ** 0.5 < 4


@pytest.mark.parametrize(("policy", "seed"), [(Policy.KILL_ALL, 1), (Policy.KEEP_IF_ALL_ARE_GOODS, 2)])
def test_killing_multiples_leaves_windows_of_one_partner(policy: Policy, seed: int) -> None:
    """An opener keeps its pair when no further single of another detector comes within W: a factor exp(-W S)."""
    rates = rates_per_ps()
    alone = np.exp(-W_PS * (rates.sum() - rates))
    expected = W_PS * T_PS * float(rates @ (allowed() @ rates * alone))

    counts = counts_of(policy, seed)

    assert abs(counts["prompts"] - expected) / (1.2 * expected) ** 0.5 < 4
    assert abs(counts["delayeds"] - expected) / (1.2 * expected) ** 0.5 < 4
    assert 0.9 < expected / (W_PS * T_PS * float(rates @ allowed() @ rates)) < 0.95
