"""A SPECT acquisition steps a gantry by the protocol of its controller; a stall ends it in a clear state."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from support_gantry import FIRST_DEG, STEP_DEG, GantryStation, armed, homed, positions, spect_camera

from daq.errors import ScandaqError


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GantryStation]:
    with spect_camera(tmp_path_factory.mktemp("gantry")) as station:
        yield station


def test_stops_are_recorded_where_the_gantry_stands_and_a_stall_keeps_those_that_were_whole(
    camera: GantryStation,
) -> None:
    run = armed(camera)
    camera.ask("start")
    camera.in_step(2)
    camera.until(lambda: bool(camera.told("motors")["moving"][0]), "the gantry to turn to the third stop")
    camera.do("motors", do="stall", axis=1)
    ended = camera.becomes("interrupted", within_s=30.0)
    times_ps, places, moving = positions(camera.directory(run), "gantry")

    assert "gantry stopped at " in ended["detail"]
    assert "its controller warns: stalled" in ended["detail"]
    assert not any(camera.told("motors")["moving"])
    assert camera.fates(run)[:2] == [("stop 1/3", True), ("stop 2/3", True)]
    for number, each in enumerate((camera.manifest(run).steps or [])[:2]):
        inside = (times_ps >= each.begin_ps) & (times_ps <= (each.end_ps or 0))
        before = np.flatnonzero(times_ps <= each.begin_ps)
        known = places[before[-1]] if len(before) else places[0]
        assert known == pytest.approx(FIRST_DEG + number * STEP_DEG, abs=0.05)
        assert not np.any(moving[inside])
    assert np.count_nonzero(moving) > 5


def test_nothing_moves_before_the_gantry_was_homed_and_a_person_has_confirmed(camera: GantryStation) -> None:
    alarm = camera.alarms()["motion/motion-lost"]
    assert (alarm["priority"], "home the axes" in alarm["guidance"]) == ("high", True)
    with pytest.raises(ScandaqError, match="must be homed first"):
        camera.ask("confirm", identity=True, position=True)

    camera.do("motors", do="free", axis=1)
    camera.ask("acknowledge")
    homed(camera)
    assert camera.status()["motion"]["reference"] == "confirmed"
    assert camera.told("motors")["homed"] == [True, True]


def test_a_daemon_that_is_told_to_end_stops_what_moves_first(camera: GantryStation) -> None:
    retreating, _ = camera.begin("retreat", axis="front_radius")
    camera.until(lambda: bool(camera.told("motors")["moving"][1]), "the radius to move")
    assert camera.end() == 0
    told = camera.told("motors")
    retreating.join()

    assert told["moving"] == [False, False]
    assert told["powered"] == [True, True]  # it was told to stop; nobody had to take the power
    assert camera.told("safety")["armed"] is False
