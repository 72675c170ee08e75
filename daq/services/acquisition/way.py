"""What the steps of a run are taken with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daq.model.station import Priority
from daq.services.acquisition.beating import Beating
from daq.services.acquisition.link import Link
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.mounting import Sensed
from daq.services.acquisition.places import Places
from daq.services.acquisition.uptake import UptakeTime
from daq.services.acquisition.work import Work
from daq.services.alarms import Alarms

if TYPE_CHECKING:
    from daq.services.motion.engine import MotionEngine


@dataclass(frozen=True, slots=True)
class Way:
    """What the steps of a run are taken with. `readout` gives the link, or refuses while there is none."""

    machine: Machine
    motion: MotionEngine
    work: Work
    alarms: Alarms
    readout: Callable[[], Link]
    end: Callable[[str], Awaitable[None]]
    """Ends the recording for a reason."""
    fault: Callable[[str], Awaitable[None]]
    lost: Callable[[str], Awaitable[None]]
    """Ends a step that moves before its axis has arrived."""
    short: Callable[[str, Priority], None]
    """Hears that a step has fewer counts than its protocol wants, and how urgent that is."""
    patience_s: float
    """How long to wait for the motion enable."""
    places: Places
    beating: Beating
    uptake: UptakeTime
    collimator: Sensed
