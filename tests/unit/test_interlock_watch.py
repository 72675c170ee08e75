"""Interlocks as they are read and announced: often in a hurry, old where nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support_meter import Meter
from support_virtual import VirtualLoop, virtually

from daq.model.station import Reading
from daq.services.bus import Bus
from daq.services.motion.watch import Cadence, InterlockWatch
from daq.state.interlock import Interlock


def watched(body: Callable[[InterlockWatch, Meter, Bus], Coroutine[Any, Any, None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        meter, other, bus = Meter("head"), Meter("other"), Bus()
        watch = InterlockWatch({"head": meter, "other": other}, bus, cadence=Cadence(), clock=loop.time)
        assert [it.value for it in watch.current()] == [None, None]
        task = asyncio.create_task(watch.run())
        with watch.hurry():
            await asyncio.sleep(0.35)
            await body(watch, meter, bus)
        assert all(it.trouble(loop.time()) is None for it in watch.current() if it.name.startswith("other."))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtually(main)


def one(watch: InterlockWatch) -> Interlock:
    return next(it for it in watch.current() if it.name == "head.service_cover")


def test_a_change_is_told_at_once_and_announced() -> None:
    async def body(watch: InterlockWatch, meter: Meter, bus: Bus) -> None:
        heard: list[Interlock] = []
        watch.listen(_fails)
        watch.listen(heard.append)
        meter.closed = False
        await asyncio.sleep(0.15)
        meter.closed = True
        await asyncio.sleep(0.15)
        assert [it.value for it in heard] == [False, True]
        assert [it.quality for it in bus.newest() if isinstance(it, Reading) and it.device == "head"] == ["good"]

    watched(body)


def _fails(_: Interlock) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("how", ["hangs", "failure"])
def test_a_source_that_does_not_answer_grows_old_and_delays_no_other(how: str) -> None:
    async def body(watch: InterlockWatch, meter: Meter, bus: Bus) -> None:
        setattr(meter, how, OSError("gone") if how == "failure" else True)
        await asyncio.sleep(2.0)
        now_s = asyncio.get_running_loop().time()
        assert "at most 0.5 s is fresh" in (one(watch).trouble(now_s) or "")
        assert one(watch).value is True
        said = {it.device: it.quality for it in bus.newest() if isinstance(it, Reading)}
        assert said == {"head": "stale", "other": "good"}
        assert watch.failures >= 1

    watched(body)


def test_an_interlock_is_as_old_as_the_question_not_as_the_answer() -> None:
    async def main(loop: VirtualLoop) -> None:
        meter = Meter("head")
        meter.takes_s = 0.25
        watch = InterlockWatch({"head": meter}, Bus(), clock=loop.time)
        asked_s = loop.time()
        await watch.refresh()
        assert loop.time() == pytest.approx(asked_s + 0.25)
        assert one(watch).read_monotonic_s == asked_s

    virtually(main)


def test_sources_are_read_seldom_until_somebody_is_in_a_hurry_and_then_at_once() -> None:
    async def main(loop: VirtualLoop) -> None:
        meter = Meter("head")
        watch = InterlockWatch({"head": meter}, Bus(), clock=loop.time)
        task = asyncio.create_task(watch.run())
        await asyncio.sleep(10.2)
        assert 20 <= meter.asked <= 22
        assert one(watch).stale_s == 1.25
        before = meter.asked
        with watch.hurry(), watch.hurry():
            await asyncio.sleep(0.01)
            assert meter.asked == before + 1
            assert one(watch).stale_s == 0.5
            await asyncio.sleep(10.0)
            assert 100 <= meter.asked - before <= 102
        before = meter.asked
        await asyncio.sleep(10.0)
        assert 20 <= meter.asked - before <= 22
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    virtually(main)


def test_every_source_is_read_when_it_is_asked_for() -> None:
    async def main(loop: VirtualLoop) -> None:
        meter = Meter("head")
        watch = InterlockWatch({"head": meter}, Bus(), clock=loop.time)
        await watch.refresh()
        assert one(watch).trouble(loop.time()) is None

    virtually(main)
