"""Hears of axes that nobody told to move while events are recorded: a hand at a joystick, a bed that slides.

No controller prevents it, and pictures of a patient that moved look like pictures. What is seen becomes an alarm and a
mark in the recording.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from daq.devices.abilities import Axis
from daq.services.motion.alarming import Alarming

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.5
SETTLES = 5.0
"""So many times as far as counts as in position an axis may be that nobody has moved: motors settle."""
_ALARM = "moved-by-itself"


class StandingWatch:
    """Looks at the newest samples of axes, which others ask for. `marked` must not wait."""

    def __init__(
        self, axes: Mapping[str, Axis], commanded: Callable[[], bool], alarms: Alarming, *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`commanded` says whether an axis moves because it was told to."""
        self._axes, self._commanded, self._alarms, self._clock = dict(axes), commanded, alarms, clock
        self._since_s: float | None = None
        self._stood: dict[str, float] = {}
        self.recording: Callable[[], bool] = lambda: False
        """Says whether events are recorded now."""
        self.marked: Callable[[str], None] = _LOG.info

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        """Compare where axes are with where they stood when nothing was told to move any more."""
        if not self.recording() or self._commanded():
            self._since_s, self._stood = None, {}
            return
        if self._since_s is None:
            self._since_s = self._clock()
        for name, axis in self._axes.items():
            last = axis.last
            if last is None or last.monotonic_s <= self._since_s:
                continue  # it may have been on its way
            stood = self._stood.setdefault(name, last.position)
            if abs(last.position - stood) > SETTLES * axis.limits.in_position:
                self._stood[name] = last.position
                way = f"from {stood:.1f} to {last.position:.1f} {axis.unit}"
                self._moved(f"{name} went {way} though nothing told it to")

    def _moved(self, text: str) -> None:
        _LOG.warning("%s while events were recorded", text)
        self.marked(text)
        self._alarms.raise_(
            "motion", _ALARM, priority="high", text=f"{text}, while events were recorded",
            guidance="look after the patient; what was recorded since then is of another position: repeat the view",
        )  # fmt: skip
