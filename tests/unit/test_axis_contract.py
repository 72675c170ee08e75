"""Every axis there is keeps the contract."""

from __future__ import annotations

from support_axis_contract import AxisContract, Rig
from support_motion import BED, GANTRY
from support_stepper import STEPS, Controller, StepperDrive
from support_virtual import VirtualLoop

from daq.devices.axis import DrivenAxis
from daq.devices.limits import AxisLimits
from daq.devices.simulated.axes import SimulatedAxis, SimulatedBed


class TestSimulatedAxis(AxisContract):
    def rig(self, loop: VirtualLoop) -> Rig:
        axis = SimulatedAxis("gantry", GANTRY, clock=loop.time, at=30.0)
        return Rig(axis, 30.0, 90.0, axis.drive.is_moving, axis.drive.true_place, loop.time)


class TestSimulatedBed(AxisContract):
    def rig(self, loop: VirtualLoop) -> Rig:
        bed = SimulatedBed("bed", BED, clock=loop.time, at=500.0)
        return Rig(bed, 500.0, 100.0, bed.drive.is_moving, bed.drive.true_place, loop.time)


class TestAxisOverAStepperThatTalksInLines(AxisContract):
    def rig(self, loop: VirtualLoop) -> Rig:
        limits = AxisLimits("mm", 0.0, 100.0, 10.0)
        controller = Controller(limits, 20.0, loop.time)
        axis = DrivenAxis("radius", limits, StepperDrive(controller), clock=loop.time)

        def place() -> float:
            controller.catch_up()
            return controller.steps / STEPS

        def is_moving() -> bool:
            controller.catch_up()
            return controller.moving

        return Rig(axis, 20.0, 60.0, is_moving, place, loop.time)
