"""High voltage: what must be so before it is raised, what takes it back, and that lowering always works."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_high_voltage import OTHER, SERVICE, TECH, UP_S, Bench, on_a_bench
from support_virtual import VirtualLoop

from daq.devices.abilities import HighVoltage
from daq.devices.simulated.supply import NAMEPLATE, SimulatedHighVoltage
from daq.devices.simulated.wire import Wire
from daq.devices.supply import SupplyStatus
from daq.errors import (
    AccessError,
    DeadlineError,
    InterlockError,
    LimitError,
    MismatchError,
    ReadbackError,
    RefusedError,
    ScandaqError,
    UsageError,
)
from daq.model.station import Role


def test_it_is_raised_step_by_step_no_faster_than_its_slope_and_read_back() -> None:
    async def body(bench: Bench) -> None:
        assert isinstance(bench.hv, HighVoltage)
        begun_s = bench.loop.time()
        await bench.up(800.0)

        took_s = bench.loop.time() - begun_s
        assert 800.0 / NAMEPLATE.max_slope_v_per_s <= took_s <= 2 * 800.0 / NAMEPLATE.max_slope_v_per_s
        assert bench.hv.supply.true_v() == 800.0
        assert await bench.hv.read("current") == pytest.approx(800.0 / 20e6)
        assert await bench.hv.read("trouble") == ""
        with pytest.raises(RefusedError, match="no colour"):
            await bench.hv.read("colour")

    on_a_bench(body)


async def _unarmed(bench: Bench) -> None:
    await bench.hv.ramp_to(100.0, within_s=UP_S, actor=TECH)


async def _expired(bench: Bench) -> None:
    await bench.hv.arm(TECH, protocol_max_v=1000.0, valid_s=30.0)
    await asyncio.sleep(30.1)
    await bench.hv.ramp_to(100.0, within_s=UP_S, actor=TECH)


async def _anothers(bench: Bench) -> None:
    await bench.hv.arm(TECH, protocol_max_v=1000.0)
    await bench.hv.ramp_to(100.0, within_s=UP_S, actor=OTHER)


async def _nobodys(bench: Bench) -> None:
    await bench.hv.arm(TECH, protocol_max_v=1000.0)
    await bench.hv.ramp_to(100.0, within_s=UP_S)


async def _above_the_protocol(bench: Bench) -> None:
    await bench.hv.arm(TECH, protocol_max_v=500.0)
    await bench.hv.ramp_to(500.1, within_s=UP_S, actor=TECH)


async def _above_the_profile(bench: Bench) -> None:
    await bench.hv.arm(SERVICE)
    await bench.hv.ramp_to(1500.1, within_s=UP_S, actor=SERVICE)


async def _no_number(bench: Bench) -> None:
    await bench.hv.arm(SERVICE)
    await bench.hv.ramp_to(float("nan"), within_s=UP_S, actor=SERVICE)


async def _negative(bench: Bench) -> None:
    await bench.hv.arm(SERVICE)
    await bench.hv.ramp_to(-1.0, within_s=UP_S, actor=SERVICE)


async def _cover_open(bench: Bench) -> None:
    await bench.hv.arm(TECH, protocol_max_v=1000.0)
    bench.head.open_cover()
    bench.hv.supply.clear()
    await asyncio.sleep(0.7)
    await bench.hv.ramp_to(100.0, within_s=UP_S, actor=TECH)


async def _too_warm(bench: Bench) -> None:
    bench.head.surround(40.0, 1.0)
    await asyncio.sleep(10.0)
    await bench.hv.arm(TECH, protocol_max_v=1000.0)
    await bench.hv.ramp_to(100.0, within_s=UP_S, actor=TECH)


async def _interlocks_stale(bench: Bench) -> None:
    assert bench.watching is not None
    bench.watching.cancel()
    await asyncio.sleep(2.0)
    await bench.hv.arm(TECH, protocol_max_v=1000.0)
    await bench.hv.ramp_to(100.0, within_s=UP_S, actor=TECH)


async def _interlocks_unknown(bench: Bench) -> None:
    bench.hv.guard_by(tuple)
    await bench.hv.arm(TECH, protocol_max_v=1000.0)
    await bench.hv.ramp_to(100.0, within_s=UP_S, actor=TECH)


async def _reconnected(bench: Bench) -> None:
    await bench.hv.arm(TECH, protocol_max_v=1000.0)
    bench.hv.supply.reconnect()
    await bench.hv.ramp_to(100.0, within_s=UP_S, actor=TECH)


async def _another_supply(bench: Bench) -> None:
    await bench.hv.arm(TECH, protocol_max_v=1000.0)
    bench.hv.supply.reconnect("SIM-other")
    await bench.hv.arm(TECH, protocol_max_v=1000.0)


async def _limits_not_held(bench: Bench) -> None:
    bench.hv.supply.stick()
    bench.hv._limits = replace(NAMEPLATE, max_v=900.0)
    await bench.hv.arm(TECH, protocol_max_v=800.0)


async def _viewer(bench: Bench) -> None:
    await bench.hv.arm(replace(TECH, role=Role.VIEWER), protocol_max_v=1000.0)


async def _without_a_protocol(bench: Bench) -> None:
    await bench.hv.arm(TECH)


async def _armed_by_another(bench: Bench) -> None:
    await bench.hv.arm(TECH, protocol_max_v=1000.0)
    await bench.hv.arm(OTHER)


async def _for_ever(bench: Bench) -> None:
    await bench.hv.arm(TECH, protocol_max_v=1000.0, valid_s=float("inf"))


async def _disarmed(bench: Bench) -> None:
    await bench.hv.arm(TECH, protocol_max_v=1000.0)
    bench.hv.disarm()
    await bench.hv.ramp_to(100.0, within_s=UP_S, actor=TECH)


@pytest.mark.parametrize(
    ("attempt", "error", "says"),
    [
        (_unarmed, InterlockError, "hv is not armed"),
        (_expired, InterlockError, r"expired 0\.1 s ago"),
        (_anothers, AccessError, r"armed by ada \(local\), not by bob"),
        (_nobodys, AccessError, "not by nobody"),
        (_above_the_protocol, LimitError, "0 to 500 V is the limit of its protocol"),
        (_above_the_profile, LimitError, "0 to 1500 V is the limit of its profile"),
        (_no_number, LimitError, "nan V"),
        (_negative, LimitError, "-1 V"),
        (_cover_open, InterlockError, r"head\.service_cover is open"),
        (_too_warm, InterlockError, r"head\.temperature is open"),
        (_interlocks_stale, InterlockError, "is fresh"),
        (_interlocks_unknown, InterlockError, "no interlock of kind service_cover is known"),
        (_reconnected, InterlockError, "connected anew"),
        (_another_supply, MismatchError, "SIM-other"),
        (_limits_not_held, ReadbackError, "hv holds the limits"),
        (_viewer, AccessError, "ada may not raise hv: raise_voltage needs the role technologist, not viewer"),
        (_without_a_protocol, AccessError, "raise_voltage outside of a protocol needs the role service"),
        (_armed_by_another, RefusedError, "armed by ada for another 60 s"),
        (_for_ever, UsageError, "at most 3600 s"),
        (_disarmed, InterlockError, "not armed"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_nothing_is_raised_unless_everything_is_in_order(
    attempt: Callable[[Bench], Coroutine[Any, Any, None]], error: type[Exception], says: str
) -> None:
    async def body(bench: Bench) -> None:
        with pytest.raises(error, match=says):
            await attempt(bench)

        await asyncio.sleep(60.0)
        assert bench.hv.supply.true_v() == 0.0

    on_a_bench(body)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda bench: bench.hv.supply.trip(), "hv reports trip"),
        (lambda bench: bench.hv.supply.leak(1e6), "hv reports over-current trip"),
        (lambda bench: bench.hv.supply.stick(), "hv holds"),
        (lambda bench: bench.hv.supply.misread(30.0), "hv is at"),
        (lambda bench: bench.hv.supply.misread(-30.0), "hv stays at"),
        (lambda bench: bench.head.open_cover(), "interlock|service_cover is open"),
        (lambda bench: bench.head.surround(80.0, 0.1), "temperature is open"),
        (lambda bench: bench.watching.cancel(), "is fresh"),
        (lambda bench: bench.hv.supply.reconnect(), "connected anew"),
    ],
)
def test_whatever_goes_wrong_on_the_way_up_takes_the_voltage_down_to_nothing(
    fault: Callable[[Bench], Any], says: str
) -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(5.0)
        fault(bench)
        with pytest.raises((ReadbackError, InterlockError), match=says):
            await raising
        await asyncio.sleep(40.0)

        assert bench.hv.supply.true_v() == 0.0

    on_a_bench(body)


@pytest.mark.parametrize("times", [1, 5])
def test_a_cancelled_raise_goes_back_to_where_it_began(times: int) -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(5.0)
        for _ in range(times):
            raising.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await raising
        await asyncio.sleep(30.0)

        assert bench.hv.supply.true_v() == 300.0

    on_a_bench(body)


def test_a_raise_that_takes_too_long_goes_back_to_where_it_began() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        with pytest.raises(DeadlineError, match="did not reach 900 V in 5 s; it was told to go back to 300 V"):
            await bench.hv.ramp_to(900.0, within_s=5.0, actor=TECH)
        await asyncio.sleep(30.0)

        assert bench.hv.supply.true_v() == 300.0

    on_a_bench(body)


def test_a_permit_that_runs_out_on_the_way_up_lets_the_raise_end() -> None:
    async def body(bench: Bench) -> None:
        await bench.hv.arm(TECH, protocol_max_v=1000.0, valid_s=5.0)
        await bench.hv.ramp_to(800.0, within_s=UP_S, actor=TECH)
        with pytest.raises(InterlockError, match="not armed any more"):
            await bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH)

        assert bench.hv.supply.true_v() == 800.0

    on_a_bench(body)


class Swallowing(SimulatedHighVoltage):
    """Loses a cancellation on its way, as `asyncio.wait_for` can on Python 3.11."""

    async def _status(self) -> SupplyStatus:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.1)
        return await super()._status()


def test_a_swallowed_cancellation_is_found_and_the_voltage_goes_back() -> None:
    async def body(bench: Bench) -> None:
        hv = Swallowing("hv", clock=bench.loop.time)
        hv.guard_by(bench.watch.current)
        await hv.arm(TECH, protocol_max_v=1000.0)
        raising = asyncio.create_task(hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(5.05)
        raising.cancel()
        with pytest.raises(asyncio.CancelledError):
            await raising
        await asyncio.sleep(30.0)

        assert hv.supply.true_v() == 0.0

    on_a_bench(body)


def test_a_permit_that_is_taken_back_ends_the_raise_and_off_takes_it_back() -> None:
    async def body(bench: Bench) -> None:
        await bench.up(300.0)
        raising = asyncio.create_task(bench.hv.ramp_to(900.0, within_s=UP_S, actor=TECH))
        await asyncio.sleep(5.0)
        bench.hv.disarm()
        with pytest.raises(RefusedError, match="taken back"):
            await raising
        await asyncio.sleep(30.0)
        assert bench.hv.supply.true_v() == 300.0

        await bench.hv.arm(TECH, protocol_max_v=1000.0)
        await bench.hv.off()
        with pytest.raises(InterlockError, match="not armed"):
            await bench.hv.ramp_to(100.0, within_s=UP_S, actor=TECH)

    on_a_bench(body)


def test_of_two_who_arm_at_the_same_time_one_is_refused() -> None:
    async def body(bench: Bench) -> None:
        bench.hv.supply.line.delay_s = 0.1
        results = await asyncio.gather(
            bench.hv.arm(TECH, protocol_max_v=1000.0), bench.hv.arm(OTHER), return_exceptions=True
        )

        assert [type(result).__name__ for result in results] == ["Permit", "RefusedError"]

    on_a_bench(body)


def test_a_program_that_ends_leaves_it_on() -> None:
    loop = VirtualLoop()
    bench = Bench(loop)

    async def main() -> None:
        await bench.ready()
        await bench.up(800.0)

    loop.run_until_complete(main())
    loop.end()

    assert bench.hv.supply.true_v() == 800.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["up", "down", "off", "cancel", "cover", "close", "cut", "mend", "trip", "clear", "arm"]),
            st.floats(0.0, 1100.0),
            st.sampled_from([0.0, 0.2, 3.0, 20.0]),
        ),
        max_size=15,
    )
)
def test_whatever_people_do_it_is_never_above_the_permit_and_goes_down_at_the_end(
    story: list[tuple[str, float, float]],
) -> None:
    async def body(bench: Bench) -> None:
        tasks: list[asyncio.Task[Any]] = []

        def begin(movement: Coroutine[Any, Any, Any]) -> None:
            tasks.append(asyncio.create_task(movement))

        acts: dict[str, Callable[[float], Any]] = {
            "arm": lambda volts: begin(bench.hv.arm(TECH, protocol_max_v=1000.0)),
            "up": lambda volts: begin(bench.hv.ramp_to(volts, within_s=UP_S, actor=TECH)),
            "down": lambda volts: begin(bench.hv.ramp_to(volts / 4, within_s=UP_S)),
            "off": lambda volts: begin(bench.hv.off(within_s=UP_S)),
            "cancel": lambda volts: [task.cancel() for task in tasks],
            "cover": lambda volts: bench.head.open_cover(),
            "close": lambda volts: bench.head.close_cover(),
            "cut": lambda volts: setattr(bench.hv.supply.line, "state", Wire.CUT),
            "mend": lambda volts: setattr(bench.hv.supply.line, "state", Wire.GOOD),
            "trip": lambda volts: bench.hv.supply.trip(),
            "clear": lambda volts: bench.hv.supply.clear(),
        }
        await bench.hv.arm(TECH, protocol_max_v=1000.0)
        for what, volts, wait_s in story:
            acts[what](volts)
            await asyncio.sleep(wait_s)
            assert bench.hv.supply.true_v() <= 1000.0
        bench.hv.supply.line.state = Wire.GOOD
        await bench.hv.off(within_s=UP_S)
        results = await asyncio.gather(*tasks, return_exceptions=True)

        odd = [why for why in results if isinstance(why, Exception) and not isinstance(why, ScandaqError)]
        assert odd == []
        await asyncio.sleep(30.0)
        assert bench.hv.supply.true_v() <= 2.0

    on_a_bench(body)
