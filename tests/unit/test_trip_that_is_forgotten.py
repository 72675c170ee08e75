"""A supply that forgets its trip as soon as it is switched off: who watches its readings hears of it all the same."""

from __future__ import annotations

import asyncio

import pytest
from support_high_voltage import TECH, UP_S, Bench, on_a_bench

from daq.errors import ReadbackError
from daq.model.station import Reading
from daq.services.bus import Bus
from daq.services.readings import Readings


def test_a_trip_in_the_midst_of_a_raise_is_read_though_taking_it_back_made_the_supply_forget_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def body(bench: Bench) -> None:
        supply, switch_off = bench.hv.supply, bench.hv.supply.switch_off

        async def forgetful() -> None:
            await switch_off()
            supply.clear()

        monkeypatch.setattr(supply, "switch_off", forgetful)
        bus, troubles = Bus(), list[str]()
        readings = Readings({"hv": bench.hv}, bus, clock=bench.loop.time)
        with bus.listening(
            lambda said: (
                troubles.append(str(said.value)) if isinstance(said, Reading) and said.name == "trouble" else None
            )
        ):
            reading = asyncio.create_task(readings.run())
            await bench.up(300.0)
            raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
            await asyncio.sleep(5.1)
            supply.trip()
            with pytest.raises(ReadbackError, match="hv reports trip"):
                await raising
            assert (await supply.status()).trouble == ""
            await asyncio.sleep(5.0)
            reading.cancel()
        assert troubles == ["", "trip", ""]

    on_a_bench(body)
