"""What is shown of a probe, from counts and time that were read off again and again. No IO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daq.pipeline.probe import NO_RATE, Cue, Net, PeakHold, Rate, Smoothed, corrected, cue, net

_BAR = 20
_MOST_BUSY = 0.99
"""Of a moment in which more came than the dead time allows on average no more than this is believed."""


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """How a probe is shown. Rates per second; `dead_s` of its input; `cue` from and up to."""

    dead_s: float
    time_constant_s: float = 1.0
    background: Rate = NO_RATE
    cue_per_s: tuple[float, float] = (10.0, 5000.0)


@dataclass(frozen=True, slots=True)
class Shown:
    """One look. `counted` and `peak_per_s` are smoothed rates as counted, `true` is corrected for the dead time,
    `net` is that above background.
    """  # noqa: D205

    time_s: float
    counts: int
    counted: Rate
    true: Rate
    net: Net
    peak_per_s: float
    cue: Cue

    def as_json(self) -> dict[str, Any]:
        """Return it with units in its keys."""
        return {
            "time_s": round(self.time_s, 3), "counts": self.counts,
            "rate_per_s": self.counted.per_s, "rate_error_per_s": self.counted.error_per_s,
            "true_per_s": self.true.per_s, "net_per_s": self.net.per_s, "net_error_per_s": self.net.error_per_s,
            "net_sigmas": self.net.sigmas if abs(self.net.sigmas) < 1e9 else None, "peak_per_s": self.peak_per_s,  # noqa: PLR2004
            "level": self.cue.level, "pitch_hz": self.cue.pitch_hz, "click_s": self.cue.click_s,
        }  # fmt: skip

    def __str__(self) -> str:
        """Return it as one line."""
        filled = round(_BAR * self.cue.level)
        return (
            f"{self.time_s:7.1f} s  {self.counted.per_s:9,.1f} ± {self.counted.error_per_s:.1f}/s"
            f"  net {self.net.per_s:9,.1f} ± {self.net.error_per_s:.1f}/s  peak {self.peak_per_s:9,.1f}/s"
            f"  [{'#' * filled:<{_BAR}}]"
        )


class ProbeView:
    """Follows one input in one window."""

    def __init__(self, settings: ProbeSettings) -> None:
        """Begin with the first look."""
        self._settings = settings
        self._smoothed = Smoothed(settings.time_constant_s, (2,))
        self._peak = PeakHold()
        self._before: tuple[int, int, float] | None = None

    def look(self, counts: int, every: int, seconds: float) -> Shown | None:
        """Return what is shown when so many counts in the window, and of all pulses, have come in so many seconds.

        All since the start, by the probe's time. None for the first look, and where no time has passed since the last.
        """
        before, self._before = self._before, (counts, every, seconds)
        if before is None or seconds <= before[2]:
            return None
        self._smoothed.add([counts - before[0], every - before[1]], seconds - before[2])
        (in_window, of_all), (error, _) = self._smoothed.per_s.tolist(), self._smoothed.error_per_s.tolist()
        counted = Rate(in_window, error)
        if self._smoothed.is_credible:
            self._peak.add(counted.per_s)
        highest = float(self._peak.highest) if self._smoothed.is_credible else counted.per_s
        true = corrected(counted, self._settings.dead_s, every_per_s=min(of_all, _MOST_BUSY / self._settings.dead_s))
        above = net(true, self._settings.background)
        low, high = self._settings.cue_per_s
        return Shown(
            seconds, counts, counted, true, above, highest, cue(above.per_s, floor_per_s=low, ceiling_per_s=high)
        )
