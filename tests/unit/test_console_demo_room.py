"""The simulated room of the console's demonstration: who or what lies before the heads, step by step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daq.cli import democonsole
from daq.cli.demoroom import Room
from simulators.camera.bodies import parse_body

STEPS = ("renal-mag3 syringe", "renal-mag3", "renal-mag3 residual", "renal-mag3", "renal-mag3")


class Told:
    """A room that notes what it says to the simulator."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[dict[str, Any]] = []
        monkeypatch.setattr(
            "daq.transports.datagram.send_datagram", lambda _, __, said: self.said.append(json.loads(said))
        )
        self.now_ns = 0
        monkeypatch.setattr("daq.cli.demoroom.time.monotonic_ns", lambda: self.now_ns)
        self.room = Room("udp://127.0.0.1:1", frozenset({"renal-mag3"}), print, {"renal-mag3": STEPS})

    def look(self, state: str, step: int, *, run: str = "run-1", protocol: str = "renal-mag3") -> list[Any]:
        """Return what is said, in short, when the station is so."""
        before = len(self.said)
        self.now_ns += 1
        for _ in range(2):
            self.room.look({"run": run, "protocol": protocol, "state": state, "step": step})
        return [one.get("scene") or ("injected", one["monotonic_ns"]) for one in self.said[before:]]


def test_a_syringe_lies_there_before_the_patient_who_is_injected_when_the_renogram_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told(monkeypatch)

    assert told.look("preparing", 0) == ["renal-mag3 syringe"]
    assert told.look("armed", 0) == told.look("acquiring", 1) == []
    assert told.look("waiting", 1) == ["renal-mag3"]
    assert told.look("positioning", 1) == []
    assert told.look("acquiring", 2) == [("injected", 6)]
    assert told.look("waiting", 2) == ["renal-mag3 residual"]
    assert told.look("acquiring", 3) == []
    assert told.look("waiting", 3) == ["renal-mag3", ("injected", 6)]
    assert told.look("acquiring", 4) == told.look("waiting", 4) == told.look("acquiring", 5) == []
    assert told.look("completed", 5) == []


def test_the_next_patient_comes_anew_and_is_not_injected_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch)
    told.look("preparing", 0)
    told.look("waiting", 1)
    told.look("acquiring", 2)

    assert told.look("preparing", 0, run="run-2") == ["renal-mag3 syringe"]
    assert told.look("waiting", 1, run="run-2") == ["renal-mag3"]
    assert told.look("acquiring", 2, run="run-2") == [("injected", 6)]
    assert told.look("preparing", 0, run="run-3", protocol="bone-spots") == ["bone-spots"]
    assert told.look("acquiring", 1, run="run-3", protocol="bone-spots") == []


@pytest.mark.parametrize("times", [1, 10])
def test_every_step_of_the_demonstration_has_a_scene_that_the_simulator_knows(tmp_path: Path, times: int) -> None:
    scanner, protocols = democonsole._scanner(tmp_path, times), democonsole._protocols(tmp_path, times)

    scenes, boluses, of_steps = democonsole._scenes(protocols, scanner)

    assert boluses == {"renal-mag3"}
    assert of_steps == {"renal-mag3": STEPS}
    assert {name for steps in of_steps.values() for name in steps} <= scenes.keys()
    mbq = {}
    for name in STEPS:
        options = scenes[name]
        assert options[options.index("--times") + 1] == str(times)
        asked = parse_body(options[options.index("--body") + 1])
        mbq[asked.body.name, name] = asked.mbq
    full, empty = mbq["syringe", STEPS[0]], mbq["syringe", STEPS[2]]
    assert full == min(150.0 * times, 500.0)
    assert empty == pytest.approx(full / 50)
    assert ("renal", "renal-mag3") in mbq
