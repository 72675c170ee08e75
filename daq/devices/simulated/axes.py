"""Axis and bed as they come from the builder: driven by a simulated motor, with its contacts as interlocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from daq.devices.axis import DrivenAxis
from daq.devices.bed import DrivenBed
from daq.devices.drive import Timing
from daq.devices.limits import AxisLimits
from daq.devices.simulated.actions import Action, Given, act, number, of_line, plain
from daq.devices.simulated.drive import SimulatedDrive
from daq.devices.simulated.safety import SafetyChain
from daq.devices.simulated.telling import Tell
from daq.state.interlock import Kind


class SimulatedAxis(DrivenAxis):
    """An `Axis` and an `InterlockSource`; `drive` is what faults are done to."""

    def __init__(
        self,
        name: str,
        limits: AxisLimits,
        chain: SafetyChain | None = None,
        *,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
        at: float | None = None,
        tell: Tell | None = None,
    ) -> None:
        self.drive = SimulatedDrive(name, limits, chain, at=at, clock=clock, tell=tell)
        super().__init__(name, limits, self.drive, timing=timing, clock=clock)

    @property
    def interlock_kinds(self) -> frozenset[Kind]:
        """Return which contacts the controller reads."""
        return frozenset({Kind.EMERGENCY_STOP, Kind.COLLISION_PAD, Kind.DRIVE_POWER})

    async def interlocks(self) -> Mapping[Kind, bool]:
        """Return emergency stop, pad and drive power, as the controller reports them."""
        await self._asking.within(self.drive.line.answer(), self._timing.reply_s, "interlocks")
        return self.drive.interlocks()

    def simulate(self, action: str, value: Given = None) -> None:
        """Do to the axis, or to the safety chain of its gantry, what the world would; raise `UsageError`."""
        act(self.name, self._actions(), action, value)

    def _actions(self) -> dict[str, Action]:
        chain, drive = self.drive.chain, self.drive
        return {
            "press-emergency-stop": plain(chain.press_emergency_stop),
            "reset-emergency-stop": plain(chain.reset_emergency_stop),
            "hit-pad": plain(chain.hit_pad),
            "free-pad": plain(chain.free_pad),
            "stall": plain(drive.stall),
            "block-at": number(
                drive.block_at, least=drive.limits.minimum, most=drive.limits.maximum, unit=drive.limits.unit
            ),
            "free": plain(drive.free),
            "slip": number(drive.slip, least=-500.0, most=500.0, unit=drive.limits.unit),
            "drag": number(drive.drag, least=0.01, most=3.0, unit="times the speed"),
            "cut-power": plain(drive.cut_power),
            "restore-power": plain(drive.restore_power),
            **of_line(drive.line),
        }


class SimulatedBed(SimulatedAxis, DrivenBed):
    """A `Bed` and an `InterlockSource`."""
