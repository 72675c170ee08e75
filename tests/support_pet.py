"""Rings, pairs and z values for tests of the PET simulator."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from daq.model.coincidence import PairingRule, Policy
from daq.model.events import DELAYED, PROMPT
from daq.model.scanner import Ring
from daq.pipeline.pairing import Pairer
from device_profiles.scanners import load_scanner
from simulators.pet.generate import Photons

LIGHT_MM_PER_PS = 0.299792458
DECAYS_IN_ENERGY = 1 << 24
"""Whole numbers that a float32 holds."""


@dataclass(frozen=True)
class Check:
    """One number against its closed form; `sigma` is the standard deviation of `observed`."""

    name: str
    observed: float
    expected: float
    sigma: float

    @property
    def z(self) -> float:
        return (self.observed - self.expected) / self.sigma

    def __str__(self) -> str:
        return f"{self.name:62} {self.observed:14.7g} {self.expected:14.7g}  z {self.z:+5.2f}"


def counted(name: str, observed: float, expected: float, variance_per_mean: float = 1.0) -> Check:
    return Check(name, observed, expected, math.sqrt(expected * variance_per_mean))


def share(name: str, hits: int, trials: int, chance: float) -> Check:
    return Check(name, hits / trials, chance, math.sqrt(chance * (1 - chance) / trials))


def window_share(low: float, high: float, mean: float, sigma: float) -> float:
    """Return the share of normal values between two limits."""
    return (math.erf((high - mean) / sigma / math.sqrt(2)) - math.erf((low - mean) / sigma / math.sqrt(2))) / 2


def in_batches(name: str, counts: np.ndarray, expected: float) -> Check:
    """The sum of the counts of equal stretches of time, whose spread says how far off the sum may be."""
    return Check(name, float(counts.sum()), expected, float(counts.std(ddof=1)) * math.sqrt(len(counts)))


@cache
def reference_ring() -> Ring:
    ring = load_scanner("reference-ring").ring
    assert ring is not None
    return ring


@cache
def small_ring(module_rings: int = 4) -> Ring:
    """A ring of 8 modules around, one or two along the axis, for what needs high rates in each."""
    numbers = {
        "radius_mm": 100.0, "interaction_depth_mm": 5.0, "rings": 8, "detectors_per_ring": 40, "axial_pitch_mm": 10.0,
        "module_detectors": 5, "module_rings": module_rings, "sectors": 8, "minimum_sector_difference": 2,
    }  # fmt: skip
    return Ring.model_validate_json(json.dumps(numbers))


def radius_mm(ring: Ring) -> float:
    return ring.radius_mm + ring.interaction_depth_mm


def half_length_mm(ring: Ring) -> float:
    return ring.rings * ring.axial_pitch_mm / 2


def pair_acceptance(ring: Ring, z_mm: float = 0.0) -> float:
    """The chance that both photons of a point on the axis meet the ring."""
    reach = max(half_length_mm(ring) - abs(z_mm), 0.0)
    return reach / math.hypot(radius_mm(ring), reach)


def single_acceptance(ring: Ring, z_mm: float = 0.0) -> float:
    """The chance that one photon of a point on the axis meets the ring."""
    ends = [half_length_mm(ring) - z_mm, half_length_mm(ring) + z_mm]
    return sum(end / math.hypot(radius_mm(ring), end) for end in ends) / 2


def true_pairs(photons: Photons) -> tuple[Photons, Photons]:
    """The annihilation photons of decays of which both were recorded, photon 0 and photon 1."""
    photons = photons.rows(photons.photon < 2)
    photons = photons.rows(np.lexsort((photons.photon, photons.decay)))
    first = np.flatnonzero(np.diff(photons.decay) == 0)
    return photons.rows(first), photons.rows(first + 1)


@dataclass(frozen=True)
class Pairs:
    """Coincidences with the truth: `is_random` where the two singles are of different decays."""

    time_ps: np.ndarray
    detector_a: np.ndarray
    detector_b: np.ndarray
    is_prompt: np.ndarray
    is_random: np.ndarray
    counts: dict[str, int]

    def randoms(self) -> np.ndarray:
        return self.is_prompt & self.is_random


def paired(photons: Photons, ring: Ring, **settings: Any) -> Pairs:
    """Pair singles by the product; their decays travel in the place of energies, which no rule here looks at."""
    assert photons.decay.max() - photons.decay.min() < DECAYS_IN_ENERGY
    rule = PairingRule(ring=ring, **settings)
    pairer = Pairer(rule)
    numbers = (photons.decay - photons.decay.min()).astype(np.float32)
    blocks = [
        pairer.push({"time_ps": photons.time_ps, "detector": photons.detector, "energy_kev": numbers}),
        pairer.flush(),
    ]
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    is_random = columns["energy_a_kev"] != columns["energy_b_kev"]
    assert set(np.unique(columns["kind"]).tolist()) <= {PROMPT, DELAYED}
    return Pairs(
        columns["time_ps"], columns["detector_a"], columns["detector_b"], columns["kind"] == PROMPT, is_random,
        pairer.counts,
    )  # fmt: skip


POLICIES = tuple(Policy)
