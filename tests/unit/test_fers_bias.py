"""The bias supply of a FERS board: read, set, switched and limited by the board's two registers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support_fers_simulator import WriteFaults

from daq.devices.fers import FersRoute, FersSupply
from daq.devices.limits import VoltageLimits
from daq.devices.supply import Protection
from daq.errors import DeadlineError, ReadbackError, RefusedError
from daq.wire import fers as wire
from daq.wire import fers_bias as bias
from daq.wire.fers import Register, Request
from device_profiles.services import Device
from simulators.fers.board import Board
from simulators.fers.line import answer

Found = TypeVar("Found")
LIMITS = VoltageLimits(58.0, 20.0, 20.0, 0.2, 2e-3, 1e-3)


class Bench:
    """A board whose time passes when it is told, asked without a wire. It has the interface of `FersRoute`."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.faults = WriteFaults()
        self.board = Board(21_001, lambda: self.now_s, self.faults, threading.RLock())
        self.failed_reads = 0
        self.status: wire.Status | None = None

    def run(self, sequence: Generator[Request, bytes, Found]) -> Found:
        try:
            request = next(sequence)
            while True:
                request = sequence.send(self._reply(request))
        except StopIteration as end:
            found: Found = end.value
            return found

    def carry_out(
        self, make: Callable[[], Generator[Request, bytes, Found]], *, urgent: bool, given_up: Callable[[], bool]
    ) -> Found:
        del urgent, given_up
        return self.run(make())

    def _reply(self, request: Request) -> bytes:
        if self.failed_reads and request.address == Register.HV_REGDATA and request.code == wire.READ_MEMORY:
            self.failed_reads -= 1
            return b"\xff" * 4
        if self.status is not None and request.address == Register.ACQ_STATUS:
            return int(self.status).to_bytes(4, "little")
        reply = answer(self.board, bytearray(request.encoded()))
        assert reply is not None
        return reply


def firmware(bench: Bench) -> int:
    return bench.run(bias.board_serial())[1]


@settings(max_examples=20, deadline=None)
@given(st.integers(200_000, 850_000))
def test_a_voltage_that_is_set_is_read_back(code: int) -> None:
    bench = Bench()
    bench.run(bias.set_voltage(code / bias.SCALE))

    assert bench.run(bias.read_item(bias.Item.SET_V)) == code


def test_the_output_follows_at_its_slope_and_both_firmwares_tell_it() -> None:
    bench = Bench()
    bench.run(bias.set_limits(bias.BiasLimits(1.0, 5.0)))
    bench.run(bias.set_voltage(50.0))
    bench.run(bias.switch(on=True))
    bench.now_s = 4.0
    rising = bench.run(bias.read_bias(firmware(bench)))
    bench.now_s = 11.0
    direct, indirect = (bench.run(bias.read_bias(version)) for version in (4 << 8, 3 << 8))

    assert (rising.on, rising.ramping, rising.output_v) == (True, True, pytest.approx(20.0, abs=0.01))
    assert (direct.output_v, direct.set_v, direct.ramping) == (pytest.approx(50.0), 50.0, False)
    assert direct == indirect


@pytest.mark.parametrize("volts", [0.0, 19.9, 85.1, float("nan")])
def test_a_voltage_outside_of_its_range_is_refused(volts: float) -> None:
    with pytest.raises(RefusedError, match="20 to 85 V"):
        Bench().run(bias.set_voltage(volts))


@pytest.mark.parametrize("limit_ma", [0.0, 10.0])
def test_a_limit_of_the_current_outside_of_its_range_is_refused(limit_ma: float) -> None:
    with pytest.raises(RefusedError, match=r"9\.999 mA"):
        Bench().run(bias.set_limits(bias.BiasLimits(limit_ma, 5.0)))


def test_a_read_that_fails_is_made_again_and_after_five_given_up() -> None:
    bench = Bench()
    bench.failed_reads = 4
    found = bench.run(bias.read_item(bias.Item.SERIAL))
    bench.failed_reads = 5

    assert found == 1001
    with pytest.raises(ReadbackError, match="serial: 5 reads failed"):
        bench.run(bias.read_item(bias.Item.SERIAL))


def test_a_setting_that_is_not_taken_is_said() -> None:
    bench = Bench()
    bench.board.supply.put = lambda value: None  # type: ignore[method-assign]

    with pytest.raises(ReadbackError, match="set_v = 300000 and holds 200000"):
        bench.run(bias.set_voltage(30.0))


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [(wire.Status.I2C_FAIL, RefusedError, "I2C bus failed"), (wire.Status.I2C_BUSY, DeadlineError, "still talks")],
)
def test_a_bus_that_fails_or_hangs_is_said(status: wire.Status, error: type[Exception], words: str) -> None:
    bench = Bench()
    bench.status = status

    with pytest.raises(error, match=words):
        bench.run(bias.read_item(bias.Item.SET_V))


def test_only_reads_and_what_concerns_the_supply_may_be_asked_while_a_board_records() -> None:
    allowed = [
        wire.read_register(Register.ACQ_STATUS), wire.read_memory(Register.PID, 64),
        wire.write_register(Register.HV_REGADDR, 1), wire.write_register(Register.HV_REGDATA, 1),
    ]  # fmt: skip
    refused = [
        wire.send_command(wire.Command.RESET), wire.write_register(Register.ACQ_CTRL, 0),
        wire.write_memory(Register.HV_REGADDR, bytes(8)),
    ]  # fmt: skip

    assert [bias.may_be_asked(request) for request in allowed + refused] == [True] * 4 + [False] * 3


def test_the_supply_of_a_station_keeps_its_limits_and_says_them_as_they_were_asked() -> None:
    bench = Bench()
    supply = FersSupply(bench, LIMITS)  # type: ignore[arg-type]
    asked = Protection(57.0, 7.3, 1.2345e-3, 1e-3)

    async def body() -> None:
        await supply.protect(asked)
        assert await supply.protection() == asked
        bench.run(bias.set_limits(bias.BiasLimits(2.0, 7.3)))
        assert (await supply.protection()).trip_a == pytest.approx(2e-3)
        with pytest.raises(RefusedError, match="the limit is 57 V"):
            await supply.set_v(57.5)

    asyncio.run(body())


def test_a_trip_is_trouble_and_set_to_nothing_is_off() -> None:
    bench = Bench()
    supply = FersSupply(bench, LIMITS)  # type: ignore[arg-type]

    async def body() -> None:
        await supply.set_v(55.0)
        await supply.switch_on()
        bench.now_s = 20.0
        up = await supply.status()
        bench.board.supply.trip_at_ma = 0.0
        bench.now_s = 21.0
        tripped = await supply.status()
        bench.board.supply.trip_at_ma = None
        await supply.set_v(0.0)
        await supply.switch_on()
        bench.now_s = 60.0
        begun = await supply.status()
        assert (up.on, up.set_v, up.trouble) == (True, 55.0, "")
        assert (tripped.on, tripped.set_v, tripped.trouble) == (False, 0.0, "over-current trip")
        assert (begun.on, begun.output_v) == (True, pytest.approx(20.0))

    asyncio.run(body())


def test_another_board_is_another_connection() -> None:
    bench = Bench()
    supply = FersSupply(bench, LIMITS)  # type: ignore[arg-type]

    async def body() -> None:
        first = await supply.identify()
        before = supply.connection
        bench.board = Board(21_002, lambda: bench.now_s, bench.faults, threading.RLock())
        second = await supply.identify()
        assert (first.serial, second.serial) == ("21001/1001", "21002/1002")
        assert supply.connection == before + 1

    asyncio.run(body())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ability": "bed"}, "is a high_voltage"),
        ({"url": None}, "needs both"),
        ({"bias": None}, "needs both"),
        ({"kind": "simulated"}, "needs both"),
        ({"bias": {"max_v": 90.0, "trip_ma": 2.0}}, "85"),
        ({"bias": {"max_v": 50.0, "trip_ma": 10.0}}, "10"),
        ({"bias": {"max_v": 50.0, "trip_ma": 2.0, "max_step_v": 5.0}}, "20"),
        ({"url": "udp://10.0.0.2"}, "pattern"),
    ],
)
def test_a_site_says_of_a_board_what_is_needed_and_no_more(changed: dict[str, object], words: str) -> None:
    said = {
        "ability": "high_voltage", "kind": "caen-fers", "url": "tcp://192.168.50.3",
        "bias": {"max_v": 58.0, "trip_ma": 2.0},
    }  # fmt: skip
    Device.model_validate(said)

    with pytest.raises(ValidationError, match=words):
        Device.model_validate(said | changed)


def test_a_voltage_that_was_given_up_while_the_board_was_busy_is_never_set_and_switching_off_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench, begun, said = Bench(), threading.Event(), list[str]()

    def directly(make: Callable[[], Generator[Request, bytes, Found]]) -> Found:
        said.append("turn")
        return bench.run(make())

    route = FersRoute("board", 1)
    monkeypatch.setattr(route, "_readout", begun.set)
    monkeypatch.setattr(route, "_directly", directly)

    async def main() -> None:
        supply = FersSupply(route, LIMITS)
        with route._lock:
            for call in (supply.set_v(50.0), supply.switch_off()):
                task = asyncio.create_task(call)
                await asyncio.sleep(0.02)  # it waits for its turn, in a thread
                task.cancel()
                await asyncio.wait({task})
        assert await asyncio.to_thread(begun.wait, 2.0)
        await supply.status()

    asyncio.run(main())
    assert bench.run(bias.read_bias(bench.run(bias.board_serial())[1])).set_v != 50.0
    assert len(said) >= 2  # switching off, and what was read afterwards
