"""Energy: spectra, resolution by NEMA NU 1, and where a photopeak is against where it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import LimitError, UsageError
from daq.qc.fields import Floats
from daq.qc.peaks import Peak, peak_near

BIN_KEV = 0.5
"""Below 5 % of the FWHM of a NaI camera at 140 keV would be 0.7 keV."""
NEMA_COUNTS_IN_PEAK = 10_000
"""NEMA NU 1 asks for as many in the highest channel."""
SEARCH = 0.15
"""A photopeak is looked for within this share of the line's energy, above and below."""
FEWEST_IN_PEAK = 1_000
"""Counts between the points of half maximum; the peak is then known to about 1 keV at 10 % resolution."""
_FWHM_PER_SIGMA = 2.3548
_TOP_NOISE = 5.23
"""The top of the parabola is known to that many standard deviations of the peak over the root of its counts:
sqrt(3 sqrt(2 pi) / (2 a^3)) of all N counts of a Gaussian, the parabola reaching a = 0.2 FWHM = 0.47 standard
deviations to both sides; 76.1 % of N lie between the points of half maximum."""
_WIDTH_NOISE = 3.4
"""The same of the width, as a share of it: 3.3 to 3.6 in simulated peaks of 60,000 and 400,000 counts at 140 keV."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Counts by energy: `centres_kev` float64 [bins], evenly spaced, `counts` int64 [bins]."""

    centres_kev: Floats
    counts: npt.NDArray[np.int64]

    @property
    def bin_kev(self) -> float:
        """Return the width of a bin."""
        return float(self.centres_kev[1] - self.centres_kev[0])


def spectrum(energy_kev: npt.NDArray[Any], *, upper_kev: float, bin_kev: float = BIN_KEV) -> Spectrum:
    """Return the spectrum from 0 to `upper_kev`; energies outside, or NaN, are in no bin.

    Bin k is about k * `bin_kev`, so that energies which come in steps of it lie in the middles of bins.
    """
    if not (0 < bin_kev < upper_kev < np.inf):
        raise UsageError(f"a spectrum up to {upper_kev:g} keV in bins of {bin_kev:g} keV is none")
    bins = int(np.ceil(upper_kev / bin_kev))
    at = np.rint(np.asarray(energy_kev, np.float64) / bin_kev)
    at = at[(at >= 0) & (at < bins)].astype(np.int64)
    return Spectrum(np.arange(bins, dtype=np.float64) * bin_kev, np.bincount(at, minlength=bins))


def photopeak(found: Spectrum, line_kev: float, *, search: float = SEARCH) -> Peak:
    """Return the photopeak of a line; raise `RefusedError` where no peak is within `search` (a share) of it."""
    return peak_near(
        found.centres_kev,
        found.counts,
        low=line_kev * (1 - search),
        high=line_kev * (1 + search),
        what="the spectrum",
        unit=" keV",
    )


@dataclass(frozen=True, slots=True)
class Peaked:
    """Where a photopeak was found against where it should be."""

    line_kev: float
    peak: Peak

    @property
    def ratio(self) -> float:
        """Return found over expected; energies divided by it are right."""
        return self.peak.at / self.line_kev

    @property
    def off_percent(self) -> float:
        """Return how far the peak is off, in per cent of the line."""
        return 100.0 * (self.ratio - 1.0)

    @property
    def sigma_percent(self) -> float:
        """Return the statistical uncertainty of `off_percent`, one standard deviation."""
        spread = self.peak.fwhm / _FWHM_PER_SIGMA
        return 100.0 * _TOP_NOISE * spread / float(np.sqrt(max(self.peak.counts, 1.0))) / self.line_kev

    @property
    def fwhm_sigma_percent(self) -> float:
        """Return the statistical uncertainty of `peak.fwhm_percent`, one standard deviation, for bins of `BIN_KEV`."""
        return _WIDTH_NOISE * self.peak.fwhm_percent / float(np.sqrt(max(self.peak.counts, 1.0)))


def peaked(found: Spectrum, line_kev: float, *, search: float = SEARCH) -> Peaked:
    """Return where the photopeak is. Raise `LimitError` for too few counts to say, `RefusedError` without a peak."""
    peak = photopeak(found, line_kev, search=search)
    if peak.counts < FEWEST_IN_PEAK:
        raise LimitError(
            f"the photopeak of {line_kev:g} keV holds {peak.counts:.0f} counts; at least {FEWEST_IN_PEAK} are needed"
        )
    return Peaked(line_kev, peak)


def corrected_within(found: Peaked, limit_percent: float) -> float:
    """Return the ratio to divide energies by. Raise `LimitError` where the peak is further off than the limit.

    A peak that is far off is a fault (high voltage, temperature, another nuclide) which no factor mends.
    """
    if abs(found.off_percent) > limit_percent:
        raise LimitError(
            f"the photopeak is at {found.peak.at:.2f} keV, {found.off_percent:+.2f} % off {found.line_kev:g} keV; "
            f"at most {limit_percent:g} % are corrected: look at high voltage, temperature and nuclide first"
        )
    return found.ratio
