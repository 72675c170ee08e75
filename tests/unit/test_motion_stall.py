"""Movements while the program, or its host, stood still for a moment: nobody could read interlocks then."""

from __future__ import annotations

import asyncio

import pytest
from support_motion import Gantry
from support_virtual import VirtualLoop, virtually

from daq.errors import MotionError


async def sweeping(loop: VirtualLoop) -> tuple[Gantry, asyncio.Task[None]]:
    gantry = Gantry(loop)
    await gantry.ready()
    gantry.engine.latch()
    sweep = asyncio.create_task(gantry.engine.sweep("bed", 100.0, 130.0, 10.0), name="sweep")
    await asyncio.sleep(0.5)
    assert gantry.engine.moving
    return gantry, sweep


def test_a_moment_in_which_all_stood_still_ends_no_sweep() -> None:
    async def main(loop: VirtualLoop) -> float:
        gantry, sweep = await sweeping(loop)
        loop.jumping.now_s += 0.7
        await sweep
        return await gantry.bed.position()

    assert virtually(main) == pytest.approx(130.0, abs=0.1)


def test_a_pad_that_was_hit_meanwhile_ends_it_at_once() -> None:
    async def main(loop: VirtualLoop) -> float:
        gantry, sweep = await sweeping(loop)
        loop.jumping.now_s += 0.7
        gantry.chain.hit_pad()
        back_s = loop.time()
        with pytest.raises(MotionError, match="pad"):
            await sweep
        return loop.time() - back_s

    assert virtually(main) < 0.5


def test_interlocks_that_nobody_reads_afterwards_end_it_a_moment_later() -> None:
    async def main(loop: VirtualLoop) -> float:
        gantry, sweep = await sweeping(loop)
        await gantry.stop_watching()
        loop.jumping.now_s += 0.7
        back_s = loop.time()
        with pytest.raises(MotionError, match="is fresh"):
            await sweep
        return loop.time() - back_s

    assert virtually(main) < 0.5
