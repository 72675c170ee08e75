"""What a browser holds goes on only while it says so; what it stops is stopped, whatever else the socket carries."""

from __future__ import annotations

import asyncio
import json

import pytest

from daq.errors import UnreachableError
from daq.gateway.live.hand import Hand


class Axes:
    def __init__(self, *, fails: bool = False) -> None:
        self.stops = 0
        self.fails = fails
        self.stopped = asyncio.Event()

    async def stop(self) -> dict[str, object]:
        self.stops += 1
        self.stopped.set()
        if self.fails:
            raise UnreachableError("nobody answers")
        return {"stopped": {"ok": True}}


def say(kind: str) -> str:
    return json.dumps({"type": kind})


async def test_a_stop_over_the_socket_stops_at_once() -> None:
    axes = Axes()
    assert Hand(axes.stop).said(say("stop-motion"))

    async with asyncio.timeout(1):
        await axes.stopped.wait()


async def test_what_became_of_a_stop_is_told_on_the_socket_that_said_it() -> None:
    told: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    hand = Hand(Axes().stop, tell=told.put)

    hand.said(json.dumps({"type": "stop-motion", "number": 7}))

    async with asyncio.timeout(1):
        assert await told.get() == {"type": "stopped", "number": 7, "stopped": {"ok": True}}


async def test_a_hold_that_is_not_renewed_is_let_go() -> None:
    axes = Axes()
    hand = Hand(axes.stop, held_s=0.02)
    hand.said(say("holding"))

    async with asyncio.timeout(1):
        await axes.stopped.wait()
    assert not hand.holds


async def test_a_hold_that_is_renewed_goes_on_and_ends_without_a_stop_where_it_has_arrived() -> None:
    axes = Axes()
    hand = Hand(axes.stop, held_s=30.0)
    for _ in range(3):
        hand.said(say("holding"))
    assert hand.holds

    hand.said(say("let-go"))
    hand.gone()
    await asyncio.sleep(0)

    assert (hand.holds, axes.stops) == (False, 0)


async def test_a_browser_that_goes_while_it_holds_lets_go() -> None:
    axes = Axes()
    hand = Hand(axes.stop)
    hand.said(say("holding"))
    hand.gone()

    async with asyncio.timeout(1):
        await axes.stopped.wait()


async def test_a_stop_that_fails_is_no_end_of_the_socket() -> None:
    axes = Axes(fails=True)
    hand = Hand(axes.stop)
    hand.said(say("stop-motion"))
    async with asyncio.timeout(1):
        await axes.stopped.wait()
    hand.said(say("stop-motion"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert axes.stops == 2


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"type": 7}', '{"type": ["holding"]}', '{"type": "ack", "seq": 1}', "x" * 1000]
)
async def test_what_is_not_for_the_hand_is_left_to_others(text: str) -> None:
    axes = Axes()
    hand = Hand(axes.stop)

    assert (hand.said(text), hand.holds, axes.stops) == (False, False, 0)
