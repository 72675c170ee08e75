"""A straight line through points by least squares.

`scipy.stats` has one as well; loading it takes longer than all charts of five years, while somebody waits for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from daq.qc.trend.runlength import Floats

_FREE = 2
"""A line takes so many degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Line:
    """`intercept + slope * x`; `error`: the standard error of the slope, of independent points about the line."""

    slope: float
    intercept: float
    error: float


def line_through(x: Floats, y: Floats) -> Line:
    """Return the line, [n] each. Points that all have one x say nothing of a slope: it is 0, with infinite error."""
    off_x, off_y = x - x.mean(), y - y.mean()
    spread = float(off_x @ off_x)
    if spread == 0.0:
        return Line(0.0, float(y.mean()), math.inf)
    slope = float(off_x @ off_y) / spread
    left = off_y - slope * off_x
    error = math.sqrt(float(left @ left) / (len(x) - _FREE) / spread) if len(x) > _FREE else 0.0
    return Line(slope, float(y.mean() - slope * x.mean()), error)
