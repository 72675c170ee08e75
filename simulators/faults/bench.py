"""What front ends under faults work with: what they share, their packets, and what befalls them once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.model.layout import Clock, Layout
from simulators.faults.badwords import BadWords
from simulators.faults.clock import ClockTurner
from simulators.faults.network import Fault, Wire
from simulators.faults.recorder import Framing, Recorder
from simulators.plan import Part

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all sources of a run share. `paced`: packets go at their due time, otherwise as soon as they may."""

    layout: Layout
    clock: Clock
    framing: Framing
    paced: bool
    wire: Wire
    turner: ClockTurner
    bad: BadWords
    recorder: Recorder


@dataclass(slots=True)
class Event:
    """A fault that happens once, at a time of the recording (ns of the plan) or after so many packets of the source."""

    action: str
    fault: Fault
    at_ns: float | None
    after: int | None

    def due(self, when_ns: int, packets: int) -> bool:
        """Tell whether it happens before the packet with this time and number."""
        return when_ns >= self.at_ns if self.at_ns is not None else packets >= (self.after or 0)


@dataclass(frozen=True, slots=True)
class Rows:
    """The packets `low` to `high` of a part: `slots` in the order of all sources; `now_ns` since the run began."""

    part: Part
    low: int
    high: int
    slots: Ints
    now_ns: int

    def between(self, low: int, high: int) -> Rows:
        """Return packets `low` to `high` of these, counted from the first of these."""
        return Rows(self.part, self.low + low, self.low + high, self.slots[low:high], self.now_ns)

    @property
    def when_ns(self) -> Ints:
        """Return when the packets are due by the recording's own time."""
        return self.part.due_ns[self.low : self.high]

    @property
    def starts(self) -> Ints:
        """Return the words that the packets begin with, within the part, and the one after the last packet."""
        starts = self.part.starts[self.low : self.high + 1]
        return starts if self.high < len(self.part.starts) else np.append(starts, self.part.words)
