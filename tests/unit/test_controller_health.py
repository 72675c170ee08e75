"""How sound a controller's wire is, as readings and figures: a short doubt is none, a long one says why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from support_virtual import VirtualLoop, virtually

from daq.devices.instruments.talk import Tally
from daq.model.station import Reading
from daq.services.bus import Bus
from daq.services.controllerhealth import ControllerHealth

Story = Callable[[SimpleNamespace, list[Reading], ControllerHealth], Coroutine[Any, Any, None]]


def looked(story: Story) -> None:
    async def main(loop: VirtualLoop) -> None:
        session = SimpleNamespace(suspect="", tally=Tally(), spoke_s=1e9)
        bus, said = Bus(), []
        instruments: Any = {"supply": SimpleNamespace(session=session)}
        health = ControllerHealth(instruments, bus, clock=loop.time)
        with bus.listening(lambda it: said.append(it) if isinstance(it, Reading) else None):
            task = asyncio.create_task(health.run())
            await asyncio.sleep(0.1)
            await story(session, said, health)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    virtually(main)


def wire(said: list[Reading]) -> list[tuple[Any, str, str]]:
    return [(it.value, it.quality, it.level) for it in said if it.name == "wire"]


def test_a_doubt_that_is_over_soon_is_counted_and_no_more() -> None:
    async def story(session: SimpleNamespace, said: list[Reading], _: ControllerHealth) -> None:
        session.suspect, session.tally.lost = "no reply in 0.5 s", 1
        await asyncio.sleep(2.0)
        session.suspect, session.tally.resyncs = "", 1
        await asyncio.sleep(5.0)
        assert wire(said) == [("sound", "good", "")]
        counted = {it.name: it.value for it in said if it.name != "wire"}
        assert counted == {"wire_lost": 1, "wire_strays": 0, "wire_resyncs": 1, "wire_opened": 0}

    looked(story)


def test_a_doubt_that_lasts_says_why_and_is_over_soon() -> None:
    async def story(session: SimpleNamespace, said: list[Reading], _: ControllerHealth) -> None:
        session.suspect = "it hung up"
        await asyncio.sleep(4.0)
        assert wire(said)[1:] == [("it hung up", "out_of_limits", "alarm")]
        session.suspect = ""
        await asyncio.sleep(1.1)
        assert wire(said)[2:] == [("sound", "good", "")]

    looked(story)


def test_an_instrument_that_is_about_to_be_asked_who_it_is_has_not_answered_yet() -> None:
    async def story(session: SimpleNamespace, said: list[Reading], _: ControllerHealth) -> None:
        session.spoke_s = 0.0
        for _ in range(10):
            session.suspect = "supply: no reply in 0.5 s"
            await asyncio.sleep(1.0)
            session.suspect = ""  # while it is asked
            await asyncio.sleep(1.2)
        assert wire(said) == [("sound", "good", ""), ("no reply in 0.5 s", "out_of_limits", "alarm")]

    looked(story)


def test_what_stays_as_it_is_is_said_again_after_half_a_minute_and_no_sooner() -> None:
    async def story(session: SimpleNamespace, said: list[Reading], _: ControllerHealth) -> None:
        assert len(said) == 5
        await asyncio.sleep(29.0)
        assert len(said) == 5
        await asyncio.sleep(2.0)
        assert len(said) == 10

    looked(story)


def test_the_figures_are_those_of_the_conversation_now() -> None:
    async def story(session: SimpleNamespace, _: list[Reading], health: ControllerHealth) -> None:
        session.tally.exchanges, session.suspect = 41, "it hung up"
        await asyncio.sleep(0.5)
        figures = {asked.name: asked.read() for asked in health.figures()}
        assert figures["scandaq_controller_exchanges"] == {"supply": 41.0}
        assert figures["scandaq_controller_wire_sound"] == {"supply": 0.0}

    looked(story)
