"""Simulated motors in time: switches, hands, watchdogs, power; and whom they tell where they are."""

from __future__ import annotations

import argparse
import json
import socket
from contextlib import closing

import pytest

from daq.errors import UsageError
from simulators.instruments.motors import Motors
from simulators.instruments.showing import AGAIN_S, add_tell_option, showing


class Clock:
    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def motors(clock: Clock) -> Motors:
    return Motors(2, least=0.0, most=100.0, speed=10.0, clock=clock, homed=True)


def test_a_motor_goes_there_in_its_time_and_no_further_than_its_switches(motors: Motors, clock: Clock) -> None:
    motors[1].go(30.0)
    clock.now_s += 2.0
    assert (motors[1].place, motors[1].velocity, motors[1].bound_for) == (20.0, 10.0, 30.0)
    clock.now_s += 2.0
    assert (motors[1].place, motors[1].velocity) == (30.0, 0.0)

    motors.deeds()["limit"]({"axis": 1, "at": 45.0})
    motors[1].run(5.0)
    clock.now_s += 60.0
    assert (motors[1].place, motors[1].switches, motors[1].moving) == (45.0, (False, True), False)


def test_a_watchdog_stops_it_at_its_time_though_nobody_looks(motors: Motors, clock: Clock) -> None:
    motors[1].run(10.0)
    motors.stop_by(clock.now_s + 1.0)
    clock.now_s += 60.0

    assert (motors[1].place, motors[1].velocity) == (10.0, 0.0)


def test_power_that_goes_takes_the_reference_with_it(motors: Motors, clock: Clock) -> None:
    motors[1].run(10.0)
    clock.now_s += 1.0
    motors.deeds()["cut-power"]({})
    motors[1].go(50.0)
    clock.now_s += 1.0

    assert motors.told() == {
        "positions": [10.0, 0.0], "moving": [False, False], "homed": [False, False], "powered": [False, False],
    }  # fmt: skip


def test_a_controller_that_was_off_counts_from_nought_where_it_is(motors: Motors, clock: Clock) -> None:
    motors[1].go(30.0)
    clock.now_s += 5.0
    motors.deeds()["reboot"]({"seconds": 2})

    assert (motors.deaf, motors[1].place, motors[1].position, motors[1].homed) == (True, 30.0, 0.0, False)
    clock.now_s += 2.0
    motors[1].go(0.0, homing=True)
    clock.now_s += 5.0
    assert (motors.deaf, motors[1].place, motors[1].position, motors[1].homed) == (False, 0.0, 0.0, True)


@pytest.mark.parametrize("axis", [0, 3, "1", True])
def test_only_axes_that_are_there_can_be_stalled(motors: Motors, axis: object) -> None:
    with pytest.raises(UsageError, match="1 to 2 are there"):
        motors.deeds()["stall"]({"axis": axis})


def told(text: str, motors: Motors) -> None:
    parser = argparse.ArgumentParser()
    add_tell_option(parser)
    made = showing(parser.parse_args(["--tell", text]), motors)
    assert made is not None
    with closing(made):
        made()


def test_what_a_motor_does_is_told_in_the_unit_of_its_axis(motors: Motors) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hears:
        hears.bind(("127.0.0.1", 0))
        hears.settimeout(5.0)
        motors[2].go(30.0)
        told(f"axis=bed,motor=2,per_unit=-0.5,zero=200,to=udp://127.0.0.1:{hears.getsockname()[1]}", motors)
        said = json.loads(hears.recv(4096))

    assert {key: said[key] for key in ("axis", "position", "target", "speed")} == {
        "axis": "bed", "position": 200.0, "target": 140.0, "speed": 20.0,
    }  # fmt: skip
    assert AGAIN_S == 1.0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("axis=bed", "is written axis="),
        ("axis=bed,motor=3,per_unit=1,to=udp://h:1", "motor from 1 to 2"),
        ("axis=bed,motor=1,per_unit=0,to=udp://h:1", "per_unit not 0"),
        ("axis=bed,motor=1,per_unit=1,to=tcp://h:1", "to=udp://HOST:PORT"),
        ("axis=bed,motor=x,per_unit=1,to=udp://h:1", "are numbers"),
        ("axis=bed,motor=1,per_unit=1,colour=red,to=udp://h:1", "is written axis="),
    ],
)
def test_a_way_to_tell_that_makes_no_sense_is_refused(text: str, why: str, motors: Motors) -> None:
    with pytest.raises(UsageError, match=why):
        told(text, motors)
