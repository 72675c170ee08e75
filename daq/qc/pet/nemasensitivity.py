"""Sensitivity by NEMA NU 2-2018, section 5: a line of 70 cm in one to five metal sleeves, extrapolated to none.

ln R_j = ln R_0 - 2 mu X_j, where R_j is the rate with walls of X_j together, corrected for decay; S = R_0 / A. The
sleeves stop positrons; mu is fitted, so no table of the metal is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError

Floats = npt.NDArray[np.float64]
SLEEVE_WALL_MM = 1.25
"""Of each of the five aluminium sleeves of the standard: unverified, as publications of measurements give it."""
_FEWEST_SLEEVES = 2


@dataclass(frozen=True, slots=True)
class SleeveRate:
    """The rate with some sleeves. `decayed`: mean activity while it was measured over that of the calibration."""

    wall_mm: float
    prompts: int
    delayeds: int
    seconds: float
    decayed: float

    @property
    def per_s(self) -> float:
        """Return trues and scatter per second, as they would be with the activity of the calibration."""
        return (self.prompts - self.delayeds) / self.seconds / self.decayed

    @property
    def relative_error(self) -> float:
        """Return one standard deviation of the rate over the rate."""
        return float(np.sqrt(self.prompts + self.delayeds) / (self.prompts - self.delayeds))


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """S and its standard deviation, cps/kBq; mu with its own, 1/mm; `worst_sigma`: of a point from the line."""

    cps_per_kbq: float
    error_cps_per_kbq: float
    rate_per_s: float
    attenuation_per_mm: float
    attenuation_error_per_mm: float
    worst_sigma: float


def sensitivity(rates: Sequence[SleeveRate], activity_kbq: float) -> Sensitivity:
    """Return the sensitivity of a line with `activity_kbq` at the time of calibration; least squares with weights.

    Raises `RefusedError` for fewer than two thicknesses, for no activity, or where delayeds are not fewer than prompts.
    """
    if not activity_kbq > 0.0:
        raise RefusedError(f"an activity of {activity_kbq:g} kBq: it must be above zero")
    bare = [each for each in rates if each.prompts <= each.delayeds]
    if bare:
        raise RefusedError(
            f"{bare[0].prompts} prompts and {bare[0].delayeds} delayeds with {bare[0].wall_mm:g} mm: no source was seen"
        )
    wall = np.array([each.wall_mm for each in rates])
    if len(set(wall.tolist())) < _FEWEST_SLEEVES:
        raise RefusedError("the line was measured with one thickness of metal: none can be extrapolated to")
    logs = np.log([each.per_s for each in rates])
    errors = np.array([each.relative_error for each in rates])
    terms = np.stack([np.ones(len(wall)), -2.0 * wall], axis=1) / errors[:, None]
    spread = np.linalg.inv(terms.T @ terms)
    log_rate, mu = (float(each) for each in spread @ terms.T @ (logs / errors))
    off = (logs - log_rate + 2.0 * mu * wall) / errors
    rate = float(np.exp(log_rate))
    return Sensitivity(
        rate / activity_kbq, rate / activity_kbq * float(np.sqrt(spread[0, 0])), rate, mu,
        float(np.sqrt(spread[1, 1])), float(np.abs(off).max()),
    )  # fmt: skip


def axial_profile(one_sleeve_by_slice: npt.NDArray[np.int64], total_cps_per_kbq: float) -> Floats:
    """Return the sensitivity of each slice, cps/kBq, from the trues by slice [slices] with one sleeve (section 5.4).

    Raises `RefusedError` without counts.
    """
    counts = np.asarray(one_sleeve_by_slice, np.float64)
    if not counts.sum() > 0.0:
        raise RefusedError("no trues in any slice: there is no axial profile")
    return np.asarray(counts / counts.sum() * total_cps_per_kbq, np.float64)
