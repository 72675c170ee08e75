"""Average run lengths of EWMA and CUSUM charts of independent normal results: how many tests until an alarm.

By the integral equation of the run length, solved at Gauss-Legendre nodes (Crowder, Technometrics 29, 401, 1987, for
EWMA; Goel and Wu, Technometrics 13, 221, 1971, for CUSUM; the Markov chain of Brook and Evans, Biometrika 59, 539,
1972, tends to the same). Values that tests hold it against: Lucas and Saccucci, Technometrics 32, 1, 1990; Montgomery,
Introduction to Statistical Quality Control, chapter 9. All is in units of the standard deviation of one result.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]

LONGEST = 1e12
"""Longer run lengths are given as this: beyond, the equation has no digits left."""
_SPACING = 0.8
"""Nodes are so many standard deviations of a step apart, or less."""
_FEWEST, _MOST = 32, 240
_ROOT_2PI = math.sqrt(2.0 * math.pi)


def asymptotic_sigma(weight: float) -> float:
    """Return the standard deviation of an EWMA after many tests: sqrt(weight / (2 - weight))."""
    return math.sqrt(weight / (2.0 - weight))


def ewma_run_lengths(weight: float, widths: Floats, shifts: Floats) -> Floats:
    """Return mean tests to an alarm of two-sided EWMA charts that begin at their centre.

    `widths`: limits, in asymptotic standard deviations of the EWMA, [n]; `shifts`: of the mean, [n].
    """
    bounds = np.asarray(widths, dtype=np.float64) * asymptotic_sigma(weight)
    nodes, shares = _nodes(2.0 * float(bounds.max()) / weight)
    at = bounds[:, None] * nodes
    weights = bounds[:, None] * shares / weight
    moved = np.asarray(shifts, dtype=np.float64)[:, None]

    def density(begin: Floats) -> Floats:
        steps = (at[:, None, :] - (1.0 - weight) * begin[:, :, None]) / weight - moved[:, :, None]
        found: Floats = np.exp(-0.5 * steps * steps) / _ROOT_2PI * weights[:, None, :]
        return found

    lengths = _solved(density(at), np.ones_like(at))
    first = density(np.zeros((len(at), 1)))[:, 0, :]
    return _bounded(1.0 + np.einsum("ij,ij->i", first, lengths))


def cusum_run_lengths(slacks: Floats, limits: Floats) -> Floats:
    """Return mean tests to an alarm of one-sided CUSUM charts that begin at 0, mean 0.

    `slacks` (k): what is taken off each result, [n]; a shift by d is a slack less by d. `limits` (h), [n].
    """
    slack = np.asarray(slacks, dtype=np.float64)[:, None]
    limit = np.asarray(limits, dtype=np.float64)[:, None]
    nodes, shares = _nodes(float(limit.max()))
    at = limit * (nodes + 1.0) / 2.0
    begin = np.concatenate([np.zeros_like(limit), at], axis=1)
    steps = at[:, None, :] + slack[:, :, None] - begin[:, :, None]
    inside = np.exp(-0.5 * steps * steps) / _ROOT_2PI * (limit * shares / 2.0)[:, None, :]
    kernel = np.concatenate([ndtr(slack - begin)[:, :, None], inside], axis=2)
    return _bounded(_solved(kernel, np.ones_like(begin))[:, 0])


def ewma_run_length(weight: float, width: float, shift: float = 0.0) -> float:
    """Return mean tests to an alarm of one two-sided EWMA chart: 500 at weight 0.1 and width 2.814."""
    return float(ewma_run_lengths(weight, np.array([width]), np.array([shift]))[0])


def cusum_run_length(slack: float, limit: float, shift: float = 0.0) -> float:
    """Return mean tests to an alarm of one two-sided tabular CUSUM chart: 465 at slack 0.5 and limit 5."""
    sides = cusum_run_lengths(np.array([slack - shift, slack + shift]), np.array([limit, limit]))
    return float(1.0 / np.sum(1.0 / sides))


def ewma_width(weight: float, run_length: float) -> float:
    """Return the width whose chart of known mean and sigma has this mean run length while nothing changes."""
    return float(brentq(lambda width: math.log(ewma_run_length(weight, width) / run_length), 0.1, 8.0, xtol=1e-6))


def cusum_limit(slack: float, run_length: float) -> float:
    """Return the limit whose two-sided chart of known mean and sigma has this mean run length while nothing changes."""
    return float(brentq(lambda limit: math.log(cusum_run_length(slack, limit) / run_length), 0.05, 60.0, xtol=1e-6))


def _nodes(extent_sigma: float) -> tuple[Floats, Floats]:
    count = int(np.clip(math.ceil(extent_sigma / _SPACING), _FEWEST, _MOST))
    nodes, shares = np.polynomial.legendre.leggauss(count)
    return nodes, shares


def _solved(kernel: Floats, right: Floats) -> Floats:
    size = kernel.shape[-1]
    return np.linalg.solve(np.eye(size) - kernel, right[:, :, None])[:, :, 0].astype(np.float64)


def _bounded(lengths: Floats) -> Floats:
    """Return them from 1 to the longest; what rounding has made negative or absurd is beyond the longest."""
    return np.where((lengths >= 1.0) & (lengths < LONGEST), lengths, LONGEST)
