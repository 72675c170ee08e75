"""The movement of one axis while a step records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daq.model.protocol import Sweep
from daq.model.protocol_terms import Tolerances
from daq.services.acquisition.pacing import SweepPace
from daq.services.acquisition.places import Places
from daq.services.alarms import Alarms

if TYPE_CHECKING:
    from daq.services.motion.engine import MotionEngine


async def swept(engine: MotionEngine, sweep: Sweep, places: Places, tolerances: Tolerances, alarms: Alarms) -> None:
    """Return once the axis stands at the end, its speed judged all the way.

    It begins when something is recorded: photons of the way's beginning count, too. Raise what the engine raises.
    """
    await places.begun()
    pace = SweepPace(sweep, tolerances, alarms)
    try:
        with engine.where.listening(pace.heard):
            await engine.sweep(sweep.axis, sweep.begin, sweep.end, sweep.speed)
    finally:
        pace.over()
