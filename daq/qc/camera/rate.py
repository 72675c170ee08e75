"""Count-rate performance: observed rates against true ones, dead time, the rate at 20 % loss and the maximum.

NEMA NU 1, "Intrinsic Count Rate Performance in Air". True rates follow the activity, which decays or is known; what one
count per second of it would be is taken where hardly anything is lost. Models (R. Adams, G. J. Hine, C. D. Zimmerman,
J. Nucl. Med. 19, 537, 1978, and the definitions there): paralyzable m = n exp(-n tau), non-paralyzable m = n / (1 + n
tau). The rate at a loss and the maximum are read off the measured points, never off a model beyond them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.optimize import brentq, least_squares
from scipy.special import lambertw

from daq.errors import RefusedError
from daq.qc.fields import Floats

Model = Literal["paralyzable", "non-paralyzable"]
FEWEST_POINTS = 5
LOSS = 0.2
_NEAR_LOSS = 0.1
"""The loss is read off points whose loss is within this of it."""
_HARDLY_LOST = 0.1
_NEAR_TOP = 0.85
_LEAST_SIGMAS = 3.0
_FEWEST_LOW = 3
WELL = 3.0
MOST_OFF = 0.2
"""Points further off the model than that share did not have the activities they are said to: scandaq's own number."""
_HALF_LOST = 0.5
LEAST_SPAN = 2.0
_NO_LOSS = 1e-6
_PARABOLA, _CUBIC = 4, 7


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Points of a curve, float64 [points]: activity in any unit, observed rate net of background, its sigma."""

    activity: Floats
    observed_cps: Floats
    noise_cps: Floats

    def __post_init__(self) -> None:
        columns = (self.activity, self.observed_cps, self.noise_cps)
        if len({len(column) for column in columns}) != 1 or not all(np.isfinite(column).all() for column in columns):
            raise RefusedError("points of a count-rate curve: one activity, rate and noise each, all of them finite")
        if len(self.activity) < FEWEST_POINTS:
            raise RefusedError(
                f"{len(self.activity)} points of a count-rate curve; at least {FEWEST_POINTS} are needed"
            )
        if not ((self.activity > 0.0).all() and (self.noise_cps > 0.0).all()):
            raise RefusedError("activities and noise of a count-rate curve are above zero")


@dataclass(frozen=True, slots=True)
class DeadTime:
    """A model with its dead time. `cps_per_activity`: true rate per unit of activity; sigmas by counting.

    `chi2_per_freedom`: near 1 where the model says what was seen; beyond `WELL` the scale is that of the points which
    lose hardly anything.
    """

    model: Model
    dead_time_s: float
    dead_time_noise_s: float
    cps_per_activity: float
    scale_noise: float
    """Of `cps_per_activity`, relative."""
    chi2_per_freedom: float

    def observed(self, true_cps: Floats) -> Floats:
        """Return what would be observed of true rates [n]."""
        return _observed(self.model, true_cps, self.dead_time_s)

    def off(self, rates: Rates) -> float:
        """Return how far the point that is most off lies from the model, as a share, of those that keep half.

        Of all points where none keeps as much. Counting is taken off, three standard deviations of it.
        """
        true = self.cps_per_activity * rates.activity
        wanted = self.observed(true)
        kept = wanted >= _HALF_LOST * true
        near = kept if kept.any() else np.ones_like(kept)
        far = np.abs(rates.observed_cps - wanted) - _LEAST_SIGMAS * rates.noise_cps
        return float((far / np.maximum(wanted, 1e-12))[near].max())


@dataclass(frozen=True, slots=True)
class Reached:
    """A value of the curve with its sigma, cps: what was observed, and at which true rate."""

    observed_cps: float
    noise_cps: float
    true_cps: float


@dataclass(frozen=True, slots=True, eq=False)
class CountRate:
    """A curve: what is `None` was not reached, and `why` says so."""

    dead_time: DeadTime
    true_cps: Floats
    at_loss: Reached | None
    maximum: Reached | None
    why: tuple[str, ...]


def count_rate(rates: Rates, *, loss: float = LOSS) -> CountRate:
    """Return what a curve says.

    Raises `RefusedError` where no model can be fitted: nothing is lost, too few points, activities too much alike: a
    rate that stays while the activity falls by some per cent would pass for a large dead time.
    """
    span = float(rates.activity.max() / rates.activity.min())
    if span < LEAST_SPAN:
        raise RefusedError(
            f"the highest activity is {span:.3g} times the lowest; a curve of count rates needs {LEAST_SPAN:g} at least"
        )
    order = np.argsort(rates.activity)
    sorted_ = Rates(rates.activity[order], rates.observed_cps[order], rates.noise_cps[order])
    found = min((_fit(sorted_, model) for model in ("paralyzable", "non-paralyzable")), key=_misfit)
    true = found.cps_per_activity * sorted_.activity
    at_loss, why_loss = _at_loss(true, sorted_, loss, found.scale_noise)
    maximum, why_maximum = _maximum(true, sorted_)
    why = tuple(sentence for sentence in (why_loss, why_maximum) if sentence)
    return CountRate(found, found.cps_per_activity * rates.activity, at_loss, maximum, why)


def two_sources(first: Floats, both: Floats, second: Floats, background: Floats, model: Model) -> tuple[float, float]:
    """Return the dead time and its sigma, s, of rates [rate, sigma] in cps: source 1, both, source 2, neither.

    What the true rates of the single ones lack to that of both is solved exactly; of two equal sources without
    background that is tau = 2 R12 / (R1 + R2)^2 ln((R1 + R2) / R12) in the paralyzable case. Raises `RefusedError`
    where both together lose nothing.
    """
    rates = np.array([each[0] for each in (first, both, second, background)], np.float64)
    noise = np.array([each[1] for each in (first, both, second, background)], np.float64)
    if not (np.isfinite(rates).all() and (rates[:3] > 0.0).all()):
        raise RefusedError("the two-source method needs three rates above zero")
    found = _two_sources(rates, model)
    moved = [_two_sources(rates + np.eye(4)[at] * noise[at], model) - found for at in range(4) if noise[at] > 0.0]
    return found, math.hypot(*moved) if moved else 0.0


def rate_at_loss(model: Model, dead_time_s: float, *, loss: float = LOSS) -> float:
    """Return the observed rate at a loss, by the model: -(1 - loss) ln(1 - loss) / tau, or loss / tau."""
    return -(1.0 - loss) * math.log(1.0 - loss) / dead_time_s if model == "paralyzable" else loss / dead_time_s


def _observed(model: Model, true_cps: Floats, dead_time_s: float) -> Floats:
    lost = true_cps * dead_time_s
    return np.asarray(true_cps * np.exp(-lost) if model == "paralyzable" else true_cps / (1.0 + lost))


def _fit(rates: Rates, model: Model) -> DeadTime:
    """Fit scale and dead time; the scale once more by the points that lose hardly anything, where they are enough."""
    low = rates.observed_cps[0] / rates.activity[0]
    start = np.log([max(low, 1e-12), 0.3 / (low * rates.activity[-1])])
    found = least_squares(lambda at: _off(rates, model, at), start, x_scale=[0.01, 0.1])
    scale, dead = np.exp(found.x)
    spread = np.linalg.pinv(found.jac.T @ found.jac)
    freedom = max(1, len(rates.activity) - 2)
    if not found.success or dead * scale * rates.activity[-1] < _NO_LOSS:
        raise RefusedError("no loss of counts is seen: a dead time cannot be told from this curve")
    chi2 = float(2.0 * found.cost / freedom)
    noise = np.sqrt(np.diag(spread))
    fitted = DeadTime(model, float(dead), float(dead * noise[1]), float(scale), float(noise[0]), chi2)
    return fitted if chi2 <= WELL else _rescaled(rates, fitted)


def _off(rates: Rates, model: Model, at: Floats) -> Floats:
    scale, dead = np.exp(np.clip(at, -60.0, 60.0))
    return np.asarray((_observed(model, scale * rates.activity, dead) - rates.observed_cps) / rates.noise_cps)


def _misfit(found: DeadTime) -> float:
    return found.chi2_per_freedom


def _rescaled(rates: Rates, fitted: DeadTime) -> DeadTime:
    """Return it with the true rate per activity by points that lose hardly anything, where there are enough."""
    true = fitted.cps_per_activity * rates.activity
    kept = fitted.observed(true) / true
    low = kept >= 1.0 - _HARDLY_LOST
    if low.sum() < _FEWEST_LOW:
        return fitted
    weight = (rates.activity * kept / rates.noise_cps)[low] ** 2
    scale = float(np.average((rates.observed_cps / (rates.activity * kept))[low], weights=weight))
    return replace(fitted, cps_per_activity=scale, scale_noise=float(weight.sum() ** -0.5) / scale)


def _at_loss(true: Floats, rates: Rates, loss: float, scale_noise: float) -> tuple[Reached | None, str]:
    """Read the rate off the points about it: the logarithm of what is kept, a polynomial of the true rate."""
    kept = rates.observed_cps / true
    near = np.abs(1.0 - kept - loss) <= _NEAR_LOSS
    below, above = near & (1.0 - kept < loss), near & (1.0 - kept > loss)
    if not (below.any() and above.any()):
        return None, (
            f"the largest loss is {100 * (1.0 - kept.min()):.0f} %, and no points lie on both sides of "
            f"{100 * loss:g} %: the rate there was not measured"
        )
    degree = 2 if near.sum() >= _PARABOLA else 1
    logs, weight = np.log(kept[near]), (rates.observed_cps / rates.noise_cps)[near]
    middle = float(true[near].mean())
    fitted = np.polyfit(true[near] / middle, logs, degree, w=weight)
    wanted = math.log(1.0 - loss)
    low, high = true[below].max(), true[above].min()
    low, high = (low, high) if low < high else (true[near].min(), true[near].max())
    at = _root(lambda n: float(np.polyval(fitted, n / middle) - wanted), float(low), float(high))
    slope = float(np.polyval(np.polyder(fitted), at / middle)) / middle
    noise = (1.0 - loss) / abs(slope) * math.hypot(float((weight**2).sum()) ** -0.5, scale_noise)
    return Reached((1.0 - loss) * at, noise, at), ""


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function crosses zero between two places, or the nearer end where noise lets it not cross."""
    if function(low) * function(high) < 0.0:
        return float(brentq(function, low, high))
    return low if abs(function(low)) < abs(function(high)) else high


def _maximum(true: Floats, rates: Rates) -> tuple[Reached | None, str]:
    """Read the maximum off the points about it; it counts as reached where a higher activity gives less, surely."""
    observed, noise = rates.observed_cps, rates.noise_cps
    top = int(np.argmax(observed))
    beyond = observed[top] - observed[top + 1 :] > _LEAST_SIGMAS * np.hypot(noise[top], noise[top + 1 :])
    if not beyond.any():
        return None, (
            f"the rate still rises at the highest activity, {observed[-1]:.0f} cps: the maximum was not measured"
        )
    near = observed >= _NEAR_TOP * observed[top]
    if near.sum() < _PARABOLA or not (near[:top].any() and near[top + 1 :].any()):
        return Reached(float(observed[top]), float(noise[top]), float(true[top])), ""
    logs = np.log(true[near] / true[top])
    fitted = np.polyfit(logs, observed[near], 3 if near.sum() >= _CUBIC else 2, w=1.0 / noise[near])
    fine = np.linspace(logs.min(), logs.max(), 2001)
    values = np.polyval(fitted, fine)
    best = int(np.argmax(values))
    spread = float((noise[near] ** -2).sum() ** -0.5) * math.sqrt(len(fitted))
    return Reached(float(values[best]), spread, float(true[top] * math.exp(fine[best]))), ""


def _two_sources(rates: Floats, model: Model) -> float:
    def lacking(dead: float) -> float:
        n = _true(rates, dead, model)
        return float(n[0] + n[2] - n[1] - n[3])

    most = 1.0 / (math.e * rates[1]) if model == "paralyzable" else 1.0 / rates[1]
    low, high = 1e-9 * most, most * (1.0 - 1e-9)
    if lacking(low) <= 0.0:
        raise RefusedError("both sources together lose nothing against each alone: no dead time can be told")
    if lacking(high) > 0.0:
        raise RefusedError(f"the rates do not fit a {model} dead time: both together are beyond the maximum")
    return float(brentq(lacking, low, high, xtol=1e-15))


def _true(observed: Floats, dead: float, model: Model) -> Floats:
    """Return true rates of observed ones; of the paralyzable model those below the maximum."""
    if model == "non-paralyzable":
        return np.asarray(observed / (1.0 - observed * dead))
    return np.asarray(-np.real(lambertw(-observed * dead)) / dead)
