"""Lowering the voltage: always allowed, in the midst of a raise, through a mute wire, after what took effect late."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support_high_voltage import TECH, UP_S, Bench, on_a_bench
from support_virtual import VirtualLoop, virtually

from daq.devices.lowering import lower_voltage
from daq.devices.simulated.wire import Wire
from daq.devices.supply import SupplyStatus
from daq.errors import DeadlineError, InterlockError, MissingError, RefusedError, ScandaqError, UnreachableError


def test_lowering_needs_nobody_and_nothing() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(800.0)
        bench.hv.disarm()
        assert bench.watching is not None
        bench.watching.cancel()
        bench.head.surround(90.0, 0.1)
        await bench.hv.ramp_to(500.0, within_s=UP_S)
        assert bench.hv.supply.true_v() == pytest.approx(500.0, abs=2.0)
        await bench.hv.ramp_to(0.0, within_s=UP_S)

        assert bench.hv.supply.true_v() == pytest.approx(0.0, abs=2.0)
        assert not (await bench.hv.supply.status()).on

    on_a_bench(body)


@pytest.mark.parametrize("down_to", [0.0, 200.0])
def test_lowering_in_the_midst_of_a_raise_wins(down_to: float) -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(5.0)
        with pytest.raises(RefusedError, match="being raised"):
            await bench.hv.ramp_to(1000.0, within_s=UP_S, actor=TECH)
        with pytest.raises(RefusedError, match="being raised"):
            await bench.hv.arm(TECH, protocol_max_v=1000.0)
        await bench.hv.ramp_to(down_to, within_s=UP_S)
        with pytest.raises(RefusedError, match=r"lowered meanwhile|taken back"):
            await raising
        await asyncio.sleep(30.0)

        assert bench.hv.supply.true_v() == down_to

    on_a_bench(body)


def test_off_goes_on_trying_through_a_wire_that_is_mute_for_a_while() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(800.0)
        bench.hv.supply.line.state = Wire.CUT
        off = asyncio.create_task(bench.hv.off(within_s=60.0))
        await asyncio.sleep(10.0)
        assert bench.hv.supply.true_v() == 800.0
        bench.hv.supply.line.state = Wire.GOOD
        await off

        assert bench.hv.supply.true_v() <= 2.0

    on_a_bench(body)


def test_a_supply_that_does_not_answer_is_not_assumed_to_be_off() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(800.0)
        bench.hv.supply.line.state = Wire.CUT
        begun_s = bench.loop.time()
        with pytest.raises(DeadlineError, match="not verified to be at 0 V or below after 10 s"):
            await bench.hv.off(within_s=10.0)
        assert bench.loop.time() - begun_s <= 12.0

        report = await lower_voltage({"hv": bench.hv}, within_s=2.0)
        assert report["hv"]["off"] is False
        assert "not verified" in report["hv"]["error"]

    on_a_bench(body)


def test_all_supplies_go_down_at_the_same_time_and_one_that_hangs_delays_no_other() -> None:
    async def main(loop: VirtualLoop) -> None:
        benches = [Bench(loop) for _ in range(3)]
        for bench in benches:
            await bench.ready()
            await bench.up(500.0)
        benches[1].hv.supply.line.state = Wire.CUT
        begun_s = loop.time()
        report = await lower_voltage({str(number): bench.hv for number, bench in enumerate(benches)}, within_s=15.0)

        assert [each["off"] for each in report.values()] == [True, False, True]
        assert loop.time() - begun_s <= 17.0
        with pytest.raises(MissingError, match="no high voltage 'x'; there are: hv"):
            await lower_voltage({"hv": benches[0].hv}, "x")

    virtually(main)


def test_a_setting_that_takes_effect_late_does_not_raise_again_what_was_lowered() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        bench.hv.supply.line.late_s, bench.hv.supply.line.stubborn = 0.45, True
        raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(3.2)
        await bench.hv.off(within_s=60.0)
        with pytest.raises(ScandaqError):
            await raising
        await asyncio.sleep(30.0)

        assert bench.hv.supply.true_v() <= 2.0

    on_a_bench(body)


def record_settings(bench: Bench, slow: Callable[[float], Coroutine[Any, Any, None]]) -> list[float]:
    """Let every setting pass through `slow` first; return the list of those that took effect."""
    real, taken = bench.hv.supply.set_v, []

    async def set_v(volts: float) -> None:
        await slow(volts)
        taken.append(volts)
        await real(volts)

    bench.hv.supply.set_v = set_v  # type: ignore[method-assign]
    return taken


def test_a_raise_that_was_overtaken_by_a_lowering_sets_nothing_any_more() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        taken = record_settings(bench, lambda _: asyncio.sleep(0))
        raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(5.0)
        taken.clear()
        await bench.hv.ramp_to(200.0, within_s=UP_S)
        with pytest.raises(RefusedError):
            await raising

        assert set(taken) == {200.0}

    on_a_bench(body)


def test_a_lowering_does_not_end_before_the_raise_it_overtook_has_ended() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        record_settings(bench, lambda volts: asyncio.sleep(0.45 if volts > 300 else 0.0))
        raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(0.05)  # its first setting is on the wire
        await bench.hv.ramp_to(299.0, within_s=UP_S)
        with pytest.raises(RefusedError):
            await raising
        await asyncio.sleep(5.0)

        assert bench.hv.supply.true_v() == 299.0

    on_a_bench(body)


def test_a_setting_that_was_given_up_and_takes_effect_later_is_set_right() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)

        async def slow(volts: float) -> None:
            if volts > 300.0:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(3600.0)
                await asyncio.sleep(2.0)

        record_settings(bench, slow)
        with pytest.raises(DeadlineError, match="set 350 V"):
            await bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH)
        await asyncio.sleep(10.0)

        assert bench.hv.supply.true_v() == 300.0

    on_a_bench(body)


def test_a_driver_that_raises_something_odd_is_still_lowered() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        real, failures = bench.hv.supply.set_v, iter(range(5))

        async def odd(volts: float) -> None:
            if next(failures, None) is not None:
                raise OSError("input/output error")
            await real(volts)

        bench.hv.supply.set_v = odd  # type: ignore[method-assign]
        await bench.hv.off()

        assert bench.hv.supply.true_v() <= 2.0

    on_a_bench(body)


def test_what_still_comes_down_is_not_raised() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(800.0)
        with pytest.raises(DeadlineError):
            await bench.hv.ramp_to(100.0, within_s=1.0)
        with pytest.raises(RefusedError, match="still comes down"):
            await bench.hv.ramp_to(150.0, within_s=UP_S, actor=TECH)
        await bench.hv.ramp_to(100.0, within_s=UP_S)

    on_a_bench(body)


def test_of_two_who_lower_it_the_lowest_holds_whatever_is_lost_on_the_wire() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(800.0)
        real, failures = bench.hv.supply.status, iter(range(2))

        async def lossy() -> SupplyStatus:
            if told[-1:] == [60.0] and next(failures, None) is not None:
                raise UnreachableError("the reply was lost")
            return await real()

        async def lossy_once(volts: float) -> None:
            if volts == 60.0 and 60.0 not in told:
                told.append(volts)
                raise UnreachableError("the reply was lost")

        told = record_settings(bench, lossy_once)
        bench.hv.supply.status = lossy  # type: ignore[method-assign]
        first = asyncio.create_task(bench.hv.ramp_to(250.0, within_s=UP_S))
        await asyncio.sleep(1.0)
        second = asyncio.create_task(bench.hv.ramp_to(60.0, within_s=UP_S))
        await asyncio.gather(first, second)

        assert told[0] == 250.0
        assert set(told[1:]) == {60.0}

    on_a_bench(body)


def test_a_raise_that_is_taken_back_is_not_taken_back_to_more_than_it_was_lowered_to_meanwhile() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(250.0)
        told = record_settings(bench, lambda _: asyncio.sleep(0))
        raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(2.0)
        bench.hv.supply.line.state = Wire.CUT
        await asyncio.sleep(1.0)  # it is told to go back to 250 V until it answers
        off = asyncio.create_task(bench.hv.off(within_s=60.0))
        await asyncio.sleep(0.0)
        told.clear()
        bench.hv.supply.line.state = Wire.GOOD
        await off
        with pytest.raises(ScandaqError):
            await raising

        assert set(told) == {0.0}

    on_a_bench(body)


def test_what_was_set_higher_by_somebody_else_is_never_gone_back_to() -> None:
    async def body(bench: Bench) -> None:
        await bench.hv.supply.set_v(250.0)
        await bench.hv.supply.switch_on()
        await asyncio.sleep(0.4)
        await bench.hv.arm(TECH, protocol_max_v=60.0)
        told = record_settings(bench, lambda _: asyncio.sleep(0))
        raising = asyncio.create_task(bench.hv.ramp_to(60.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(0.6)
        raising.cancel()
        with pytest.raises(asyncio.CancelledError):
            await raising
        await asyncio.sleep(10.0)

        assert max(told) <= 60.0
        assert bench.hv.supply.true_v() <= 25.0

    on_a_bench(body)


@pytest.mark.parametrize("already_raised_v", [0.0, 300.0])
def test_what_is_on_its_way_up_is_lowered_by_everybody(already_raised_v: float) -> None:
    async def body(bench: Bench) -> None:
        if already_raised_v:
            await bench.up(already_raised_v)
        await bench.hv.supply.set_v(800.0)  # by hand, at the front panel
        await bench.hv.supply.switch_on()
        await asyncio.sleep(1.0)
        report = await lower_voltage({"hv": bench.hv}, "hv", 600.0)
        await asyncio.sleep(30.0)

        assert report["hv"]["error"] == ""
        assert bench.hv.supply.true_v() <= already_raised_v + 55.0

    on_a_bench(body)


def test_lowering_to_more_than_its_next_step_ends_a_raise() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(3.5)
        await bench.hv.ramp_to(800.0, within_s=UP_S)
        with pytest.raises(RefusedError, match="lowered meanwhile"):
            await raising

        assert bench.hv.supply.true_v() < 550.0

    on_a_bench(body)


def test_what_cannot_be_set_is_switched_off_all_the_same() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)

        async def locked(_: float) -> None:
            raise RefusedError("its knob is locked")

        bench.hv.supply.set_v = locked  # type: ignore[method-assign]
        with pytest.raises(DeadlineError, match="its knob is locked"):
            await bench.hv.off(within_s=20.0)

        assert bench.hv.supply.true_v() == 0.0

    on_a_bench(body)


def test_it_is_not_switched_on_after_it_was_switched_off_while_its_first_setting_was_on_the_wire() -> None:
    async def body(bench: Bench) -> None:
        await bench.hv.arm(TECH, protocol_max_v=1000.0)
        record_settings(bench, lambda _: asyncio.sleep(0.3))
        said: list[float] = []
        real = bench.hv.supply.switch_on

        async def switch_on() -> None:
            said.append(bench.loop.time())
            await real()

        bench.hv.supply.switch_on = switch_on  # type: ignore[method-assign]
        raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(0.1)
        await bench.hv.off(within_s=20.0)
        with pytest.raises(RefusedError):
            await raising

        assert said == []

    on_a_bench(body)


def test_a_raise_that_was_asked_for_before_a_lowering_and_has_not_begun_is_refused_after_it() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        await bench.hv.arm(TECH, protocol_max_v=900.0)
        await lower_voltage({"hv": bench.hv}, "hv", 300.0)
        with pytest.raises(InterlockError, match="not armed"):
            await bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH)

    on_a_bench(body)
