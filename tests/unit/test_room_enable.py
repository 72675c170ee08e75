"""The button in the room: what its controller says is pressed, and what is silent is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support_virtual import VirtualLoop, virtually

from daq.devices.abilities import Identity, Quantity, RoomEnable, Value
from daq.errors import UnreachableError
from daq.services.bus import Bus
from daq.services.motion.room import RoomWatch
from daq.services.motion.switch import EnableSwitch
from daq.state.enable import Button, Enable, Event, Reference


class Contact:
    """A button whose wire can be cut."""

    name = "button"
    quantities: tuple[Quantity, ...] = ()

    def __init__(self) -> None:
        self.now = RoomEnable(held=False, latched=False)
        self.cut = False

    async def identify(self) -> Identity:
        return Identity("", "", "", "")

    async def read(self, quantity: str) -> Value:
        return str(quantity)

    async def pressed(self) -> RoomEnable:
        if self.cut:
            raise UnreachableError("cut")
        return self.now


class Engine:
    """The enable alone."""

    def __init__(self, reference: Reference) -> None:
        self.events: list[Event] = []
        self._switch = EnableSwitch(Enable(reference=reference), Bus(), hold_s=0.5, changed=self.events.append)

    @property
    def enable(self) -> Enable:
        return self._switch.now

    def hold(self) -> None:
        self._switch.hold()

    def latch(self) -> None:
        self._switch.apply(Event.LATCH)

    def release(self) -> None:
        self._switch.apply(Event.RELEASE)

    def stop(self) -> None:
        self._switch.apply(Event.STOP)


def in_a_room(
    body: Callable[[Contact, Engine], Coroutine[Any, Any, None]], reference: Reference = Reference.CONFIRMED
) -> None:
    async def main(loop: VirtualLoop) -> None:
        contact, engine = Contact(), Engine(reference)
        watch = RoomWatch({"button": contact}, engine, clock=loop.time)
        task = asyncio.create_task(watch.run(), name="room")
        await asyncio.sleep(0.3)
        await body(contact, engine)
        task.cancel()

    virtually(main)


async def press(contact: Contact, *, held: bool = False, latched: bool = False, seconds: float = 0.3) -> None:
    contact.now = RoomEnable(held=held, latched=latched)
    await asyncio.sleep(seconds)


def test_it_is_held_while_it_is_pressed_and_not_longer() -> None:
    async def body(contact: Contact, engine: Engine) -> None:
        assert engine.enable.button is Button.OFF
        await press(contact, held=True, seconds=5.0)
        assert engine.enable.button is Button.HELD
        await press(contact, seconds=0.15)
        assert engine.enable.button is Button.OFF

    in_a_room(body)


def test_a_thumb_that_stays_on_it_through_a_stop_enables_nothing() -> None:
    async def body(contact: Contact, engine: Engine) -> None:
        await press(contact, held=True)
        engine.stop()
        await asyncio.sleep(5.0)
        assert engine.enable.button is Button.SPENT
        await press(contact)
        await press(contact, held=True)
        assert engine.enable.button is Button.HELD

    in_a_room(body)


@pytest.mark.parametrize("stopped", [True, False])
def test_a_thumb_that_stays_on_it_through_a_silence_enables_nothing(stopped: bool) -> None:
    async def body(contact: Contact, engine: Engine) -> None:
        await press(contact, held=True)
        if stopped:
            engine.stop()
        contact.cut = True
        await asyncio.sleep(1.2)
        contact.cut = False
        await asyncio.sleep(5.0)
        assert engine.enable.button is Button.OFF
        await press(contact)
        await press(contact, held=True)
        assert engine.enable.button is Button.HELD

    in_a_room(body)


def test_a_latch_counts_once_for_each_press() -> None:
    async def body(contact: Contact, engine: Engine) -> None:
        await press(contact, latched=True)
        assert engine.enable.button is Button.LATCHED
        await press(contact, latched=True, held=True)  # a hand on the other one changes nothing
        assert engine.enable.button is Button.LATCHED
        engine.stop()
        await asyncio.sleep(5.0)
        assert engine.enable.button is not Button.LATCHED
        await press(contact)
        await press(contact, latched=True)
        assert engine.enable.button is Button.LATCHED
        await press(contact)
        assert engine.enable.button is Button.OFF

    in_a_room(body)


def test_a_latch_that_was_there_before_the_daemon_enables_nothing() -> None:
    async def main(loop: VirtualLoop) -> None:
        contact, engine = Contact(), Engine(Reference.CONFIRMED)
        contact.now = RoomEnable(held=False, latched=True)
        task = asyncio.create_task(RoomWatch({"button": contact}, engine, clock=loop.time).run(), name="room")
        await asyncio.sleep(5.0)
        assert engine.enable.button is Button.OFF
        task.cancel()

    virtually(main)


def test_a_button_that_is_silent_is_not_pressed() -> None:
    async def body(contact: Contact, engine: Engine) -> None:
        await press(contact, held=True)
        contact.cut = True
        await asyncio.sleep(0.8)
        assert engine.enable.button is Button.OFF
        contact.cut = False
        await press(contact)
        await press(contact, latched=True)
        contact.cut = True
        await asyncio.sleep(1.2)
        assert engine.enable.button is Button.OFF
        contact.cut = False
        await asyncio.sleep(5.0)
        assert engine.enable.button is Button.OFF  # it was pressed before it fell silent

    in_a_room(body)


def test_nobody_latches_while_positions_are_not_trusted() -> None:
    async def body(contact: Contact, engine: Engine) -> None:
        await press(contact, latched=True)
        assert engine.enable.button is Button.OFF
        await press(contact, held=True)
        assert engine.enable.button is Button.HELD

    in_a_room(body, Reference.LOST)
