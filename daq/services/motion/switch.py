"""The motion enable as it is now: who presses, when a hold runs out, who is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from daq.model.station import Reading, utc_now
from daq.services.bus import Bus
from daq.state.enable import Button, Enable, Event, Reference

_LOG = logging.getLogger(__name__)
DEVICE = "motion"
_PRESSED = frozenset({Button.HELD, Button.SPENT})


class EnableSwitch:
    """Keeps an `Enable`. A hold lasts `hold_s` and must be renewed: a button whose wire is cut is not pressed."""

    def __init__(self, enable: Enable, bus: Bus, *, hold_s: float, changed: Callable[[Event], None]) -> None:
        self._enable = enable
        self._bus = bus
        self._hold_s = hold_s
        self._changed = changed
        self._expiry: asyncio.TimerHandle | None = None
        self._announce()

    @property
    def now(self) -> Enable:
        """Return what is pressed and how far positions are to be trusted."""
        return self._enable

    @property
    def lost(self) -> bool:
        """Return True while axes have to be homed."""
        return self._enable.reference is Reference.LOST

    def hold(self) -> None:
        """Press, or go on pressing, the hold-to-run button. Pressed since before a stop it enables nothing."""
        self.apply(Event.HOLD)
        self._forget_expiry()
        self._expiry = asyncio.get_running_loop().call_later(self._hold_s, self._expire)

    def apply(self, event: Event) -> None:
        """Let an event act; raise `TransitionRefusedError` where it is refused."""
        before = self._enable
        self._enable = before.after(event)
        if self._enable.button not in _PRESSED:
            self._forget_expiry()
        if self._enable != before:
            _LOG.info("motion enable: %s, %s and %s", event, self._enable.button, self._enable.reference)
            self._announce()
        self._changed(event)

    def _expire(self) -> None:
        self._expiry = None
        if self._enable.button in _PRESSED:
            self.apply(Event.HOLD_EXPIRED)

    def _forget_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _announce(self) -> None:
        for name, value in (("enable", self._enable.button), ("reference", self._enable.reference)):
            self._bus.announce(Reading(DEVICE, name, str(value), "", "good", utc_now()))
