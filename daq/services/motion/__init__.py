"""Movement of a station's axes: enabled by a person, guarded by interlocks, stopped on every way out."""

from daq.services.motion.engine import MotionEngine
from daq.services.motion.report import AxisStop, MotionLoss, StopReport
from daq.services.motion.watch import InterlockWatch

__all__ = ["AxisStop", "InterlockWatch", "MotionEngine", "MotionLoss", "StopReport"]
