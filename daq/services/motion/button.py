"""The enable button of a simulated station: a thumb that stays on it for as long as it is told."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from daq.errors import TransitionRefusedError, UsageError

if TYPE_CHECKING:
    from daq.services.motion.engine import MotionEngine

Given = float | str | bool | None
_RENEW_S = 0.1
_LONGEST_S = 600.0
ACTIONS = ("hold", "latch", "release")


class RoomButton:
    """Presses the enable of a motion engine as a person in the room would."""

    def __init__(self, engine: MotionEngine) -> None:
        self._engine = engine
        self._thumb: asyncio.Task[None] | None = None

    def simulate(self, action: str, value: Given = None) -> None:
        """`hold`, for `value` seconds or just once; `latch`; `release`. Raise `UsageError`, `TransitionRefusedError`.

        Each one ends a hold that is under way; a new hold is a new press.
        """
        if action not in ACTIONS:
            raise UsageError(f"the enable knows {', '.join(ACTIONS)}; not {action!r}")
        if action != "hold" and value is not None:
            raise UsageError(f"the enable, {action}: takes no value, not {value!r}")
        seconds = _seconds(value) if action == "hold" else 0.0
        self._lift()
        if action == "latch":
            self._engine.latch()
        elif action == "release":
            self._engine.release()
        else:
            self._press(seconds)

    def _press(self, seconds: float) -> None:
        self._engine.hold()
        if seconds > 0:
            self._thumb = asyncio.get_running_loop().create_task(self._hold(seconds), name="thumb on the enable")

    def _lift(self) -> None:
        """Take the thumb away; what it held lets go."""
        if self._thumb is not None:
            if not self._thumb.done():
                self._thumb.cancel()
                self._engine.release()
            self._thumb = None

    async def _hold(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + seconds
        while loop.time() < until_s:
            try:
                self._engine.hold()
            except TransitionRefusedError:
                return  # it was latched meanwhile
            await asyncio.sleep(_RENEW_S)
        self._engine.release()


def _seconds(value: Given) -> float:
    """Return how long to hold; 0 for just once."""
    if value is None:
        return 0.0
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_S:
        raise UsageError(f"the enable, hold: takes seconds, above 0 and at most {_LONGEST_S:g}, not {value!r}")
    return seconds
