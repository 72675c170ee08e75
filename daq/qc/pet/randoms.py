"""Randoms by the rates of singles: 2 W S_i S_j for every pair that may be paired, W the half width of the window."""

from __future__ import annotations

import numpy as np

from daq.model.scanner import sectors
from daq.qc.pet.ringmap import Floats, RingMap


def randoms_cps(
    singles_cps: Floats, of: RingMap, *, half_window_ps: float, minimum_sector_difference: int | None = None,
    max_ring_difference: int | None = None,
) -> float:  # fmt: skip
    """Return the randoms a second of singles a second by detector number [size], of those in the energy window.

    Expected is the same of delayeds under `takeAllGoods`, singles of true pairs and dead time included; other policies
    leave more of them or fewer (docs/explanations/coincidences.md). Rates that change within the time looked at make
    delayeds more than this: the mean of a product is more than the product of means.
    """
    ring = of.ring
    at = of.detectors
    rates = np.zeros((ring.rings, ring.sectors))
    np.add.at(rates, (of.plane[at], sectors(ring, at.astype(np.uint32))), np.asarray(singles_cps, np.float64)[at])
    straight = np.abs(np.subtract.outer(np.arange(ring.sectors), np.arange(ring.sectors)))
    least = ring.minimum_sector_difference if minimum_sector_difference is None else minimum_sector_difference
    allowed = np.minimum(straight, ring.sectors - straight) >= least
    apart = np.abs(np.subtract.outer(np.arange(ring.rings), np.arange(ring.rings)))
    near = apart <= (ring.rings if max_ring_difference is None else max_ring_difference)
    pairs = float((rates * (near @ rates @ allowed)).sum())
    if least == 0:
        own = np.bincount(at, np.asarray(singles_cps, np.float64)[at] ** 2).sum()
        pairs -= float(own)
    return half_window_ps * 1e-12 * pairs
