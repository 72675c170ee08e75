"""The three scanners that ship whole, each with all its simulators and the daemon: raised, guarded, moved, stopped."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support_protocol_texts import protocol, step
from support_whole_scanner import WholeStation, whole_station

from daq.errors import InterlockError, RefusedError


def is_off(station: WholeStation, *names: str) -> bool:
    return all(station.volts(name) < 2.0 for name in names)


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeStation]:
    with whole_station("spect-camera", tmp_path_factory.mktemp("camera")) as station:
        yield station


def test_a_cover_of_the_camera_takes_down_its_own_head_and_a_trip_its_group(camera: WholeStation) -> None:
    for name in ("front_upper", "back_upper", "back_lower"):
        camera.up(name, 30.0)
    camera.do("safety", do="open-cover", head=1)
    camera.until(lambda: is_off(camera, "front_upper"), "the front head to be off")
    first = r"front_contacts\.service_cover is open|not armed|interlock input is open"  # whichever is seen first
    with pytest.raises((InterlockError, RefusedError), match=first):
        camera.up("front_lower", 30.0)
    assert [round(camera.volts(name)) for name in ("back_upper", "back_lower")] == [30, 30]

    camera.do("back_supply", do="trip", channel=0)
    camera.until(lambda: is_off(camera, "back_upper", "back_lower"), "the group to be off")
    assert "back_upper/trouble-trip" in camera.alarms()
    camera.do("safety", do="close-cover", head=1)
    camera.until(lambda: "service_cover is open" not in camera.against("front_upper"), "the cover to be seen closed")
    camera.ask("clear", device="front_upper")  # what the open cover left latched
    camera.up("front_upper", 30.0)


def test_the_camera_moves_with_the_enable_of_its_room_and_its_motors_stop_without_the_daemon(
    camera: WholeStation,
) -> None:
    with pytest.raises(InterlockError, match="homing needs the enable held, it is off"):
        camera.ask("home")
    camera.do("safety", do="press-enable")
    camera.until(lambda: camera.status()["motion"]["enable"] == "held", "the enable to be held")
    camera.ask("home")
    moving, ended = camera.begin("retreat", axis="front_radius")
    camera.until(lambda: any(camera.told("motors")["moving"]), "a motor to move")
    camera.kill()
    moving.join()
    camera.until(lambda: not any(camera.told("motors")["moving"]), "the motors to stand")
    assert camera.told("safety")["tripped"] == "watchdog"
    assert ended != ["done"]


def test_a_daemon_that_comes_back_finds_voltages_as_they_were_and_trusts_no_position(camera: WholeStation) -> None:
    camera.start()
    camera.until(lambda: camera.status()["motion"]["reference"] == "lost", "motion to be lost")
    assert camera.volts("front_upper") == pytest.approx(30.0, abs=1.0)  # nothing was said to it by either daemon
    assert camera.told("front_supply")["volts"][0] == pytest.approx(30.0)
    camera.press_anew()  # a thumb that was on it all the while enables nothing
    with pytest.raises(InterlockError, match=r"room\.drive_power is open"):
        camera.ask("home")

    camera.do("safety", do="reset")  # a person, in the room; no command gives the power back
    camera.until(lambda: "drive_power is open" not in camera.against("bed"), "the power to be back")
    with pytest.raises(RefusedError, match="must be homed first"):
        camera.ask("confirm", identity=True, position=True)


def test_what_is_mounted_is_known_by_the_code_of_its_plug(camera: WholeStation) -> None:
    def mounted(code: int) -> dict[str, Any]:
        camera.do("safety", do="collimator", head=2, code=code)
        [found] = camera.ask("read", device="back_collimator", name="mounted")["read"]
        return dict(found)

    camera.until(lambda: mounted(3)["value"] == "MEGP", "the collimator to be seen")
    camera.until(lambda: "has this code" in mounted(9).get("error", ""), "a strange plug to be seen")
    camera.until(lambda: mounted(0)["value"] is None, "nothing to be seen")


def test_a_silent_supply_is_not_taken_to_be_off_and_lets_nothing_be_prepared(camera: WholeStation) -> None:
    camera.add(protocol("view", step("front")))
    camera.do("front_supply", do="silent")
    with pytest.raises(RefusedError, match="high-voltage: what front_upper holds is not known"):
        camera.prepare("view")
    lowering, ended = camera.begin("lower-voltage", device="front_upper")
    readings = partial(camera.ask, "check", device="front_upper")
    camera.until(lambda: readings()["devices"]["front_upper"]["not_current"] == 3, "readings to be stale")
    assert camera.told("front_supply")["volts"][0] == pytest.approx(30.0)
    assert ended == []  # it is told again and again, and nobody says that it is off

    camera.do("front_supply", clear=True)
    lowering.join()
    assert ended == ["done"]
    assert camera.told("front_supply")["volts"][0] < 2.0


@pytest.mark.soak
def test_the_ring_loses_a_quarter_alone_and_moves_its_bed(tmp_path: Path) -> None:
    with whole_station("pet-ring", tmp_path) as ring:
        for name in ("first_quarter", "second_quarter"):
            ring.up(name, 30.0)
        ring.do("bias", do="trip", channel=0)
        ring.until(lambda: is_off(ring, "first_quarter"), "the quarter to be off")
        assert ring.volts("second_quarter") == pytest.approx(30.0, abs=1.0)

        ring.do("safety", do="press-enable")
        ring.until(lambda: ring.status()["motion"]["enable"] == "held", "the enable to be held")
        ring.ask("home", axes=["bed"])
        ring.do("safety", do="press-stop")
        ring.until(lambda: ring.status()["motion"]["reference"] == "lost", "motion to be lost")
        assert "motion/motion-lost" in ring.alarms()


@pytest.mark.soak
def test_the_probe_is_biased_and_its_open_housing_takes_the_bias_down(tmp_path: Path) -> None:
    with whole_station("gamma-probe", tmp_path) as probe:
        probe.up("bias", 25.0)
        assert probe.volts("bias") == pytest.approx(25.0, abs=0.5)
        probe.do("contacts", do="open-cover", head=1)
        probe.until(lambda: is_off(probe, "bias"), "the bias to be off")
        assert probe.alarms()["bias/taken-down"]["text"] == "bias is taken down: housing.service_cover is open"
        with pytest.raises(InterlockError, match=r"housing\.service_cover is open"):
            probe.up("bias", 25.0)
