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

    The shape is that of an allowed decay with the Fermi function in the approximation of Bethe and Bacher (Reviews of
    Modern Physics 8, 82, 1936). The decay is first forbidden, so that this is a model of its shape.
    """
    kinetic = (np.arange(STEPS) + 0.5) * ENDPOINT_KEV / STEPS
    total = kinetic / ELECTRON_KEV + 1
    momentum = np.sqrt(total**2 - 1)
    charge = FINE_STRUCTURE * DAUGHTER_CHARGE
    eta = 2 * math.pi * charge * total / momentum
    fermi = eta / -np.expm1(-eta) * (total**2 * (1 + 4 * charge**2) - 1) ** (math.sqrt(1 - charge**2) - 1)
    density = momentum * total * (ENDPOINT_KEV - kinetic) ** 2 * fermi
    cumulative = np.concatenate([[0.0], np.cumsum(density)])
    edges = np.arange(STEPS + 1) * ENDPOINT_KEV / STEPS
    return np.interp(np.linspace(0.0, 1.0, 257), cumulative / cumulative[-1], edges)
