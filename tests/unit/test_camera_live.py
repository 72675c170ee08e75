"""Words of a body in real time, by a clock that tests turn: made when it has passed, made up for when late."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import pytest
from support_bodies import FRONT, points, set_up

from daq.errors import UsageError
from simulators.camera import live
from simulators.camera.command import add_options
from simulators.camera.live import BodySupply, Scan
from simulators.camera.model import Scene
from simulators.camera.room import scans_of
from simulators.options import instrument


class Clock:
    """A clock that goes on by itself only while somebody sleeps; `slow_ns` more at every look."""

    def __init__(self, slow_ns: int = 0) -> None:
        self.now_ns, self._slow_ns = 10**15, slow_ns

    def __call__(self) -> int:
        self.now_ns += self._slow_ns
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def supplied(clock: Clock, seconds: float) -> BodySupply:
    scene = set_up(points((0.0, 0.0, 0.0)), 20.0)
    scan = Scan(Scene((FRONT,), (), seconds=seconds), scene, 1, live=True)
    return BodySupply(instrument("head-xye64"), scan, front_ends=((0,),), clock_ns=clock, sleep=clock.sleep)


def last_second(words: np.ndarray) -> float:
    return float((words.view("<u8")[-1] >> np.uint64(30)) & np.uint64(0x3FFFFFFF)) / 1e6


def test_words_are_made_when_their_time_has_passed_and_not_before() -> None:
    clock = Clock()
    supply = supplied(clock, 0.5)
    began_ns, slices = clock.now_ns, []
    for (chunk,) in supply.slices():
        passed_s = (clock.now_ns - began_ns) / 1e9
        slices.append(passed_s)
        assert len(chunk.words) == 0 or passed_s - 0.0201 <= last_second(chunk.words) <= passed_s

    assert slices == pytest.approx(np.arange(1, 26) * 0.02)
    assert supply.behind_s == 0
    assert supply.described()["events_are_made"] == "as time passes"


def test_what_is_late_is_made_up_for_by_longer_stretches_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock(slow_ns=200_000_000)
    supply = supplied(clock, 6.0)
    ends = [last_second(chunk.words) for (chunk,) in supply.slices()]

    assert np.diff(ends).max() == pytest.approx(live.LONGEST_SLICE_S, abs=0.02)
    assert ends[-1] == pytest.approx(6.0, abs=0.02)
    assert supply.behind_s > 1
    told = capsys.readouterr().err
    assert told.count("s late: this computer is too slow") == 1


def test_another_scene_comes_before_the_heads_while_time_and_words_go_on() -> None:
    supply = supplied(Clock(), 0.5)
    at_s, energies = [], []
    for number, (chunk,) in enumerate(supply.slices()):
        if number == 12:
            brighter = set_up(points((0.0, 0.0, 0.0)), 200.0)
            supply.show(Scan(Scene((FRONT,), (), seconds=0.5), brighter, 1, live=True))
        energies.append(len(chunk.words))
        at_s += [last_second(chunk.words)] if len(chunk.words) else []

    before, after = sum(energies[:13]) / 13, sum(energies[13:]) / 12
    assert after == pytest.approx(10 * before, rel=0.2)
    assert np.all(np.diff(at_s) > 0)
    assert at_s[-1] == pytest.approx(0.5, abs=0.02)


def test_a_scene_that_cannot_be_simulated_leaves_the_one_before() -> None:
    supply = supplied(Clock(), 0.1)
    slices = supply.slices()
    next(slices)

    with pytest.raises(UsageError, match="photons a second would have to be followed"):
        supply.show(Scan(Scene((FRONT,), (), seconds=0.1), set_up(points((0.0, 0.0, 0.0)), 1e9), 1, live=True))

    assert len(list(slices)) == 4


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no JSON", "Expecting value"),
        ("{}", "must be an object of 1 to 100 scenes"),
        ('{"a": "--body"}', "a: must be a list of options"),
        ('{"a": ["--orders", "1"]}', "a: a scene of a room needs --body"),
        ('{"a": ["--nothing"]}', "a: unrecognized arguments: --nothing"),
    ],
)
def test_a_room_that_makes_no_sense_is_refused_by_name(tmp_path: Path, text: str, why: str) -> None:
    room = tmp_path / "room.json"
    room.write_text(text, encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_options(parser)
    given = parser.parse_args(["--profile", "head-xye64", "--room", str(room)])

    with pytest.raises(UsageError, match=re.escape(f"--room {room}: ") + ".*" + re.escape(why)):
        scans_of(given, add_options, lambda own: pytest.fail(f"made of {own}"))
