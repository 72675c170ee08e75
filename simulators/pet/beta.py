"""Energies of the electrons of Lu-176, the background of LSO and LYSO crystals."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from simulators.pet.model import ELECTRON_KEV

ENDPOINT_KEV = 596.0
"""Of the branch of 99.6 % to the level at 597 keV (ENSDF)."""
DAUGHTER_CHARGE = 72
FINE_STRUCTURE = 1 / 137.036
STEPS = 4096


@cache
def lutetium_electrons_kev() -> npt.NDArray[np.float64]:
    """Return electron energies in keV at equal steps of their cumulative distribution, float64 [257].

    The shape is that of an allowed decay with the Fermi function of a point charge without its relativistic part; the
    decay is first forbidden, so the shape is a model. Its mean comes out near the 182 keV that is tabulated.
    """
    kinetic = (np.arange(STEPS) + 0.5) * ENDPOINT_KEV / STEPS
    total = kinetic + ELECTRON_KEV
    momentum = np.sqrt(kinetic * (kinetic + 2 * ELECTRON_KEV))
    eta = 2 * math.pi * FINE_STRUCTURE * DAUGHTER_CHARGE * total / momentum
    density = momentum * total * (ENDPOINT_KEV - kinetic) ** 2 * eta / -np.expm1(-eta)
    cumulative = np.concatenate([[0.0], np.cumsum(density)])
    edges = np.arange(STEPS + 1) * ENDPOINT_KEV / STEPS
    return np.interp(np.linspace(0.0, 1.0, 257), cumulative / cumulative[-1], edges)
