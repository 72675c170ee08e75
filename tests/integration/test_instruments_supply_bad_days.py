"""What goes wrong with supplies of several models: on the wire, at their front panel, in their line's settings."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from support_instruments import do
from support_simulators import simulator
from support_supplies import TECH, bench, instrument, of_kind

from daq.devices.instruments.supply import ProfiledSupply
from daq.devices.instruments.talk import Asked
from daq.errors import DeadlineError, LimitError, ReadbackError, RefusedError, ScandaqError, UnreachableError
from daq.model.control import Exchange

WIRE = ("late", "duplicate", "garble", "missing", "truncate", "noise", "hang-up")


@pytest.mark.soak
@pytest.mark.parametrize("profile", ["iseg-shq", "hamamatsu-c11204"])
async def test_a_wire_that_spoils_costs_a_raise_at_most_and_never_the_way_down(profile: str) -> None:
    model = of_kind(profile)
    async with bench(model) as it:
        await it.hv.arm(TECH, protocol_max_v=model.limits.max_v)
        await it.hv.ramp_to(model.low, within_s=20, actor=TECH)
        for kind in WIRE:
            do(it.process, {"wire": {"kind": kind, "after": 3, "seconds": 0.05}})
        with contextlib.suppress(ScandaqError):
            await it.hv.ramp_to(model.volts, within_s=20, actor=TECH)
        assert it.volts <= model.volts + model.limits.tolerance_v
        await it.hv.off(within_s=20)
        assert it.volts <= model.limits.tolerance_v


async def test_a_line_that_is_set_otherwise_is_not_understood_and_8e1_is() -> None:
    model = of_kind("hamamatsu-c11204")
    with simulator("c11204") as other:
        async with instrument(other.ready["rfc2217"], "hamamatsu-c11204") as it:
            assert (await it.identify()).model == "C11204-01"
            channel = ProfiledSupply(it)
            await channel.set_v(model.low)
            await channel.switch_on()
            await asyncio.sleep(0.2)
            assert (await channel.status()).output_v == pytest.approx(model.low, abs=0.01)
            assert await it.read("temperature") == pytest.approx(25.0, abs=0.01)
        with pytest.raises(DeadlineError):
            async with instrument(other.ready["rfc2217"], "hamamatsu-c11204", parity="none") as it:
                await it.identify()


async def test_the_limit_switch_of_an_shq_refuses_what_lies_above_and_nothing_moves() -> None:
    with simulator("iseg-shq", "--limit", "10") as process:
        async with instrument(process.ready["tcp"], "iseg-shq") as it:
            channel = ProfiledSupply(it, "1")
            await channel.set_v(100.0)
            with pytest.raises(LimitError, match="above its switch Vmax on the front panel"):
                await channel.set_v(301.0)
            assert await it.read("voltage_set", "1") == 300.0  # it keeps its limit in place of what it was told
            assert do(process, {"told": True})["told"]["volts"][0] <= 100.0


async def test_reading_a_trip_of_an_shq_away_does_not_bring_its_voltage_back() -> None:
    with simulator("iseg-shq") as process:
        async with instrument(process.ready["tcp"], "iseg-shq") as it:
            await it.set("ramp", 255, "1")
            await it.session.tell(Asked(Exchange(send="A1=8", reply="")))  # somebody switched autostart on
            await it.set("voltage_set", 50.0, "1")
            do(process, {"do": "trip", "channel": 0})
            await it.act("clear_trip", "1")
            await asyncio.sleep(0.3)
            assert do(process, {"told": True})["told"]["volts"] == [0.0, 0.0]


async def test_what_a_source_meter_cannot_tell_while_it_is_off_is_refused_in_words() -> None:
    with simulator("keithley-2400") as process:
        async with instrument(process.ready["tcp"], "keithley-2400") as it:
            with pytest.raises(RefusedError, match="it measures only while its output is on"):
                await it.read("current")
            assert (await ProfiledSupply(it).status()).output_v == 0.0
            await it.act("prepare")
            await it.act("on")
            await it.set("voltage_set", 100.0)
            assert await it.read("current") == pytest.approx(100.0)  # nA into 1 GOhm: a dark current
            do(process, {"do": "ignore"})
            with pytest.raises(ReadbackError, match="off was acknowledged, but output reads 1"):
                await it.act("off")


async def test_a_supply_that_went_silent_in_mid_ramp_is_not_taken_for_off() -> None:
    model = of_kind("iseg-scpi")
    async with bench(model) as it:
        await it.hv.arm(TECH, protocol_max_v=model.limits.max_v)
        await it.hv.ramp_to(model.low, within_s=20, actor=TECH)
        it.does("silent")
        with pytest.raises((DeadlineError, UnreachableError)):
            await it.hv.ramp_to(model.volts, within_s=2, actor=TECH)
        with pytest.raises(DeadlineError, match="not verified to be at 0 V or below"):
            await it.hv.off(within_s=0.5)
        assert it.volts == pytest.approx(model.low, abs=1.0)
        do(it.process, {"clear": True})
        await it.hv.off(within_s=10)
        assert it.volts <= 1.0
