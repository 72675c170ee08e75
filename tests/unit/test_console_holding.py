"""What is moved by a held button begins only while it is held, and is stopped until it has ended where it is let go."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from support_gateway import key, room

from daq.errors import DeadlineError, RefusedError
from daq.gateway import holding
from daq.gateway.holding import Hands
from daq.gateway.live.hand import Hand

HOLDING, STOP = json.dumps({"type": "holding"}), json.dumps({"type": "stop-motion"})


class Axes:
    def __init__(self) -> None:
        self.begun, self.stops = 0, 0
        self.stand = asyncio.Event()

    async def move(self) -> str:
        self.begun += 1
        await self.stand.wait()
        return "arrived"

    async def stop(self) -> None:
        self.stops += 1
        if self.begun and self.stops > 1:  # the first came before the controller had taken its command
            self.stand.set()


async def test_a_movement_that_comes_after_its_button_was_let_go_does_not_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holding, "SOON_S", 0.05)
    axes, hands = Axes(), Hands()
    hand = Hand(axes.stop)
    with hands.there("s1", hand):
        hand.said(HOLDING)
        hand.said(STOP)
        with pytest.raises(RefusedError, match="home is done only while its button is held"):
            await hands.while_held("s1", "home", axes.move, axes.stop)
    assert axes.begun == 0


async def test_another_session_s_hand_is_not_this_one_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "SOON_S", 0.05)
    axes, hands = Axes(), Hands()
    hand = Hand(axes.stop)
    with hands.there("s2", hand):
        hand.said(HOLDING)
        with pytest.raises(RefusedError):
            await hands.while_held("s1", "home", axes.move, axes.stop)


async def test_a_hold_that_comes_a_moment_after_its_command_serves() -> None:
    axes, hands = Axes(), Hands()
    hand = Hand(axes.stop)
    axes.stand.set()
    with hands.there("s1", hand):
        asyncio.get_running_loop().call_later(0.1, hand.said, HOLDING)
        async with asyncio.timeout(2):
            assert await hands.while_held("s1", "home", axes.move, axes.stop) == "arrived"
    assert not hands.hold("s1")


async def test_what_is_let_go_is_stopped_until_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "_STOP_AGAIN_S", 0.01)
    monkeypatch.setattr(holding, "_LOOK_S", 0.01)
    axes, hands = Axes(), Hands()
    hand = Hand(axes.stop)
    with hands.there("s1", hand):
        hand.said(HOLDING)
        moving = asyncio.create_task(hands.while_held("s1", "retreat", axes.move, axes.stop))
        while not axes.begun:
            await asyncio.sleep(0)
        hand.said(json.dumps({"type": "let-go"}))
        async with asyncio.timeout(2):
            await moving
    assert axes.stops >= 2


async def test_a_stop_that_fails_is_tried_again_whatever_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "_STOP_AGAIN_S", 0.01)
    monkeypatch.setattr(holding, "_LOOK_S", 0.01)
    axes, hands = Axes(), Hands()
    hand = Hand(axes.stop)

    async def stop() -> None:
        await axes.stop()
        if axes.stops == 1:
            raise ValueError("a fault of the program")

    with hands.there("s1", hand):
        hand.said(HOLDING)
        moving = asyncio.create_task(hands.while_held("s1", "retreat", axes.move, stop))
        while not axes.begun:
            await asyncio.sleep(0)
        hand.said(json.dumps({"type": "let-go"}))
        async with asyncio.timeout(2):
            assert await moving == "arrived"


async def test_what_goes_on_when_nobody_waits_for_it_any_longer_is_stopped() -> None:
    axes, hands = Axes(), Hands()
    hand = Hand(axes.stop)

    async def move() -> None:
        raise DeadlineError("home is not done after 600 s and goes on; ask for the status")

    with hands.there("s1", hand):
        hand.said(HOLDING)
        with pytest.raises(DeadlineError):
            await hands.while_held("s1", "home", move, axes.stop)
    assert axes.stops == 1


async def test_over_http_homing_without_a_held_button_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "SOON_S", 0.05)
    here = room(tmp_path)

    answer = await here.signed_in().post("/api/v1/commands/home", json={"axes": []}, headers=key())

    assert (answer.status_code, here.desk.verbs()) == (409, [])
    assert "nothing has moved" in answer.json()["detail"]
