"""A device whose answers a test decides: what it says, how long it takes, whether it hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from daq.devices.abilities import Identity, Quantity, Value
from daq.state.interlock import Kind


class Meter:
    """A device whose answers a test decides."""

    def __init__(self, name: str, *quantities: Quantity) -> None:
        self.name = name
        self.quantities = quantities or (Quantity("voltage", "V", 1.0, 3.0, {"minimum": 0.0, "maximum": 900.0}, 0.5),)
        self.interlock_kinds = frozenset({Kind.SERVICE_COVER})
        self.value: Value = 800.0
        self.closed: object = True
        self.failure: Exception | None = None
        self.hangs = False
        self.takes_s = 0.0
        self.asked = 0

    async def identify(self) -> Identity:
        return Identity("example", "meter", "1", "1")

    async def read(self, quantity: str) -> Value:
        await self._answer()
        return self.value

    async def interlocks(self) -> Mapping[Kind, bool]:
        await self._answer()
        return {Kind.SERVICE_COVER: bool(self.closed)}

    async def _answer(self) -> None:
        self.asked += 1
        await asyncio.sleep(self.takes_s)
        while self.hangs:
            try:
                await asyncio.sleep(3600.0)
            except asyncio.CancelledError:
                await asyncio.sleep(5.0)  # it takes its time even then
                raise
        if self.failure is not None:
            raise self.failure
