"""What a run works with, whatever it acquires."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daq.services.acquisition.beating import Seen, nobody_sees
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.mounting import Sensed, nothing_sensed
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.state.acquisition import State

if TYPE_CHECKING:
    from daq.services.acquisition.run import Run
    from daq.services.motion.engine import MotionEngine


@dataclass(frozen=True, slots=True)
class Around:
    """What a run works with."""

    machine: Machine
    bus: Bus
    alarms: Alarms
    motion: MotionEngine
    on_ended: Callable[[Run, State, str], Awaitable[None]]
    """Awaited when the recording is sealed or lost, before anybody hears of it: the run, its outcome, why."""
    on_hashed: Callable[[Run], Awaitable[None]]
    """Awaited when the readout has ended for good."""
    arming_s: float = 900.0
    """How long an armed acquisition waits for its start."""
    beats: Seen = nobody_sees
    collimator: Sensed = nothing_sensed
