"""Coincidences of line and point sources in a small ring, drawn line by line of response: truth is exact."""

from __future__ import annotations

import json
from functools import cache

import numpy as np

from daq.model.scanner import Ring
from daq.qc.pet.nemalines import LIGHT_MM_PER_PS, Lors, LorTable

FWHM_PER_SIGMA = 2.354820045


@cache
def ring(rings: int = 8) -> Ring:
    told = {
        "radius_mm": 300.0, "interaction_depth_mm": 5.0, "rings": rings, "detectors_per_ring": 384,
        "axial_pitch_mm": 5.0, "module_detectors": 8, "module_rings": 4, "sectors": 48, "minimum_sector_difference": 8,
    }  # fmt: skip
    return Ring.model_validate_json(json.dumps(told))


@cache
def table(rings: int = 8) -> LorTable:
    return LorTable(ring(rings))


@cache
def lines_in_plane() -> tuple[np.ndarray, np.ndarray, Lors]:
    """Every pair of crystals that face each other, and their line."""
    one = ring()
    i, j = np.triu_indices(one.detectors_per_ring, 64)
    kept = j - i <= one.detectors_per_ring - 64
    i, j = i[kept], j[kept]
    return i, j, table().lors(i, j)


def drawn(rng: np.random.Generator, rows: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of detectors: crystals by the weights of their lines, rings at random."""
    i, j, _ = lines_in_plane()
    at = rng.choice(len(i), rows, p=weights / weights.sum())
    rings = rng.integers(0, ring().rings, (2, rows))
    return i[at] + rings[0] * ring().ring_step, j[at] + rings[1] * ring().ring_step


def line_weights(x_mm: float, y_mm: float, fwhm_mm: float = 5.0) -> np.ndarray:
    """A line along the axis, blurred by a Gaussian."""
    away = lines_in_plane()[2].away_mm(x_mm, y_mm)
    return np.exp(-0.5 * (away * FWHM_PER_SIGMA / fwhm_mm) ** 2)


def scatter_weights() -> np.ndarray:
    """Scatter, even in distance over what the standard looks at."""
    return (np.abs(lines_in_plane()[2].s_mm) <= 150.0).astype(np.float64)


def flight_ps(lors: Lors, x_mm: float, y_mm: float) -> np.ndarray:
    """t_b - t_a of photons from (x, y) of lines within a plane."""
    at = lors.along_mm(x_mm, y_mm)
    return ((lors.b_along_mm - at) - (at - lors.a_along_mm)) / LIGHT_MM_PER_PS
