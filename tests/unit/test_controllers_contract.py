"""Axes on motion controllers do what every axis must do; each controller speaks its own protocol, in virtual time."""

from __future__ import annotations

from support_axis_contract import AxisContract, Body, Rig
from support_controllers import KINDS, LIMITS, at_100
from support_virtual import VirtualLoop, virtually


class OnController(AxisContract):
    """The contract on one kind of controller, homed, at 100 degrees."""

    kind = ""

    def run(self, body: Body) -> None:
        async def main(loop: VirtualLoop) -> None:
            async with at_100(self.kind, loop) as rig:
                await body(Rig(rig.axis, 100.0, 140.0, lambda: rig.motor.velocity != 0, lambda: rig.place, loop.time))
                assert rig.motor.velocity == 0
                assert LIMITS.holds(rig.place)

        virtually(main)


class TestZaber(OnController):
    kind = "zaber-ascii"


class TestPi(OnController):
    kind = "pi-gcs2"


class TestTrinamic(OnController):
    kind = "tmcl"


def test_every_kind_of_controller_is_held_to_the_contract() -> None:
    assert {TestZaber.kind, TestPi.kind, TestTrinamic.kind} == set(KINDS)
