"""A simulated axis says where it is, at every start, halt and arrival and once a second, so that others can follow."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from support_motion import BED
from support_virtual import VirtualLoop, virtually

from daq.devices.build import build_devices
from daq.devices.simulated.axes import SimulatedBed
from daq.devices.simulated.encoder import Encoders
from daq.devices.simulated.telling import Going
from daq.errors import MotionError
from device_profiles.scanners import load_scanner
from device_profiles.services import Device as Plugged


def place(told: list[Going], now_s: float) -> float:
    """Return where somebody who heard this would say that the axis is."""
    last = [going for going in told if going.at_s <= now_s][-1]
    gone = last.speed * (now_s - last.at_s)
    way = last.target - last.position
    return last.target if gone >= abs(way) else last.position + (gone if way > 0 else -gone)


def bed(loop: VirtualLoop, told: list[Going]) -> SimulatedBed:
    return SimulatedBed("bed", BED, clock=loop.time, at=100.0, tell=told.append)


def test_who_hears_it_knows_where_the_axis_is_at_every_moment_of_a_movement() -> None:
    async def main(loop: VirtualLoop) -> None:
        told: list[Going] = []
        axis = bed(loop, told)
        move = asyncio.create_task(axis.move_to(150.0, speed=20.0))
        while not move.done():
            await asyncio.sleep(0.1)
            assert place(told, loop.time()) == pytest.approx(axis.drive.true_place(), abs=1e-6)
        assert (told[-1].speed, told[-1].position) == (0.0, 150.0)
        assert [going.speed for going in told] == [0.0, 20.0, 20.0, 20.0, 0.0]  # before, start, twice in 2.5 s, arrival

    virtually(main)


@pytest.mark.parametrize(
    ("action", "value", "ends_at"), [("stall", None, 120.0), ("block-at", 130.0, 130.0), ("cut-power", None, 120.4)]
)
def test_a_fault_is_told_at_once(action: str, value: float | None, ends_at: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        told: list[Going] = []
        axis = bed(loop, told)
        move = asyncio.create_task(axis.move_to(150.0, speed=20.0))
        await asyncio.sleep(1.0)
        axis.simulate(action, value)
        with pytest.raises(MotionError):
            await move
        assert axis.drive.true_place() == pytest.approx(ends_at, abs=0.05)
        assert place(told, loop.time()) == pytest.approx(axis.drive.true_place(), abs=1e-6)

    virtually(main)


def test_a_bed_that_slips_is_told_and_read_back_where_it_is() -> None:
    async def main(loop: VirtualLoop) -> None:
        told: list[Going] = []
        axis = bed(loop, told)
        sweep = asyncio.create_task(axis.sweep(100.0, 150.0, speed=10.0))
        await asyncio.sleep(1.0)
        before = axis.drive.true_place()
        axis.simulate("slip", -8)
        assert axis.drive.true_place() == pytest.approx(before - 8)
        assert place(told, loop.time()) == pytest.approx(before - 8)
        await sweep  # late by 0.8 s, which its controller makes good
        assert axis.drive.true_place() == 150.0

    virtually(main)


def test_a_site_file_names_who_is_told_and_the_datagrams_say_it_in_words_of_the_scanner() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hears:
        hears.bind(("127.0.0.1", 0))
        hears.settimeout(5.0)
        url = f"udp://127.0.0.1:{hears.getsockname()[1]}"

        async def main(loop: VirtualLoop) -> None:
            plugged = {"table": Plugged(ability="bed", axis="bed", url=url)}
            table = build_devices(plugged, load_scanner("dual-head"), clock=loop.time)["table"]
            await table.move_to(10.0, speed=5.0)  # type: ignore[union-attr] - it is a bed

        virtually(main)
        said = [json.loads(hears.recv(2048)) for _ in range(4)]

    assert {each["axis"] for each in said} == {"bed"}
    assert [(each["position"], each["target"], each["speed"]) for each in said[:2]] == [
        (0.0, 0.0, 0.0),
        (0.0, 10.0, 5.0),
    ]
    assert (said[-1]["position"], said[-1]["speed"]) == (10.0, 0.0)
    assert said[-1]["monotonic_ns"] - said[1]["monotonic_ns"] == pytest.approx(2e9, abs=1e8)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"ability": "collimator", "url": "udp://127.0.0.1:4900"}, "a simulated axis has udp"),
        ({"ability": "axis", "url": "tcp://127.0.0.1:4900"}, "a simulated axis has udp"),
        ({"ability": "axis", "url": "udp://127.0.0.1"}, "pattern"),
    ],
)
def test_an_endpoint_that_nothing_can_be_told_at_is_refused(told: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Plugged.model_validate(told)


def test_simulated_axes_stand_where_they_stood_when_the_program_is_started_again(tmp_path: Path) -> None:
    plugged = {"table": Plugged(ability="bed", axis="bed"), "gantry": Plugged(ability="axis")}
    file = tmp_path / "axes.json"

    def built(loop: VirtualLoop) -> dict[str, Any]:
        kept = Encoders(file, clock=loop.time)
        return dict(build_devices(plugged, load_scanner("dual-head"), clock=loop.time, encoders=kept))

    async def main(loop: VirtualLoop) -> None:
        before = built(loop)
        assert before["table"].drive.true_place() == 0.0
        await before["table"].move_to(10.0, speed=5.0)
        assert built(loop)["table"].drive.true_place() == 10.0

        await before["table"].drive.start(100.0, 5.0)
        await asyncio.sleep(3.0)  # the program ended as it began to move: its watchdog stops it a second later
        after = built(loop)
        assert after["table"].drive.true_place() == pytest.approx(15.0)
        assert not after["table"].drive.is_moving()
        assert after["gantry"].drive.true_place() == -10.0

    virtually(main)
    file.write_text("[1")
    virtually(lambda loop: _stands(built(loop)["table"], 0.0))


def test_a_place_has_the_time_at_which_it_was_so_however_late_a_busy_program_hears_it() -> None:
    async def main(loop: VirtualLoop) -> None:
        axis = bed(loop, [])
        moving = asyncio.create_task(axis.move_to(200.0, speed=10.0))
        await asyncio.sleep(1.0)
        said = await axis.drive.status()
        began_s = loop.time() - (said.position - 100.0) / 10.0
        await asyncio.sleep(0.3)
        assert said.read_s is not None
        assert said.position == pytest.approx(100.0 + 10.0 * (said.read_s - began_s))
        await moving

    virtually(main)


async def _stands(axis: Any, at: float) -> None:
    assert axis.drive.true_place() == at
