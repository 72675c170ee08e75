"""The wire between a simulated device and its driver: how it can fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

_FOR_EVER_S = 86_400.0


class Wire(StrEnum):
    """What the wire does."""

    GOOD = "good"
    MUTE = "mute"
    """Commands arrive, answers do not."""
    CUT = "cut"
    """Neither arrives."""


@dataclass(slots=True)
class Line:
    """A line to a device. `delay_s`: before each answer. `stubborn`: calls do not end when they are cancelled.

    `late_s`: a command takes effect so long after it was given, whatever became of the one who gave it.
    """

    state: Wire = Wire.GOOD
    delay_s: float = 0.0
    late_s: float = 0.0
    stubborn: bool = False

    @property
    def arrives(self) -> bool:
        """Return True where the device hears what is sent."""
        return self.state is not Wire.CUT

    async def answer(self) -> None:
        """Return when the answer has come, which may be never."""
        if self.state is Wire.GOOD:
            if self.delay_s > 0:
                await self._lasting(self.delay_s)
            return
        await self._lasting(_FOR_EVER_S)

    async def delivery(self) -> None:
        """Return when a command reaches the device; a stubborn wire delivers though its sender has given up."""
        if self.late_s > 0:
            await self._lasting(self.late_s)

    async def _lasting(self, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if not self.stubborn:
                raise
            await asyncio.sleep(seconds)
