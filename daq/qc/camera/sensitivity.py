"""System sensitivity: counts per second and MBq of a source of known activity, by NEMA NU 1.

NEMA NU 1, "System Planar Sensitivity and Collimator Penetration". Background is taken off; the activity is that at the
beginning of the recording, decayed from when it was assayed, and it decays during the recording.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from daq.errors import RefusedError
from daq.model.nuclides import Nuclide
from daq.qc.camera.alignment import rayleigh_mean

_BQ_PER_MBQ = 1e6


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts in a time: `live_s` is that in which they counted, `lasted_s` from the beginning to the end."""

    counts: float
    live_s: float
    lasted_s: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.counts) and self.counts >= 0.0 and 0.0 < self.live_s <= self.lasted_s * (1 + 1e-9)):
            raise RefusedError(
                f"{self.counts:g} counts in {self.live_s:g} s live of {self.lasted_s:g} s: no measurement of a rate"
            )

    @property
    def rate_cps(self) -> float:
        """Return the rate."""
        return self.counts / self.live_s


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A sensitivity with its sigma by counting, cps/MBq. `activity_mbq`: at the beginning of the recording."""

    cps_per_mbq: float
    noise: float
    activity_mbq: float
    net_cps: float


def system_sensitivity(
    nuclide: Nuclide, source: Counted, activity_mbq: float, since_s: float, background: Counted | None
) -> Sensitivity:
    """Return the sensitivity; `activity_mbq` was there `since_s` seconds before the recording began.

    Raises `RefusedError` for an activity that is none, or a rate not above the background.
    """
    if not 0.0 < activity_mbq < math.inf:
        raise RefusedError(f"an activity of {activity_mbq:g} MBq is none")
    at_start = activity_mbq * nuclide.activity_factor(since_s)
    # decays per second of the live time, as if that were spread evenly over the recording
    mean_mbq = nuclide.decays_between(at_start * _BQ_PER_MBQ, 0.0, source.lasted_s) / source.lasted_s / _BQ_PER_MBQ
    behind = 0.0 if background is None else background.rate_cps
    net = source.rate_cps - behind
    if net <= 0.0:
        raise RefusedError(f"{source.rate_cps:.3g} cps with the source, {behind:.3g} cps without: nothing is left")
    variance = source.counts / source.live_s**2
    variance += 0.0 if background is None else background.counts / background.live_s**2
    return Sensitivity(net / mean_mbq, math.sqrt(variance) / mean_mbq, at_start, net)


def net_activity_mbq(nuclide: Nuclide, assayed_mbq: float, residual_mbq: float, apart_s: float) -> float:
    """Return what was dispensed, at the time of the assay; the residual was measured `apart_s` seconds after it."""
    left = assayed_mbq - residual_mbq * nuclide.activity_factor(-apart_s)
    if left <= 0.0:
        raise RefusedError(f"{assayed_mbq:g} MBq less a residual of {residual_mbq:g} MBq leaves nothing")
    return left


def difference_percent(found: Sequence[Sensitivity]) -> tuple[float, float]:
    """Return how far the most and the least sensitive head differ, in % of their mean, and what counting makes of it.

    NEMA NU 1, "Detector-Detector Sensitivity Variation": 100 (max - min) / max; here of the mean of both.
    """
    values = [one.cps_per_mbq for one in found]
    high, low = max(values), min(values)
    mean = (high + low) / 2.0
    noise = math.hypot(*(one.noise for one in found)) * math.sqrt(2.0 / len(found))
    return 100.0 * (high - low) / mean, 100.0 * noise * math.sqrt(2.0 / math.pi) / mean


def worst_distance_noise_mm(noise_mm: Sequence[float]) -> float:
    """Return the mean of the largest distance that counting gives, of sources with these sigmas along each axis."""
    return rayleigh_mean(max(noise_mm), len(noise_mm))
