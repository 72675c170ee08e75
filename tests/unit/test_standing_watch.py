"""An axis that nobody told to move while events are recorded: said once for each move, and never of a commanded one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from daq.devices.abilities import Sample
from daq.devices.limits import AxisLimits
from daq.services.motion.standing import StandingWatch


class Room:
    """A bed, a clock, and what is said."""

    def __init__(self) -> None:
        self.now_s, self.commanded, self.recording = 100.0, False, True
        self.said: list[str] = []
        self.marks: list[str] = []
        self.bed = SimpleNamespace(limits=AxisLimits("mm", 0.0, 2000.0, 50.0, 0.1), unit="mm", last=None)
        axes: Any = {"bed": self.bed}
        self.watch = StandingWatch(axes, lambda: self.commanded, self, clock=lambda: self.now_s)
        self.watch.recording = lambda: self.recording
        self.watch.marked = self.marks.append

    def raise_(self, device: str, name: str, **said: Any) -> None:
        self.said.append(f"{device} {name} {said['priority']}: {said['text']}")

    def clear(self, device: str, name: str) -> None:
        raise AssertionError(f"{device} {name} is cleared by a person")

    def at(self, position: float, *, asked_s: float = 0.0) -> None:
        self.now_s += 1.0
        self.bed.last = Sample(position, 0.0, False, True, self.now_s + asked_s)
        self.watch.look()


def test_an_axis_that_is_moved_by_hand_is_marked_and_rings_once_for_each_place() -> None:
    room = Room()
    room.watch.look()
    for position in (500.0, 500.2, 499.9, 503.0, 503.1, 503.0, 500.0):
        room.at(position)

    assert room.marks == [
        "bed went from 500.0 to 503.0 mm though nothing told it to",
        "bed went from 503.0 to 500.0 mm though nothing told it to",
    ]
    assert room.said[0].startswith("motion moved-by-itself high: bed went from 500.0 to 503.0 mm")


def test_what_was_told_to_move_is_no_cause_nor_what_is_read_of_its_way() -> None:
    room = Room()
    room.at(500.0)
    room.commanded = True
    room.at(700.0)
    room.commanded = False
    room.watch.look()
    room.at(799.0, asked_s=-1.5)
    for position in (800.0, 800.0):
        room.at(position)

    assert room.marks == room.said == []


def test_between_recordings_an_axis_may_go_where_it_likes() -> None:
    room = Room()
    room.at(500.0)
    room.recording = False
    room.at(700.0)
    room.recording = True
    room.watch.look()
    room.at(700.0)

    assert room.marks == room.said == []
