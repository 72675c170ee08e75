"""Dose calibrators, leak tests and activity concentrations from numbers that a person read and entered.

Names of the tests: NRC Regulatory Guide 10.8 (constancy, linearity, accuracy, geometry), as textbooks repeat it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError

Floats = npt.NDArray[np.float64]
_FEWEST = 2


def deviation_percent(measured: float, expected: float) -> float:
    """Return how far a value lies above what is expected, per cent; raise `RefusedError` where nothing is expected."""
    if not expected > 0.0:
        raise RefusedError(f"expected is {expected:g}: a deviation in per cent needs a value above zero")
    return 100.0 * (measured / expected - 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Linearity:
    """Readings beside the best fit, float64 [n]: deviation of each in per cent. `worst_percent` has its sign."""

    fitted: Floats
    deviation_percent: Floats

    @property
    def worst_percent(self) -> float:
        """Return the largest deviation, whatever its sign, without it."""
        return float(np.abs(self.deviation_percent).max())


def linearity(readings: Sequence[float], expected_shares: Sequence[float]) -> Linearity:
    """Return how far readings are from being proportional to what is known of them.

    `expected_shares`: by decay e^(-lambda t), or the factors of shields. The best fit is that whose mean deviation in
    logarithms is zero, so that readings of all sizes weigh alike. Raises `RefusedError` for fewer than two readings, or
    one that is not above zero.
    """
    read, shares = np.array(readings, np.float64), np.array(expected_shares, np.float64)
    if len(read) != len(shares):
        raise RefusedError(f"{len(read)} readings and {len(shares)} times or factors: each reading needs its own")
    if len(read) < _FEWEST:
        raise RefusedError(f"{len(read)} reading: linearity needs at least two")
    if not (np.all(read > 0.0) and np.all(shares > 0.0)):
        raise RefusedError("a reading or a factor is not above zero: take the background off, leave empty ones out")
    fitted = shares * math.exp(float(np.mean(np.log(read / shares))))
    return Linearity(fitted, 100.0 * (read / fitted - 1.0))


def geometry_percent(readings: Sequence[float], volumes_ml: Sequence[float], reference_ml: float) -> Floats:
    """Return the deviation of one activity in several volumes from its reading in the reference volume, % [n].

    Raises `RefusedError` where the reference volume is not among them, or lists are unequal.
    """
    if len(readings) != len(volumes_ml):
        raise RefusedError(f"{len(readings)} readings and {len(volumes_ml)} volumes: each reading needs its own")
    at = [index for index, each in enumerate(volumes_ml) if math.isclose(each, reference_ml)]
    if not at or not readings[at[0]] > 0.0:
        raise RefusedError(f"no reading above zero with the reference volume of {reference_ml:g} mL")
    return np.asarray(100.0 * (np.array(readings, np.float64) / readings[at[0]] - 1.0), np.float64)


@dataclass(frozen=True, slots=True)
class Wipe:
    """What a wipe test measured, Bq: removed activity, its standard deviation, and the least that would be seen."""

    bq: float
    error_bq: float
    detectable_bq: float


def wipe(gross: float, background: float, seconds: float, efficiency: float) -> Wipe:
    """Return the activity on a wipe from counts of equal time with and without it.

    `efficiency`: counts per decay, above 0 to 1. The least detectable activity is (2.71 + 4.65 sqrt(B)) / (t e), L. A.
    Currie, Anal. Chem. 40, 586 (1968). Raises `RefusedError` for impossible numbers.
    """
    if gross < 0 or background < 0 or not seconds > 0 or not 0.0 < efficiency <= 1.0:
        raise RefusedError(
            f"{gross:g} counts, {background:g} of background, {seconds:g} s, efficiency {efficiency:g}: counts are not "
            "below zero, the time is above it, the efficiency above 0 and up to 1"
        )
    per_bq = seconds * efficiency
    return Wipe(
        (gross - background) / per_bq, math.sqrt(gross + background) / per_bq,
        (2.71 + 4.65 * math.sqrt(background)) / per_bq,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ratio:
    """One value over another with its standard deviation; None where an error was not entered."""

    value: float
    error: float | None

    @property
    def deviation_percent(self) -> float:
        """Return how far it is from 1, per cent."""
        return 100.0 * (self.value - 1.0)


def ratio(above: float, below: float, above_percent: float | None, below_percent: float | None) -> Ratio:
    """Return `above` over `below`, errors given in per cent of each. Raises `RefusedError` unless both are above 0."""
    if not (above > 0.0 and below > 0.0):
        raise RefusedError(f"a ratio of {above:g} and {below:g}: both must be above zero")
    known = above_percent is not None and below_percent is not None
    value = above / below
    return Ratio(value, value * math.hypot(above_percent or 0.0, below_percent or 0.0) / 100.0 if known else None)
