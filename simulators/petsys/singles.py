"""Singles for a front end: when, in which detector, with what energy. Vectorised, the same ones for the same seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PHOTOPEAK_KEV = 511.0
_PEAK_SHARE = 0.35
_FWHM_SHARE = 0.11
_SIGMAS_IN_FWHM = 2.3548200450309493
_COMPTON_EDGE_KEV = 340.7
"""Most that one Compton scattering of a 511 keV photon leaves: 511 * 2 / 3."""
_THRESHOLD_KEV = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Singles:
    """Columns of the same length: `time_ps` int64 ascending, `detector` int64, `energy_kev` float32.

    They repeat after `length_ps`.
    """

    time_ps: npt.NDArray[np.int64]
    detector: npt.NDArray[np.int64]
    energy_kev: npt.NDArray[np.float32]
    length_ps: int

    def within(self, first: int, count: int) -> Singles:
        """Return those of `count` detectors from `first` on, numbered from 0."""
        own = (self.detector >= first) & (self.detector < first + count)
        return Singles(self.time_ps[own], self.detector[own] - first, self.energy_kev[own], self.length_ps)


def poisson_singles(rate_cps: float, detectors: int, length_ps: int, seed: int) -> Singles:
    """Return a Poisson process of `rate_cps`, all detectors alike: a photopeak on a flat Compton continuum."""
    rng = np.random.default_rng(seed)
    count = int(rng.poisson(rate_cps * length_ps * 1e-12))
    time_ps = rng.integers(0, length_ps, count)
    time_ps.sort()
    detector = rng.integers(0, detectors, count)
    energy = rng.uniform(_THRESHOLD_KEV, _COMPTON_EDGE_KEV, count).astype(np.float32)
    peak = np.flatnonzero(rng.random(count) < _PEAK_SHARE)
    sigma_kev = _FWHM_SHARE * PHOTOPEAK_KEV / _SIGMAS_IN_FWHM
    energy[peak] = rng.normal(PHOTOPEAK_KEV, sigma_kev, len(peak)).astype(np.float32)
    return Singles(time_ps, detector, energy, length_ps)
