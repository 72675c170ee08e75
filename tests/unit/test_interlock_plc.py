"""The simulated safety controller in the test's own time: what cuts the power, what gives it back, what it is told."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daq.errors import UsageError
from simulators.instruments.modbus import ModbusTalk
from simulators.instruments.plc import InterlockPlc
from simulators.instruments.wires import Wires

DEEDS = ("press-stop", "pull-stop", "hit-pad", "leave-pad", "reset", "power-cut", "power-back", "reboot", "press-latch")


class Bench:
    """A controller, its clock, and a hand that works it."""

    def __init__(self) -> None:
        self.now_s = 50.0
        self.plc = InterlockPlc(clock=lambda: self.now_s)

    def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            self.now_s += 0.02
            self.plc.scan()

    def do(self, name: str, **said: object) -> None:
        self.plc.deeds()[name](said)
        self.pass_s(0.02)

    def power(self) -> bool:
        return self.plc.bits("discrete", 2, 1)[0]


def test_a_stop_holds_the_power_back_and_a_pad_does_not() -> None:
    bench = Bench()
    for deed, power in (
        ("press-stop", False), ("reset", False), ("pull-stop", False), ("reset", True),
        ("hit-pad", False), ("reset", True), ("leave-pad", True), ("hit-pad", False),
    ):  # fmt: skip
        bench.do(deed)
        assert bench.power() is power, deed


def test_only_a_new_heartbeat_counts() -> None:
    bench = Bench()
    bench.plc.write_bits(0, [True])
    for beat in (1, 2, 3):
        bench.plc.write_registers(0, [beat])
        bench.pass_s(0.9)
    assert bench.power()
    bench.plc.write_registers(0, [3])
    bench.pass_s(0.2)
    assert not bench.power()
    bench.plc.write_registers(0, [4])
    bench.pass_s(0.2)
    assert not bench.power()
    bench.do("reset")
    assert bench.power()


def test_the_watchdogs_time_is_what_was_written() -> None:
    bench = Bench()
    bench.plc.write_registers(0, [1, 300])
    bench.plc.write_bits(0, [True])
    bench.pass_s(2.9)
    assert bench.power()
    bench.pass_s(0.2)
    assert not bench.power()


def test_a_program_that_stands_still_cuts_nothing_and_counts_nothing() -> None:
    bench = Bench()
    bench.plc.write_bits(0, [True])
    bench.do("freeze")
    before = bench.plc.registers("input", 20, 2)
    bench.plc.write_registers(0, [77])
    bench.do("press-stop")
    bench.pass_s(5.0)
    assert bench.plc.registers("input", 20, 2) == before
    assert bench.power()
    bench.do("thaw")
    assert not bench.power()


def test_after_a_restart_there_is_no_power_and_no_watchdog() -> None:
    bench = Bench()
    bench.plc.write_registers(0, [5, 300])
    bench.plc.write_bits(0, [True])
    bench.do("reboot")
    assert (bench.power(), bench.plc.bits("coil", 0, 1), bench.plc.registers("holding", 0, 2)) == (
        False,
        [False],
        [0, 100],
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(DEEDS), max_size=25))
def test_power_comes_back_only_when_somebody_presses_reset_or_the_mains_return(deeds: list[str]) -> None:
    bench = Bench()
    bench.plc.write_bits(0, [True])
    bench.plc.write_registers(1, [6000])
    for deed in deeds:
        before = bench.power()
        bench.do(deed)
        assert not bench.power() or before or deed in ("reset", "power-back")
        assert not bench.power() or bench.plc.bits("discrete", 0, 1) == [True]
        assert bench.plc.bits("discrete", 5, 1) == [False] or bench.plc.bits("discrete", 7, 1) == [False]


def test_a_temperature_goes_at_its_rate_and_opens_its_contact() -> None:
    bench = Bench()
    bench.do("temperature", head=2, celsius=39.0, c_per_h=3600.0)
    bench.pass_s(0.5)
    assert (bench.plc.registers("input", 120, 1), bench.plc.bits("discrete", 121, 1)) == ([395], [True])
    bench.pass_s(0.6)
    assert bench.plc.bits("discrete", 121, 1) == [False]
    assert bench.plc.bits("discrete", 111, 1) == [True]


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        ("0700", "8701"),  # a function that it does not know
        ("0300000000", "8303"),  # no registers
        ("030000007e", "8303"),  # more than 125
        ("0300", "8303"),  # cut short
        ("0500001234", "8503"),  # neither on nor off
        ("100000000204000a", "9003"),  # fewer bytes than announced
        ("0300020001", "8302"),  # no such address
        ("0f000000010101", "0f00000001"),
        ("2b0e0400", "2b0e048100000100077363616e646171"),
        ("2b0e0409", "ab02"),
    ],
)
def test_its_answers_are_those_of_the_specification(pdu: str, answer: str) -> None:
    assert ModbusTalk(InterlockPlc()).answer(bytes.fromhex(pdu)).hex() == answer


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_nothing_that_is_said_to_it_breaks_it(said: list[bytes]) -> None:
    talk = ModbusTalk(InterlockPlc())
    for data in said:
        talk.feed(data)
    for data in said:
        if data:
            assert len(talk.answer(data)) >= 2


def test_a_wire_tells_another_machine_in_order(tmp_path: Path) -> None:
    heard: list[object] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "side"))
        server.listen()

        def serve() -> None:
            for _ in range(2):
                client, _ = server.accept()
                with client:
                    heard.append(json.loads(client.makefile().readline()))
                    client.sendall(b'{"done": true}\n')

        thread = threading.Thread(target=serve)
        thread.start()
        bench = Bench()
        for event, deed in (("drive-power-off", "cut-power"), ("drive-power-on", "restore-power")):
            bench.do("wire", when=event, to=str(tmp_path / "side"), say={"do": deed})
        bench.do("press-stop")
        bench.do("pull-stop")
        bench.do("reset")
        thread.join(5.0)
    assert heard == [{"do": "cut-power"}, {"do": "restore-power"}]
    assert bench.plc.told()["wires_lost"] == 0


def test_wires_that_make_no_sense_are_refused() -> None:
    wires = Wires(("drive-power-off",))
    with pytest.raises(UsageError, match="a wire for 'lunch': there are drive-power-off"):
        wires.connect("lunch", "side", {})
    with pytest.raises(UsageError, match="is nothing to say"):
        wires.connect("drive-power-off", "side", "cut")
