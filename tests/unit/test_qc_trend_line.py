"""The line of trends, and how soon somebody sees them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from daq.qc.trend.line import line_through


def test_a_line_and_its_error_are_those_of_least_squares() -> None:
    random = np.random.default_rng(5)
    x = np.arange(40.0)
    y = 3.0 - 0.2 * x + random.standard_normal(40)
    known = stats.linregress(x, y)

    line = line_through(x, y)

    assert (line.slope, line.intercept, line.error) == pytest.approx((known.slope, known.intercept, known.stderr))
    assert line_through(np.ones(3), y[:3]).error == np.inf


def test_charts_load_nothing_that_takes_longer_than_making_them() -> None:
    asked = "import sys, daq.composition.qc.readingtrend; sys.exit('scipy.stats' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", asked], check=False, timeout=60).returncode == 0
