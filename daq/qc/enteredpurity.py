"""Co-56 and Co-58 in new sheet sources of Co-57: what their photons of high energy do to a flood.

Both decay faster than Co-57 (77.2 and 70.9 days against 271.7), so a sheet gets better with age. Their photons pass
septa and add counts that no collimator has shaped. L. Zimmermann, D. Jordan (AAPM 2018, abstract read) followed the
ratio of counts at 200 to 600 keV to those at 122 keV in two new sheets: it decayed with about these half-lives, and
uniformity got better for two months. R. W. Cranage, Br J Radiol 52, 81 (1979), is the first report (title read).
"""

from __future__ import annotations

import math

from daq.model.nuclide_table import nuclide
from daq.qc.sources import CO56_HALF_LIFE_S, CO58_HALF_LIFE_S

CO57_PER_100 = 85.60 + 10.68
CO56_PER_100 = 252.65 + 38.05
CO58_PER_100 = 100.66 + 29.80
"""Photons above 200 keV per 100 decays of Co-56 and Co-58, annihilation among them, and those of Co-57 at 122 and 136
keV: ICRP 107, counted of its tables."""
UNSETTLED_PERCENT = 1.0
"""High-energy photons in per cent of those of Co-57 from which on a flood is remarked on. A choice of scandaq: at 1 %,
and more of them passing the septa than of the others, a few per cent of counts in the picture are theirs."""


def high_energy_percent(age_s: float, co56_percent: float, co58_percent: float) -> float:
    """Return photons above 200 keV sent out per 100 photons of 122 and 136 keV, `age_s` after the reference time.

    `co56_percent`, `co58_percent`: of the activity of Co-57 at that time, as the certificate says.
    """
    left = nuclide("Co-57").activity_factor(age_s)
    high = co56_percent * CO56_PER_100 * math.exp2(-age_s / CO56_HALF_LIFE_S)
    high += co58_percent * CO58_PER_100 * math.exp2(-age_s / CO58_HALF_LIFE_S)
    return high / left / CO57_PER_100


def settled_after_s(co56_percent: float, co58_percent: float, below_percent: float = UNSETTLED_PERCENT) -> float:
    """Return the age from which on high-energy photons are fewer than so many per cent; 0 where they are already.

    By halving an interval: with two half-lives there is no closed form; with one there is, and it is met to a second.
    """
    low, high = 0.0, 40.0 * CO56_HALF_LIFE_S
    if high_energy_percent(low, co56_percent, co58_percent) <= below_percent:
        return 0.0
    while high - low > 1.0:
        middle = (low + high) / 2.0
        if high_energy_percent(middle, co56_percent, co58_percent) > below_percent:
            low = middle
        else:
            high = middle
    return high
