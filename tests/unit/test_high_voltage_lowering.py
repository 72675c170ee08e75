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
from daq.errors import DeadlineError, MissingError, RefusedError, ScandaqError


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
