"""Time-of-flight resolution by NEMA NU 2-2018, section 8: how far measured and geometric time differences are apart.

Of every coincidence whose line passes within 20 mm of the line source, the place nearest to the source gives the
difference of flight times; a difference of 1 ps is c / 2 = 0.1499 mm. Randoms (delayeds) and what passes beside the
line (scatter) are taken off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.qc.peaks import Peak, crossing, peak_near
from daq.qc.pet.nemalines import LIGHT_MM_PER_PS, Lors, SourceLine
from daq.qc.pet.nemascatter import STRIP_MM

Floats = npt.NDArray[np.float64]
BIN_PS = 10.0
MM_PER_PS = LIGHT_MM_PER_PS / 2.0
_BESIDE_MM = (20.0, 40.0)
_CENTROID_STEPS = 8


def time_errors_ps(lors: Lors, tof_ps: npt.NDArray[np.integer], line: SourceLine) -> Floats:
    """Return t_b - t_a as measured, less what it is from the place of the source nearest to each line, ps [n]."""
    z = lors.z_mm(lors.along_mm(line.x_mm, line.y_mm))
    at = lors.along_mm(line.x_mm + line.x_slope * z, line.y_mm + line.y_slope * z)
    transaxial = lors.b_along_mm - lors.a_along_mm
    stretched = np.hypot(transaxial, lors.b_z_mm - lors.a_z_mm) / transaxial
    to_a, to_b = (at - lors.a_along_mm) * stretched, (lors.b_along_mm - at) * stretched
    return np.asarray(tof_ps - (to_b - to_a) / LIGHT_MM_PER_PS, np.float64)


class TimeHistogram:
    """Time errors of a frame, bin by bin: on the line and beside it, prompts less delayeds."""

    def __init__(self, half_ps: float, bin_ps: float = BIN_PS) -> None:
        """Begin with nothing. `half_ps`: of the coincidence window, and flight through the ring."""
        self.bin_ps = bin_ps
        self._half = int(np.ceil(half_ps / bin_ps))
        shape = 2 * self._half + 1
        self._on, self._beside, self._variance = np.zeros(shape), np.zeros(shape), np.zeros(shape)

    @property
    def axis_ps(self) -> Floats:
        """Return the middle of each bin."""
        return np.asarray(np.arange(-self._half, self._half + 1) * self.bin_ps, np.float64)

    def add(self, errors_ps: Floats, away_mm: Floats, *, sign: float) -> None:
        """Take coincidences in; `sign`: 1 of prompts, -1 of delayeds."""
        away = np.abs(away_mm)
        on, beside = away <= STRIP_MM, (away > _BESIDE_MM[0]) & (away <= _BESIDE_MM[1])
        at, aside = self._counts(errors_ps[on]), self._counts(errors_ps[beside])
        self._on += sign * at
        self._beside += sign * aside
        self._variance += at + aside

    def counts(self) -> Floats:
        """Return the trues in each bin: on the line, less the strips beside it, which are as wide together."""
        return np.asarray(self._on - self._beside * STRIP_MM / (_BESIDE_MM[1] - _BESIDE_MM[0]), np.float64)

    def width(self) -> TimeWidth:
        """Return the width of the peak; raise `RefusedError` where there is none."""
        counts = self.counts()
        peak = peak_near(
            self.axis_ps, counts, low=float(self.axis_ps[1]), high=float(self.axis_ps[-2]), what="time errors",
            unit=" ps",
        )  # fmt: skip
        return TimeWidth(peak, self._noise_ps(counts, peak), *self._middle_ps(counts, peak))

    def _middle_ps(self, counts: Floats, peak: Peak) -> tuple[float, float]:
        """Return the centroid of what lies within a width of it, and its standard deviation: steadier than the top."""
        middle = peak.at
        for _ in range(_CENTROID_STEPS):
            near = np.abs(self.axis_ps - middle) <= peak.fwhm
            middle = float((counts[near] * self.axis_ps[near]).sum() / counts[near].sum())
        spread = self._variance[near] @ (self.axis_ps[near] - middle) ** 2
        return middle, float(np.sqrt(spread) / counts[near].sum())

    def _counts(self, errors_ps: Floats) -> Floats:
        at = np.rint(errors_ps / self.bin_ps).astype(np.int64) + self._half
        inside = (at >= 0) & (at < len(self._on))
        return np.bincount(at[inside], minlength=len(self._on)).astype(np.float64)

    def _noise_ps(self, counts: Floats, peak: Peak) -> float:
        """Return one standard deviation of the width: bins at half maximum are uncertain, and so is the half."""
        top = round((peak.at - self.axis_ps[0]) / self.bin_ps)
        sides = [crossing(counts, top, way, peak.height / 2.0) for way in (-1, 1)]
        if not np.all(np.isfinite(sides)):
            raise RefusedError("the peak of time errors does not fall to half on both sides")
        slope = peak.height * 4.0 * np.log(2.0) / (2.0 * peak.fwhm)  # of a Gaussian at half maximum, per ps
        variance = sum(float(self._variance[round(side)]) for side in sides) / slope**2
        top_variance = float(self._variance[top]) / max(1.0, 0.4 * peak.fwhm / self.bin_ps) / slope**2
        return float(np.sqrt(variance + top_variance))


@dataclass(frozen=True, slots=True)
class TimeWidth:
    """The peak of time errors, ps, and one standard deviation of its FWHM; its centroid with its own."""

    peak: Peak
    error_ps: float
    middle_ps: float
    middle_error_ps: float

    @property
    def fwhm_mm(self) -> float:
        """Return the FWHM as a length along the line of response: c dt / 2."""
        return self.peak.fwhm * MM_PER_PS
