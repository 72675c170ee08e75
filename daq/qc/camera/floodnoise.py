"""What counting alone gives of a perfect flood: the expected integral and differential uniformity of any field.

A smoothed pixel has a standard deviation of `100 sqrt(sum w^2) / sum w` per cent over the root of the counts per pixel,
w being the weights of the nine-point kernel that lie in the field: 37.5 inside of it, 45.6 at a straight edge, 55.6 in
a corner. Integral uniformity is the expected highest of n such values (highest and lowest are as far from the mean),
differential uniformity half of the expected largest difference of two that lie in one run of five pixels. Neighbours
share counts, so that n values are as many independent ones as `share * n`; the share was found by simulation (300
floods of 10,000 counts per pixel for each of nine fields of 10 x 14 to 90 x 120 pixels, one of them round): the
expected values agree with the simulated means within 2 %. For 80 x 58 pixels they are 141 and 112.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from daq.qc.fields import Floats, Mask

KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0])
RUN = 5
"""Contiguous pixels of differential uniformity."""
_ALIKE = (2 / 3, 1 / 6, 0.0, 0.0)
"""Correlation of smoothed pixels that are 1, 2, 3, 4 apart along a row."""
_INTEGRAL_SHARE, _DIFFERENTIAL_SHARE = (0.30, 0.065), (0.0, 0.080)
"""`share = a + b ln(pixels)`, at most 1."""
_AXIS = np.linspace(-4.0, 8.0, 1201)
"""Standard deviations of the inner pixel."""
_KEPT = 16


def noise_factors(useful: Mask, central: Mask) -> dict[str, float]:
    """Return expected uniformity in per cent times the root of the counts per pixel, by the figure's name.

    `useful`, `central` [rows, columns]: the pixels that are analysed. The root of the sums of squares over several such
    floods spreads by 7 % (large fields) to 17 % (small ones) of it.
    """
    return dict(_factors(useful.tobytes(), central.tobytes(), useful.shape))


@lru_cache(maxsize=_KEPT)
def _factors(useful: bytes, central: bytes, shape: tuple[int, int]) -> tuple[tuple[str, float], ...]:
    fields = {"ufov": np.frombuffer(useful, bool).reshape(shape), "cfov": np.frombuffer(central, bool).reshape(shape)}
    sigma = _sigma(fields["ufov"])
    found: list[tuple[str, float]] = []
    for name, field in fields.items():
        chosen = field & fields["ufov"]
        found.append((f"{name}_integral", _integral(sigma, chosen)))
        found.append((f"{name}_differential", _differential(sigma, chosen)))
    return tuple(found)


def _sigma(inside: Mask) -> Floats:
    """Return the standard deviation of each smoothed pixel, of unit counts."""
    rows, columns = inside.shape
    used = np.pad(inside.astype(np.float64), 1)
    sums, squares = np.zeros(inside.shape), np.zeros(inside.shape)
    for row in range(3):
        for column in range(3):
            part = used[row : row + rows, column : column + columns]
            sums += KERNEL[row, column] * part
            squares += KERNEL[row, column] ** 2 * part
    return np.asarray(np.sqrt(squares) / np.where(sums > 0.0, sums, 1.0))


def _integral(sigma: Floats, field: Mask) -> float:
    pixels = int(field.sum())
    return 100.0 * expected_highest(*_counted(sigma[field]), share=_share(pixels, _INTEGRAL_SHARE))


def _differential(sigma: Floats, field: Mask) -> float:
    pairs = np.concatenate([*_pairs(sigma, field), *_pairs(sigma.T, field.T)])
    values, times = _counted(pairs)
    share = _share(int(field.sum()), _DIFFERENTIAL_SHARE)
    return 50.0 * expected_highest(values, 2.0 * times, share=share)


def _pairs(sigma: Floats, field: Mask) -> list[Floats]:
    """Return the standard deviations of the differences of all pairs that lie in one run of five pixels of a row."""
    if field.shape[1] < RUN:
        return [np.empty(0)]
    whole = np.lib.stride_tricks.sliding_window_view(field, RUN, axis=1).all(axis=2)
    found = []
    for apart, alike in enumerate(_ALIKE, start=1):
        chosen = np.zeros((field.shape[0], field.shape[1] - apart), bool)
        for first in range(RUN - apart):
            chosen[:, first : first + whole.shape[1]] |= whole
        left, right = sigma[:, :-apart][chosen], sigma[:, apart:][chosen]
        found.append(np.sqrt(left**2 + right**2 - 2.0 * alike * left * right))
    return found


def _counted(values: Floats) -> tuple[Floats, Floats]:
    """Return the different values, to four digits, and how often each comes."""
    found, times = np.unique(np.rint(values * 1e4), return_counts=True)
    return found / 1e4, times.astype(np.float64)


def _share(pixels: int, by: tuple[float, float]) -> float:
    return min(1.0, by[0] + by[1] * math.log(max(pixels, 2)))


def expected_highest(sigmas: npt.NDArray[np.float64], times: npt.NDArray[np.float64], *, share: float = 1.0) -> float:
    """Return the expected highest of `share * times` independent normal values of each standard deviation, mean 0.

    E = integral of 1 - F over x >= 0 less that of F over x < 0, F being the product of the distributions.
    """
    if not len(sigmas):
        return 0.0
    unit = float(np.average(sigmas, weights=times))
    x = _AXIS * unit
    logarithm = (share * times[:, None] * log_ndtr(x[None, :] / sigmas[:, None])).sum(axis=0)
    below = np.exp(logarithm)
    above = np.where(_AXIS >= 0.0, 1.0 - below, -below)
    return float(np.trapezoid(above, x)) - float(x[1] - x[0]) / 2.0


def dispersion(picture: npt.NDArray[np.float64], inside: Mask) -> float:
    """Return how much more neighbouring pixels differ than counting lets them, as variances: 1 of counts.

    `picture`, `inside` [rows, columns]. The median over rows, and over columns, the smaller one: dead lines and spots
    have no part in it. Of 256 x 256 pixels it is 0.99 +- 0.01. NaN where nothing was counted.
    """
    found = [_dispersion(seen, lit) for seen, lit in ((picture, inside), (picture.T, inside.T))]
    return min(found)


def _dispersion(picture: Floats, inside: Mask) -> float:
    both = inside[:, 1:] & inside[:, :-1]
    squares = np.where(both, np.diff(picture, axis=1) ** 2, 0.0).sum(axis=1)
    sums = np.where(both, picture[:, 1:] + picture[:, :-1], 0.0).sum(axis=1)
    rows = (sums > 0.0) & (both.sum(axis=1) >= both.sum(axis=1).max() / 2)
    return float(np.median(squares[rows] / sums[rows])) if rows.any() else float("nan")
