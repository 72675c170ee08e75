"""What all subjects of a figure have in common, and what each does against the others.

The room's temperature moves all blocks of a ring together, and so does a gain that fades with the years: that is one
change, not 448. A block that does something alone stands out against the others far below what the common wandering
would hide.
"""

from __future__ import annotations

import numpy as np

from daq.qc.trend.baseline import normal_of
from daq.qc.trend.runlength import Floats

_MEDIAN_TO_MEAN = 1.2533
"""The median of normal values spreads by so much more than their mean, sqrt(pi / 2)."""
_SMALL = 0.1


def parted(values: Floats, noise: Floats | None, baseline: int) -> tuple[Floats, Floats | None]:
    """Return values [tests, subjects + 1]: of each subject against the others, and last of all together.

    Common is the median over the subjects of how far each is off its own normal, as a share of that normal where all
    are positive (a common gain moves each by its share), else as a difference. Both stay in the figure's unit, about
    each subject's normal and about the median normal.
    """
    normal, _ = normal_of(values, None, baseline)
    known = normal.known
    if not known.any():
        nothing = np.full((len(values), 1), np.nan)
        return np.hstack([values, nothing]), None if noise is None else np.hstack([noise, nothing])
    middle = float(np.median(normal.mean[known]))
    scale = _scale(normal.mean, known, middle)
    off = np.where(known, (values - normal.mean) / scale, np.nan)
    common = _row_medians(off)
    own = values - np.nan_to_num(common)[:, None] * scale
    found = np.hstack([own, (middle + common)[:, None]])
    return found, None if noise is None else np.hstack([noise, _common_noise(noise)])


def _scale(means: Floats, known: np.ndarray[tuple[int], np.dtype[np.bool_]], middle: float) -> Floats:
    """Return by how much each subject moves where the typical one moves by 1."""
    if np.any(means[known] <= 0.0):
        return np.ones_like(means)
    return np.where(known & (means > _SMALL * middle), means / middle, 1.0)


def _row_medians(values: Floats) -> Floats:
    """Return the median of each row, NaN ones left aside; NaN of a row that has no other."""
    ordered = np.sort(values, axis=1)
    count = np.isfinite(values).sum(axis=1)
    rows = np.arange(len(values))
    low, high = ordered[rows, np.maximum(count - 1, 0) // 2], ordered[rows, np.minimum(count // 2, values.shape[1] - 1)]
    found = np.full(len(values), np.nan)
    found[count > 0] = (low[count > 0] + high[count > 0]) / 2.0
    return found


def _common_noise(noise: Floats) -> Floats:
    count = np.maximum(np.isfinite(noise).sum(axis=1), 1)
    found: Floats = (_MEDIAN_TO_MEAN * _row_medians(noise) / np.sqrt(count))[:, None]
    return found
