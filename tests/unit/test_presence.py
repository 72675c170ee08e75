"""Who fell silent while others went on is told once, and once when it is back; so are service events that stay away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support_readout import plan_of
from support_slabs import Row, packets_from

from daq.model.frontend import FrontEnd
from daq.model.packets import Flag
from daq.readout import presence as module
from daq.readout.presence import Change, Presence
from device_profiles.load import load_profile

FERS = load_profile("caen-fers-a5202")
COUNTERS = (*FERS.layout.kinds, "unknown")
SERVICE = COUNTERS.index("service")
URLS = ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", "tcp://127.0.0.1:3")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e9)


class Scene:
    """Three boards that are heard when told, and their service events."""

    def __init__(self, folder: Path, clock: Clock, front_end: FrontEnd | None = None) -> None:
        self.clock = clock
        self.presence = Presence(plan_of(folder, *URLS, profile=FERS, front_end=front_end))
        self.counts = np.zeros((3, len(COUNTERS)), np.int64)
        self.presence.begin()

    def hear(self, *sources: int, flag: int = 0) -> None:
        row = [Row(source, 0, self.clock.monotonic_ns(), flag, bytes(16), b"") for source in sources]
        self.presence.saw(packets_from(row))

    def serve(self, *sources: int) -> None:
        self.counts[list(sources), SERVICE] += 1

    def told(self) -> list[tuple[int, str, str]]:
        self.presence.counted(self.counts, COUNTERS)
        return [(change.source, change.kind, change.what) for change in self.presence.changes()]

    def go_on(self, seconds: float, *sources: int, serving: tuple[int, ...] = ()) -> list[tuple[int, str, str]]:
        """Let time pass in steps of 0.1 s; return all that was told."""
        found = []
        for step in range(round(seconds * 10)):
            self.clock.now_s += 0.1
            self.hear(*sources)
            if step % 10 == 9:
                self.serve(*serving)
            found += self.told()
        return found


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return Scene(tmp_path, clock)


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Return boards that were told what to send."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return Scene(tmp_path, clock, FERS.transport.front_end)


def test_one_that_falls_silent_while_others_go_on_is_told_once_and_once_when_it_is_back(scene: Scene) -> None:
    assert scene.go_on(3.0, 0, 1, 2) == []
    assert scene.go_on(1.4, 0, 2) == []
    assert scene.go_on(3.0, 0, 2) == [(1, "silent", "")]
    assert scene.presence.silent() == [1]
    assert scene.go_on(1.0, 0, 1, 2) == [(1, "heard", "")]
    assert (scene.presence.silent(), scene.presence.silences) == ([], 1)


def test_one_that_was_never_heard_is_silent_as_well(scene: Scene) -> None:
    assert scene.go_on(2.0, 0, 1) == [(2, "silent", "")]


def test_when_all_are_silent_none_is_told_apart(scene: Scene) -> None:
    scene.go_on(1.0, 0, 1, 2)

    assert scene.go_on(5.0) == []
    assert scene.presence.silent() == [0, 1, 2]


def test_one_that_has_ended_is_expected_no_more(scene: Scene) -> None:
    scene.go_on(1.0, 0, 1, 2, serving=(0, 1, 2))
    scene.hear(1, flag=int(Flag.END))

    assert scene.go_on(5.0, 0, 2, serving=(0, 2)) == []
    assert (scene.presence.silent(), scene.presence.without_service()) == ([], [])


def test_service_events_that_stay_away_for_two_seconds_are_told_of_one_that_is_heard(scene: Scene) -> None:
    assert scene.go_on(3.0, 0, 1, 2, serving=(0, 1, 2)) == []
    assert scene.go_on(1.9, 0, 1, 2, serving=(0, 2)) == []
    assert scene.go_on(4.1, 0, 1, 2, serving=(0, 2)) == [(1, "silent", "service")]
    assert scene.presence.without_service() == [1]
    assert scene.go_on(2.0, 0, 1, 2, serving=(0, 1, 2)) == [(1, "heard", "service")]
    assert scene.presence.figures({})["silences"] == 1


def test_of_one_that_is_silent_altogether_service_events_are_not_missed_besides(scene: Scene) -> None:
    scene.go_on(3.0, 0, 1, 2, serving=(0, 1, 2))

    assert scene.go_on(6.0, 0, 2, serving=(0, 2)) == [(1, "silent", "")]
    assert scene.go_on(1.5, 0, 1, 2, serving=(0, 1, 2)) == [(1, "heard", "")]


def test_a_board_that_never_sent_a_service_event_is_not_blamed(scene: Scene) -> None:
    assert scene.go_on(6.0, 0, 1, 2) == []


def test_a_board_that_was_told_to_send_service_events_and_never_does_is_said(set_up: Scene) -> None:
    assert set_up.go_on(1.9, 0, 1, 2, serving=(0, 2)) == []
    assert set_up.go_on(4.0, 0, 1, 2, serving=(0, 2)) == [(1, "silent", "service")]


def test_a_board_that_falls_silent_before_its_second_service_event_is_told_once(set_up: Scene) -> None:
    set_up.go_on(0.9, 0, 1, 2, serving=(0, 1, 2))

    assert set_up.go_on(5.0, 0, 2, serving=(0, 2)) == [(1, "silent", "")]


def test_boards_that_were_set_up_are_silent_even_when_all_are_for_no_time_of_the_detector(set_up: Scene) -> None:
    set_up.go_on(1.0, 0, 1, 2, serving=(0, 1, 2))
    set_up.clock.now_s += 1.6
    fell = set_up.presence.changes()

    assert [(change.source, change.kind, change.behind_s) for change in fell] == [
        (0, "silent", 0.0), (1, "silent", 0.0), (2, "silent", 0.0),
    ]  # fmt: skip
    assert set_up.presence.sentence(fell[1]) == "source 1 (tcp://127.0.0.1:2) has sent nothing for 1.6 s"
    assert set_up.go_on(0.1, 0, 1, 2, serving=(0, 1, 2)) == [(0, "heard", ""), (1, "heard", ""), (2, "heard", "")]


def test_a_sentence_names_the_source_and_its_address(scene: Scene) -> None:
    silent = scene.presence.sentence(Change(1, "silent", 1.62))
    service = scene.presence.sentence(Change(2, "silent", 2.04, "service"))

    assert silent == "source 1 (tcp://127.0.0.1:2) has sent nothing for 1.6 s, while others go on"
    assert service.startswith("source 2 (tcp://127.0.0.1:3) has sent no service event for 2.0 s: ")


def test_it_is_asked_ten_times_a_second(scene: Scene) -> None:
    asked = 0
    for _ in range(200):
        scene.clock.now_s += 0.01
        asked += scene.presence.due()

    assert 18 <= asked <= 21
