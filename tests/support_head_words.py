"""Words of gamma-camera heads that send positions and energies, and of the R waves they are told, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from support_recording import MS, packet

from daq.model.processing import Processing
from daq.model.windows import EnergyWindow
from device_profiles.load import load_profile

HEADS = load_profile("head-xye64")
PHOTOPEAK = EnergyWindow(126.0, 154.0, "photopeak")
WINDOWED = Processing(windows=(PHOTOPEAK,))
_STEP_MM = 0.6
_PS_PER_US = 10**6


def event(time_ps: int, head: int = 0, kev: float = 140.5, x_mm: float = 0.0, y_mm: float = 0.0) -> int:
    """Return the word of a single; places are rounded to 0.6 mm."""
    x, y = (round(place / _STEP_MM) & 1023 for place in (x_mm, y_mm))
    return 0b01 << 62 | head << 60 | time_ps // _PS_PER_US << 30 | round(2 * kev) << 20 | y << 10 | x


def r_wave(time_ps: int, number: int = 0) -> int:
    """Return the word of a trigger."""
    return 0b10 << 62 | time_ps // _PS_PER_US << 30 | number


@dataclass
class Sender:
    """Makes datagrams of words, each of one source; arrival follows the time of their last word."""

    datagrams: list[bytes]
    arrivals_ns: list[int]
    sent: dict[int, int]

    @classmethod
    def new(cls) -> Sender:
        return cls([], [], {})

    def send(self, words: Iterable[int], source: int = 0, *, lost: int = 0) -> None:
        """Send words in one datagram; `lost` words were lost before them."""
        sending = list(words)
        first = self.sent.get(source, 0) + lost
        self.datagrams.append(packet(source, first, sending))
        self.sent[source] = first + len(sending)
        latest_us = max(((word >> 30) & (1 << 30) - 1 for word in sending), default=0)
        self.arrivals_ns.append(10**15 + latest_us * 1000 + len(self.arrivals_ns))


def beats(intervals_ms: Iterable[int], *, from_ms: int = 0) -> list[int]:
    """Return the times of triggers with these intervals between them, ps, the first at `from_ms`."""
    times = [from_ms]
    for interval in intervals_ms:
        times.append(times[-1] + interval)
    return [time_ms * MS for time_ms in times]
