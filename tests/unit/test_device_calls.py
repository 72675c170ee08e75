"""Deadlines hold whatever a driver does, and what must be seen through is."""

from __future__ import annotations

import asyncio

import pytest
from support_virtual import VirtualLoop, virtually

from daq.devices.calls import Calls, see_through
from daq.errors import DeadlineError, UnreachableError


async def stubborn(seconds: float) -> str:
    """Go on though cancelled."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + seconds
    while loop.time() < until_s:
        try:
            await asyncio.sleep(until_s - loop.time())
        except asyncio.CancelledError:
            continue
    return "late"


def test_a_call_that_answers_in_time_answers() -> None:
    async def main(loop: VirtualLoop) -> None:
        assert await Calls("hv").within(asyncio.sleep(0.2, "yes"), 0.3, "ask") == "yes"

    virtually(main)


def test_a_call_that_swallows_its_cancellation_misses_its_deadline_all_the_same() -> None:
    async def main(loop: VirtualLoop) -> None:
        ended: list[str] = []
        calls = Calls("hv", late_ended=ended.append)
        begun_s = loop.time()
        with pytest.raises(DeadlineError, match=r"hv: no answer in 0\.3 s to ask"):
            await calls.within(stubborn(5.0), 0.3, "ask")
        assert loop.time() - begun_s == pytest.approx(0.3)
        assert (calls.late, calls.missed, ended) == (1, 1, [])
        await asyncio.sleep(5.0)
        assert (calls.late, ended) == (0, ["hv: ask"])

    virtually(main)


def test_what_a_call_raises_is_raised_and_one_that_gives_up_is_no_cancellation_of_ours() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    async def gives_up() -> None:
        raise asyncio.CancelledError

    async def main(loop: VirtualLoop) -> None:
        with pytest.raises(ZeroDivisionError):
            await Calls("hv").within(broken(), 1.0, "ask")
        with pytest.raises(UnreachableError, match="hv: gave up ask"):
            await Calls("hv").within(gives_up(), 1.0, "ask")

    virtually(main)


def test_calls_that_hang_are_bounded_and_the_one_too_many_is_not_made() -> None:
    async def main(loop: VirtualLoop) -> None:
        calls, made = Calls("hv", most=3), []

        async def ask() -> None:
            made.append(1)
            await stubborn(50.0)

        for _ in range(3):
            with pytest.raises(DeadlineError):
                await calls.within(ask(), 0.1, "ask")
        with pytest.raises(UnreachableError, match="3 calls hang, the last was not made: ask"):
            await calls.within(ask(), 0.1, "ask")
        assert len(made) == 3
        await asyncio.sleep(60.0)
        with pytest.raises(DeadlineError):
            await calls.within(ask(), 0.1, "ask")
        await asyncio.sleep(60.0)

    virtually(main)


def test_a_cancelled_caller_leaves_a_call_that_is_looked_after() -> None:
    async def main(loop: VirtualLoop) -> None:
        calls = Calls("hv")
        caller = asyncio.create_task(calls.within(stubborn(5.0), 9.0, "ask"))
        await asyncio.sleep(1.0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert calls.late == 1
        await asyncio.sleep(5.0)
        assert calls.late == 0

    virtually(main)


def test_what_is_seen_through_ends_though_everybody_cancels_it() -> None:
    async def main(loop: VirtualLoop) -> None:
        kept: set[asyncio.Task[str]] = set()
        starts = []

        async def stop() -> str:
            starts.append(1)
            await asyncio.sleep(1.0)
            return "stands"

        caller = asyncio.create_task(see_through(stop, "stop", kept))
        await asyncio.sleep(0.1)
        for _ in range(3):
            caller.cancel()
            await asyncio.sleep(0.1)
        (inner,) = kept
        inner.cancel()  # as a loop does that shuts down
        assert await caller == "stands"
        assert len(starts) == 2
        assert kept == set()

        hopeless = asyncio.create_task(see_through(stop, "stop", kept))
        for _ in range(2):
            await asyncio.sleep(0.1)
            kept.pop().cancel()
        with pytest.raises(UnreachableError, match="stop was cancelled twice"):
            await hopeless

    virtually(main)
