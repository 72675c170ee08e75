"""Uptake, share of one side, ejection fraction: what is worked out of counts, each with the error that Poisson gives.

Rates are corrected for dead time, being counts by live time, and for decay, to one moment that the caller chooses.
Counts themselves are never changed. Every formula is stated in `docs/explanations/study.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from daq.errors import LimitError, UsageError

Floats = npt.NDArray[np.float64]
FEWEST_SLOTS = 8
_HARMONICS = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """Counts of one measurement: how many, in how much live time, begun and ended when, s on one clock for all."""

    counts: float
    live_s: float
    begin_s: float
    end_s: float

    def __post_init__(self) -> None:
        if self.counts < 0 or not self.live_s > 0 or not self.begin_s < self.end_s:
            raise UsageError(
                f"{self.counts:g} counts in {self.live_s:g} s of live time between {self.begin_s:g} s and "
                f"{self.end_s:g} s: counts from 0 on, times above zero"
            )

    def rate(self, half_life_s: float, at_s: float) -> Value:
        """Return the rate as it was, or will be, at another moment: counts per second of live time.

        What decays while it is counted is more at the beginning than in the mean: x / (1 - e^-x) for x = λ duration.
        """
        decay = math.log(2) / half_life_s
        during = decay * (self.end_s - self.begin_s)
        factor = during / -math.expm1(-during) * math.exp(decay * (self.begin_s - at_s)) / self.live_s
        return Value(self.counts * factor, math.sqrt(self.counts) * factor)


@dataclass(frozen=True, slots=True)
class Value:
    """A number with its standard deviation."""

    value: float
    error: float = 0.0

    def __sub__(self, other: Value) -> Value:
        return Value(self.value - other.value, math.hypot(self.error, other.error))

    def __add__(self, other: Value) -> Value:
        return Value(self.value + other.value, math.hypot(self.error, other.error))

    def over(self, other: Value, what: str) -> Value:
        """Return the quotient; raise `LimitError` where what it is divided by is not above zero. `what` names that."""
        if other.value <= 0:
            raise LimitError(f"{what} is {other.value:.3g} per second, which nothing can be divided by")
        share = self.value / other.value
        return Value(share, math.hypot(self.error, share * other.error) / other.value)

    @property
    def percent(self) -> str:
        """Return it in per cent, for people."""
        return f"{100 * self.value:.1f} ± {100 * self.error:.1f} %"


def uptake(
    *, neck: Measured, thigh: Measured, syringe: Measured, residual: Measured | None, half_life_s: float, at_s: float
) -> Value:
    """Return the uptake of the thyroid, 0 to 1: (neck - thigh) / (syringe - residual), all at the moment `at_s`.

    The neck is measured as the syringe was: same collimator, distance, window, and the syringe in a neck phantom.
    Raise `LimitError` where the syringe has no more than the residual.
    """
    given = syringe.rate(half_life_s, at_s)
    if residual is not None:
        given -= residual.rate(half_life_s, at_s)
    return (neck.rate(half_life_s, at_s) - thigh.rate(half_life_s, at_s)).over(given, "syringe less residual")


def injected(*, before: Measured, after: Measured, half_life_s: float, at_s: float) -> Value:
    """Return the rate that what was injected would give: syringe before less after, at the moment `at_s`.

    Raise `LimitError` where less was there before than after.
    """
    given = before.rate(half_life_s, at_s) - after.rate(half_life_s, at_s)
    if given.value <= 0:
        raise LimitError(f"the syringe has {given.value:.3g} per second less before than after: were they mixed up?")
    return given


@dataclass(frozen=True, slots=True)
class Region:
    """Counts in a region of a picture and its number of pixels; `background` is a region beside it."""

    counts: float
    pixels: int
    background_counts: float = 0.0
    background_pixels: int = 0

    @property
    def net(self) -> Value:
        """Return the counts less those of the background, scaled to as many pixels."""
        if not self.background_pixels:
            return Value(self.counts, math.sqrt(self.counts))
        scale = self.pixels / self.background_pixels
        error = math.sqrt(self.counts + scale * scale * self.background_counts)
        return Value(self.counts - scale * self.background_counts, error)


def geometric_mean(front: Value, back: Value) -> Value:
    """Return √(front · back), which for an organ between both heads hardly depends on its depth.

    Raise `LimitError` where one of both is below zero: background has taken more than there was.
    """
    if front.value < 0 or back.value < 0:
        raise LimitError(f"net counts of {front.value:.3g} and {back.value:.3g} have no geometric mean")
    mean = math.sqrt(front.value * back.value)
    if mean == 0:
        return Value(0.0, math.sqrt(front.error * back.error))
    relative = math.hypot(front.error / front.value, back.error / back.value) / 2
    return Value(mean, mean * relative)


def split(left: Value, right: Value) -> Value:
    """Return the share of the left one, 0 to 1. Raise `LimitError` where one of them is below background."""
    both = left.value + right.value
    if both <= 0 or left.value < 0 or right.value < 0:
        raise LimitError(f"net counts of {left.value:.3g} left and {right.value:.3g} right have no share")
    return Value(left.value / both, math.hypot(right.value * left.error, left.value * right.error) / both**2)


def residual_volume_ml(*, before: Measured, after: Measured, voided_ml: float, half_life_s: float) -> Value:
    """Return what is left in the bladder: voided volume · after / (before - after), at one moment.

    Raise `LimitError` where voiding took nothing away, `UsageError` for a volume that is none.
    """
    if not voided_ml > 0:
        raise UsageError(f"a voided volume of {voided_ml:g} ml: must be above zero")
    at_s = before.begin_s
    full, left = before.rate(half_life_s, at_s), after.rate(half_life_s, at_s)
    if full.value <= left.value:
        raise LimitError("the bladder has as many counts after voiding as before: nothing can be said of the volume")
    share = left.value / (full.value - left.value)
    error = math.hypot(left.value * full.error, full.value * left.error) / (full.value - left.value) ** 2
    return Value(voided_ml * share, voided_ml * error)


@dataclass(frozen=True, slots=True)
class Ejection:
    """An ejection fraction, 0 to 1, and the slots of end-diastole and end-systole."""

    fraction: Value
    diastole: int
    systole: int
    method: Literal["slots", "harmonics"]


def ejection_fraction(
    counts: npt.ArrayLike, live_s: npt.ArrayLike, background_per_s: float = 0.0, *, harmonics: int = _HARMONICS
) -> Ejection:
    """Return the ejection fraction of a blood pool: (diastole - systole) / diastole, each less background.

    `counts`, `live_s` [slots] are of the region of the ventricle; each slot counts by its own live time.
    `background_per_s` is the rate of the background in as many pixels. The highest and the lowest of noisy slots lie
    too far apart; so the curve is first described by its mean and `harmonics` of the cycle (0: not described).
    Raise `UsageError` for fewer than eight slots, `LimitError` where one of both does not stand above background.
    """
    curve, live = np.asarray(counts, np.float64), np.asarray(live_s, np.float64)
    if curve.shape != live.shape or curve.ndim != 1 or len(curve) < FEWEST_SLOTS or not (live > 0).all():
        raise UsageError(f"{len(curve)} slots with {len(live)} live times: at least {FEWEST_SLOTS}, times above zero")
    rates, variance = curve / live - background_per_s, curve / live**2
    smooth, share = _described(rates, harmonics)
    diastole, systole = int(np.argmax(smooth)), int(np.argmin(smooth))
    high = Value(float(smooth[diastole]), math.sqrt(float(variance[diastole]) * share))
    low = Value(float(smooth[systole]), math.sqrt(float(variance[systole]) * share))
    if low.value < 0 < high.value:
        raise LimitError(
            f"end-systole is {-low.value:.3g} per second below the background: is that a region without the heart?"
        )
    kept = low.over(high, "end-diastole less background")
    return Ejection(Value(1 - kept.value, kept.error), diastole, systole, "harmonics" if harmonics else "slots")


def _described(rates: Floats, harmonics: int) -> tuple[Floats, float]:
    """Return a curve by its mean and first harmonics, and which share of a slot's variance is left in it."""
    if not harmonics:
        return rates, 1.0
    parts = np.fft.rfft(rates)
    parts[harmonics + 1 :] = 0
    return np.asarray(np.fft.irfft(parts, len(rates))), min(1.0, (2 * harmonics + 1) / len(rates))
