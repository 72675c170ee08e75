"""Supplies of every shipped profile over wires that spoil: nothing above a permit is said, and all come down."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from support_high_voltage import TECH
from support_machines import MACHINES, Bench, Kept, kept
from support_supply_lives import PERMIT, lives
from support_virtual import VirtualLoop, virtually

from daq.errors import ReadbackError, RefusedError, ScandaqError


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.profile)
def test_nothing_above_a_permit_is_ever_said_and_everything_comes_down(machine: Kept) -> None:
    lives(machine, 8)


@pytest.mark.parametrize("profile", ["keithley-2400", "hamamatsu-c11204"])
def test_what_jumps_is_raised_and_lowered_in_small_steps_at_the_slope(profile: str) -> None:
    machine = kept(profile)

    async def main(loop: VirtualLoop) -> None:
        bench = Bench(machine, loop)
        low_v, high_v = max(bench.supply.least_v, 5.0), PERMIT * machine.limits.max_v + 10.0
        await bench.hv.arm(TECH, protocol_max_v=high_v)
        await bench.hv.ramp_to(high_v, within_s=60, actor=TECH)
        assert bench.volts == pytest.approx(high_v, abs=0.01)
        await bench.hv.ramp_to(low_v, within_s=60)
        await bench.hv.off(within_s=60)
        told = bench.set_on_the_wire
        slope = machine.limits.max_slope_v_per_s
        for (before_s, before_v), (at_s, volts) in itertools.pairwise(told):
            if min(before_v, volts) > bench.supply.least_v:
                assert abs(volts - before_v) <= slope * max(at_s - before_s, 1.0) * 1.001
        up_s = next(at_s for at_s, volts in told if volts == max(v for _, v in told)) - told[0][0]
        assert up_s >= 0.9 * (high_v - bench.supply.least_v - slope) / slope

    virtually(main)


def test_a_supply_that_heard_what_to_set_but_not_to_start_is_told_again() -> None:
    async def main(loop: VirtualLoop) -> None:
        bench = Bench(kept("iseg-shq"), loop)
        await bench.hv.arm(TECH, protocol_max_v=500.0)
        await bench.hv.ramp_to(300.0, within_s=60, actor=TECH)
        bench.link.deaf = False
        lowering = asyncio.create_task(bench.hv.ramp_to(100.0, within_s=60))
        while not any("D2=100" in text for _, text in bench.link.told):
            await asyncio.sleep(0.001)
        bench.link.deaf = True  # the start is lost
        await asyncio.sleep(2.0)
        bench.link.deaf = False
        await lowering
        assert bench.volts == pytest.approx(100.0, abs=1.0)

    virtually(main)


def test_a_tripped_source_meter_is_said_to_be_and_its_voltage_taken_back() -> None:
    async def main(loop: VirtualLoop) -> None:
        bench = Bench(kept("keithley-2400"), loop)
        await bench.hv.arm(TECH, protocol_max_v=100.0)
        raising = asyncio.create_task(bench.hv.ramp_to(100.0, within_s=60, actor=TECH))
        await asyncio.sleep(3.0)
        bench.does("spark")
        with pytest.raises((ReadbackError, RefusedError), match="the current is at its limit"):
            await raising
        assert bench.volts == 0.0

    virtually(main)


@pytest.mark.parametrize(
    ("profile", "deed", "words"),
    [
        ("caen-n1470", "local", "the front panel is switched to LOCAL; switch it to REMOTE"),
        ("caen-n1470", "open-interlock", "its interlock input is open"),
        ("caen-r803x", "over-temperature", "it is too hot"),
        ("iseg-scpi", "open-interlock", "its inhibit input is active"),
        ("iseg-shq", "local", "its switch on the front panel is on manual control"),
        ("iseg-shq", "open-interlock", "its inhibit input is or was active"),
        ("keithley-2470", "open-interlock", "on was said, but output reads 0"),
        ("hamamatsu-c11204", "ignore", "voltage_set was set to 39.9"),
    ],
)
def test_what_forbids_raising_is_said_in_words(profile: str, deed: str, words: str) -> None:
    machine = kept(profile)

    async def main(loop: VirtualLoop) -> None:
        bench = Bench(machine, loop)
        bench.does(deed)
        with pytest.raises(ScandaqError, match=words):
            await _armed_and_raised(bench)
        assert bench.volts == 0.0

    virtually(main)


async def _armed_and_raised(bench: Bench) -> None:
    limits = bench.kept.limits
    await bench.hv.arm(TECH, protocol_max_v=limits.max_v)
    await bench.hv.ramp_to(PERMIT * limits.max_v, within_s=60, actor=TECH)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.profile)
def test_the_limit_of_the_current_that_was_written_acts_without_the_daemon(machine: Kept) -> None:
    async def main(loop: VirtualLoop) -> None:
        bench = Bench(machine, loop)
        await bench.hv.arm(TECH, protocol_max_v=machine.limits.max_v)
        await bench.hv.ramp_to(0.75 * machine.limits.max_v, within_s=60, actor=TECH)
        said = len(bench.link.told)
        bench.machine.deeds()["spark"]({"channel": bench.index, "ua": 5000.0})
        assert bench.machine.told() is not None  # it looks at its current
        await asyncio.sleep(machine.limits.trip_s + 1.0)
        assert bench.volts <= 1.0 or bench.kept.profile.startswith("caen")  # a CAEN goes down at its slope
        await asyncio.sleep(2 * machine.limits.max_v / machine.limits.max_slope_v_per_s)
        assert bench.volts <= 1.0
        assert len(bench.link.told) == said

    virtually(main)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.profile)
def test_every_supply_has_a_safe_state_that_is_read(machine: Kept) -> None:
    async def main(loop: VirtualLoop) -> None:
        bench = Bench(machine, loop)
        await bench.hv.arm(TECH, protocol_max_v=machine.limits.max_v)
        await bench.hv.ramp_to(0.75 * machine.limits.max_v, within_s=60, actor=TECH)
        bench.link.faults.add({"kind": "missing", "count": 3})
        await bench.instrument.make_safe(machine.channel)
        assert bench.volts <= 5.0

    virtually(main)


@pytest.mark.parametrize("profile", ["caen-n1470", "caen-r803x", "iseg-scpi"])
def test_what_is_read_of_all_channels_at_once_is_each_channels_own(profile: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        bench = Bench(kept(profile), loop)
        for number, channel in enumerate(bench.machine.channels):
            channel.output.drop()
            channel.output.load_ohm = 1e6 * (number + 1)
            channel.output.slopes(up=1e6)
            channel.output.go(100.0 + number)
        await asyncio.sleep(1.0)
        names = bench.instrument.profile.channels
        assert await bench.instrument.read_all("voltage") == {name: 100.0 + n for n, name in enumerate(names)}
        currents = await bench.instrument.read_all("current")
        assert currents == {name: pytest.approx((100.0 + n) / (n + 1), abs=0.01) for n, name in enumerate(names)}
        assert len(await bench.instrument.read_all("status")) == len(names)

    virtually(main)


def test_a_source_meter_of_the_other_polarity_is_not_raised_and_goes_down_without_passing_zero() -> None:
    async def main(loop: VirtualLoop) -> None:
        bench = Bench(kept("keithley-2400"), loop)
        await bench.hv.arm(TECH, protocol_max_v=100.0)
        bench.machine.set_v, bench.machine.on = -50.0, True  # somebody at its front panel
        with pytest.raises(RefusedError, match="its voltage has the other polarity than the site says"):
            await bench.hv.ramp_to(60.0, within_s=60, actor=TECH)
        await bench.hv.off(within_s=60)
        assert (bench.machine.set_v, bench.machine.on) == (0.0, False)
        assert {volts for _, volts in bench.set_on_the_wire} == {0.0}

    virtually(main)


def test_a_source_meter_of_a_site_with_a_negative_voltage_goes_there_and_back() -> None:
    async def main(loop: VirtualLoop) -> None:
        bench = Bench(kept("keithley-2470"), loop, variables={"minus": "-"})
        await bench.hv.arm(TECH, protocol_max_v=200.0)
        await bench.hv.ramp_to(150.0, within_s=60, actor=TECH)
        assert bench.volts == pytest.approx(-150.0)
        assert await bench.hv.read_v() == pytest.approx(150.0)
        await bench.hv.off(within_s=60)
        assert bench.volts == 0.0
        assert min(volts for _, volts in bench.set_on_the_wire) == -150.0
        assert max(volts for _, volts in bench.set_on_the_wire) <= 0.0

    virtually(main)
