"""Where photopeaks are against where they should be, head by head, and whether a window follows them.

A peak is set on a source. On a patient it is looked at only: scatter in the body pulls it low, and a window that
followed it would take in more of that scatter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from daq.errors import LimitError, RefusedError
from daq.model.windowchange import Allowed, WindowEdges
from daq.model.windows import EnergyWindow

NEEDED_COUNTS = 2000
"""In the window of each head, of the last seconds: a peak of 10 % width is then known to a quarter of a keV at 140."""
_SURE = 2.0
"""What is less than so many standard deviations off, or than `_LEAST_KEV`, is not moved."""
_LEAST_KEV = 0.2
_STEP_KEV = 0.1


@dataclass(frozen=True, slots=True)
class HeadPeak:
    """The peak of one head in keV, with its standard deviation by counting; None where none was found."""

    head: int
    counts: int
    kev: float | None = None
    error_kev: float | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """How far the peaks of all heads together are off a line, with the standard deviation, in keV."""

    line_kev: float
    kev: float
    error_kev: float
    most_kev: float
    """Of the heads, the one that is furthest off: its shift."""

    @property
    def percent(self) -> float:
        """Return the shift in per cent of the line."""
        return 100.0 * self.kev / self.line_kev

    @property
    def is_sure(self) -> bool:
        """Return True where there is something to follow: more than counting alone could make it."""
        return abs(self.kev) >= max(_LEAST_KEV, _SURE * self.error_kev)


def shift_of(heads: Sequence[HeadPeak], line_kev: float) -> Shift:
    """Return the shift of the heads. Raise `LimitError` that says how many counts are missing, and of which head.

    Raises `RefusedError` where a head has counts enough and no peak near its window.
    """
    if not heads:
        raise RefusedError("no head shows a spectrum: nothing can be measured")
    for each in heads:
        if each.counts < NEEDED_COUNTS:
            raise LimitError(
                f"head {each.head} has {each.counts} counts in the window in the last seconds, {NEEDED_COUNTS} are "
                f"needed: {NEEDED_COUNTS - each.counts} are missing. Wait, or bring the source nearer"
            )
    found = [(each.kev - line_kev, each.error_kev or 0.0) for each in heads if each.kev is not None]
    if len(found) < len(heads):
        without = ", ".join(str(each.head) for each in heads if each.kev is None)
        raise RefusedError(
            f"head {without} shows no peak near {line_kev:g} keV: look at nuclide and spectrum; tell the physicist"
        )
    mean_kev = sum(kev for kev, _ in found) / len(found)
    error_kev = math.sqrt(sum(error**2 for _, error in found)) / len(found)
    return Shift(line_kev, mean_kev, error_kev, max((kev for kev, _ in found), key=abs))


def require_within(shift: Shift, heads: Sequence[HeadPeak], allowed: Allowed) -> None:
    """Raise `RefusedError` where a head is further off than is allowed: that is no drift that a window follows."""
    limit_kev = shift.line_kev * allowed.limit_percent / 100.0
    if abs(shift.most_kev) <= limit_kev:
        return
    told = ", ".join(f"head {each.head} {each.kev - shift.line_kev:+.1f} keV" for each in heads if each.kev is not None)
    raise RefusedError(
        f"the photopeak is too far off {shift.line_kev:g} keV: {told}; at most {limit_kev:.1f} keV "
        f"({allowed.limit_percent:g} %) are corrected by a window. Do not acquire: look at high voltage, temperature "
        "and nuclide, and tell the physicist"
    )


def recentred(signed: EnergyWindow, shift: Shift) -> WindowEdges:
    """Return the window of the protocol, moved with the peak in steps of 0.1 keV; an offset that it has is kept."""
    by_kev = round(shift.kev / _STEP_KEV) * _STEP_KEV
    lower_kev, upper_kev = (round(edge + by_kev, 2) for edge in (signed.lower_kev, signed.upper_kev))
    return WindowEdges(window=signed.name, lower_kev=lower_kev, upper_kev=upper_kev, how="by its peak")
