"""Follows the enable that a person presses in the room: hold-to-run, or latched by the controller it is wired to.

A hold that is not heard of for a moment is over, and so is a latch. Both count from the press that this program saw:
what was pressed before it began, before a stop, or before a silence, has to be let go and pressed anew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from daq.devices.abilities import MotionEnable, RoomEnable
from daq.devices.calls import Calls
from daq.errors import ScandaqError, TransitionRefusedError
from daq.state.enable import Button, Enable

_LOG = logging.getLogger(__name__)
_NOTHING = RoomEnable(held=False, latched=False)
_HELD = frozenset({Button.HELD, Button.SPENT})


class Pressed(Protocol):
    """What a button acts on."""

    @property
    def enable(self) -> Enable:
        """Return what is pressed."""

    def hold(self) -> None:
        """Go on pressing the hold-to-run button."""

    def latch(self) -> None:
        """Press the one that stays."""

    def release(self) -> None:
        """Let go of either."""


class RoomWatch:
    """Reads every button of the room, ten times a second, and presses for it. `failures` counts reads that failed."""

    def __init__(
        self,
        buttons: Mapping[str, MotionEnable],
        engine: Pressed,
        *,
        poll_s: float = 0.1,
        reply_s: float = 0.3,
        silent_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._buttons = dict(buttons)
        self._engine = engine
        self._poll_s, self._reply_s, self._silent_s = poll_s, reply_s, silent_s
        self._clock = clock
        self.failures = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, button in self._buttons.items():
                tasks.create_task(self._follow(name, button), name=f"enable {name}")

    async def _follow(self, name: str, button: MotionEnable) -> None:
        calls = Calls(name)
        before: RoomEnable | None = None
        heard_s = self._clock()
        while True:
            asked_s = self._clock()
            try:
                now = await calls.within(button.pressed(), self._reply_s, "what is pressed")
            except ScandaqError as why:
                self.failures += 1
                _LOG.debug("enable %s: %s", name, why)
                if before not in (None, _NOTHING) and self._clock() - heard_s > self._silent_s:
                    _LOG.warning("enable %s is silent: what it held is let go", name)
                    self._engine.release()
                    before = None
            else:
                self._press(name, before, now)
                before, heard_s = now, asked_s
            await asyncio.sleep(self._poll_s)

    def _press(self, name: str, before: RoomEnable | None, now: RoomEnable) -> None:
        """Do what the change from `before` to `now` means; None: nobody knows what was pressed before."""
        was = now if before is None else before
        try:
            if now.latched and not was.latched:
                self._engine.latch()
            elif was.latched and not now.latched:
                self._engine.release()
            button = self._engine.enable.button
            if now.held and (button in _HELD or (button is Button.OFF and not was.held)):
                self._engine.hold()
            elif was.held and not now.held and not now.latched:
                self._engine.release()
        except TransitionRefusedError as why:
            _LOG.warning("enable %s: %s", name, why)
