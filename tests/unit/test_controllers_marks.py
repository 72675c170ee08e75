"""Where an axis on a controller was is told with the time at which it was there."""

from __future__ import annotations

import asyncio

import pytest
from support_controllers import KINDS, at_100
from support_virtual import VirtualLoop, virtually

from daq.devices.abilities import Sample


@pytest.mark.parametrize("spoilt", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_place_belongs_to_the_moment_it_was_asked_for(kind: str, spoilt: bool) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with at_100(kind, loop) as rig:
            off: list[float] = []

            def hear(_: str, sample: Sample) -> None:
                if not sample.moving or not rig.motor.moving:
                    return
                speed = rig.motor.velocity / rig.kind.steps.per_unit
                off.append(abs(rig.place - speed * (loop.time() - sample.monotonic_s) - sample.position))
                if spoilt and len(off) in (3, 6, 9):
                    rig.link.faults.add({"kind": "missing", "after": len(off) // 3})

            await asyncio.wait_for(rig.axis.move_to(140.0, speed=20.0, sampled=hear), 20.0)
            assert len(off) > 10
            assert max(off) < 20.0 * 0.005  # of an exchange of 4 ms at the most

    virtually(main)
