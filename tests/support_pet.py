"""Rings, pairs and z values for tests of the PET simulator, and the closed forms it is held against."""

from __future__ import annotations

import json
from functools import cache

from daq.model.scanner import Ring
from device_profiles.scanners import load_scanner

LIGHT_MM_PER_PS = 0.299792458


@cache
def reference_ring() -> Ring:
    ring = load_scanner("reference-ring").ring
    assert ring is not None
    return ring


@cache
def small_ring() -> Ring:
    """A ring of 16 modules of 5 by 4 crystals, for what needs high rates in each."""
    numbers = {
        "radius_mm": 100.0, "interaction_depth_mm": 5.0, "rings": 8, "detectors_per_ring": 40, "axial_pitch_mm": 10.0,
        "module_detectors": 5, "module_rings": 4, "sectors": 8, "minimum_sector_difference": 2,
    }  # fmt: skip
    return Ring.model_validate_json(json.dumps(numbers))
