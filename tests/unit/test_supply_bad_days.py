"""What goes wrong with supplies at their front panel, in their memory, and when nobody answers; in the test's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support_high_voltage import TECH
from support_machines import Bench, kept
from support_virtual import VirtualLoop, virtually

from daq.devices.instruments.talk import Asked
from daq.errors import DeadlineError, LimitError, ReadbackError, RefusedError, ScandaqError
from daq.model.control import Exchange


def on_a(profile: str, body: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        await body(Bench(kept(profile), loop))

    virtually(main)


def test_the_limit_switch_of_an_shq_refuses_what_lies_above_and_nothing_moves() -> None:
    async def body(bench: Bench) -> None:
        bench.machine.limit_percent = 10
        await bench.supply.set_v(100.0)
        with pytest.raises(LimitError, match="above its switch Vmax on the front panel"):
            await bench.supply.set_v(301.0)
        assert await bench.instrument.read("voltage_set", "2") == 300.0  # its limit in place of what it was told
        await asyncio.sleep(100.0)
        assert bench.volts == 100.0

    on_a("iseg-shq", body)


def test_reading_a_trip_of_an_shq_away_does_not_bring_its_voltage_back() -> None:
    async def body(bench: Bench) -> None:
        await bench.instrument.session.tell(Asked(Exchange(send="A2=8", reply="")))  # somebody wanted autostart
        await bench.instrument.set("voltage_set", 50.0, "2")
        await asyncio.sleep(60.0)
        assert bench.volts == 50.0
        bench.does("trip")
        await bench.instrument.act("clear_trip", "2")
        await asyncio.sleep(60.0)
        assert bench.volts == 0.0

    on_a("iseg-shq", body)


def test_what_a_source_meter_cannot_tell_while_it_is_off_is_refused_in_words() -> None:
    async def body(bench: Bench) -> None:
        with pytest.raises(RefusedError, match="it measures only while its output is on"):
            await bench.instrument.read("current")
        assert (await bench.supply.status()).output_v == 0.0
        await bench.instrument.act("prepare")
        await bench.instrument.act("on")
        await bench.instrument.set("voltage_set", 100.0)
        assert await bench.instrument.read("current") == pytest.approx(100.0)  # nA into 1 GOhm: a dark current
        bench.does("ignore")
        with pytest.raises(ReadbackError, match="off was said, but output reads 1"):
            await bench.instrument.act("off")

    on_a("keithley-2400", body)


def test_a_supply_that_went_silent_in_mid_ramp_is_not_taken_for_off() -> None:
    async def body(bench: Bench) -> None:
        await bench.hv.arm(TECH, protocol_max_v=500.0)
        await bench.hv.ramp_to(200.0, within_s=60, actor=TECH)
        bench.link.deaf = True
        with pytest.raises(ScandaqError):
            await bench.hv.ramp_to(400.0, within_s=20, actor=TECH)
        with pytest.raises(DeadlineError, match="not verified to be at 0 V or below"):
            await bench.hv.off(within_s=5)
        assert bench.volts == pytest.approx(200.0, abs=1.0)
        bench.link.deaf = False
        await bench.hv.off(within_s=60)
        assert bench.volts <= 1.0

    on_a("iseg-scpi", body)


def test_what_an_shq_still_holds_after_a_trip_is_not_gone_back_to_when_little_was_armed() -> None:
    async def body(bench: Bench) -> None:
        await bench.hv.arm(TECH, protocol_max_v=900.0)
        await bench.hv.ramp_to(250.0, within_s=60.0, actor=TECH)
        bench.hv.disarm()
        bench.does("trip")
        await bench.instrument.act("clear_trip", "2")
        assert await bench.instrument.read("voltage_set", "2") == 250.0
        begun = len(bench.link.told)
        await bench.hv.arm(TECH, protocol_max_v=60.0)
        raising = asyncio.create_task(bench.hv.ramp_to(60.0, within_s=60.0, actor=TECH))
        await asyncio.sleep(1.0)
        raising.cancel()
        await asyncio.wait({raising})
        await asyncio.sleep(30.0)

        told = [volts for _, text in bench.link.told[begun:] if (volts := bench.kept.volts(text)) is not None]
        assert max(told) == 60.0
        assert bench.volts == 0.0

    on_a("iseg-shq", body)


def test_a_supply_that_tells_a_negative_voltage_is_not_taken_to_be_off() -> None:
    async def body(bench: Bench) -> None:
        await bench.hv.arm(TECH, protocol_max_v=900.0)
        await bench.hv.ramp_to(300.0, within_s=60.0, actor=TECH)
        real = bench.machine.answer
        bench.machine.answer = lambda line: (
            (said := real(line)) and (said.replace("VAL:", "VAL:-") if "PAR:VMON" in line else said)
        )
        bench.link.is_open = False  # the next conversation hears the other sign

        assert await bench.hv.read_v() == 300.0
        bench.does("ignore")
        with pytest.raises(DeadlineError, match="not verified to be at 0 V"):
            await bench.hv.off(within_s=5.0)

    on_a("caen-n1470", body)
