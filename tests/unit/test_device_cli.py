"""`daq device` and `daq alarm`: what they ask the daemon for, and how they show its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_cli import call

from daq.errors import InterlockError
from daq.transports import localclient

MOTION = {
    "axes": {
        "bed": {"unit": "mm", "position": 0.0, "homed": True},
        "gantry": {"unit": "deg", "position": 7.5, "homed": False},
    },
    "reference": "homed",
    "needed": "confirm identity and position",
}
ALARM = {
    "priority": "high", "device": "motion", "name": "lost", "since_utc": "2026-11-22T14:05:07.123Z", "active": False,
    "acknowledged_by": None, "text": "bed stands still", "guidance": "home it",
}  # fmt: skip
ANSWERS: dict[str, dict[str, Any]] = {
    "describe": {"announced": [
        {"kind": "Description", "devices": {"bed": {"ability": "bed", "kind": "simulated"}}},
        {"kind": "Reading", "device": "bed", "name": "position", "value": 12.25, "unit": "mm", "quality": "stale"},
    ]},
    "home": {"motion": MOTION}, "retreat": {"motion": MOTION}, "alarms": {"alarms": [ALARM]},
    "acknowledge-alarm": {"alarms": []}, "simulate": {"device": "bed", "action": "stall"},
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    heard: list[tuple[str, dict[str, Any]]] = []

    def answer(_: Path, verb: str, args: dict[str, Any], *, within_s: float) -> dict[str, Any]:
        assert within_s > 0
        heard.append((verb, args))
        if verb == "lower-voltage":
            down, stuck = (
                {"off": True, "output_v": 0.5, "error": ""},
                {"off": False, "output_v": None, "error": "30 V left"},
            )
            return {"high_voltage": {"hv": down if args else stuck}}
        if args == {"axis": "gantry"}:
            raise InterlockError("cannot retreat gantry: retreat needs the enable held, it is off")
        return ANSWERS[verb]

    monkeypatch.setattr(localclient, "ask_once", answer)
    return heard


def daq(*arguments: str) -> tuple[int, str, str]:
    done = call(*arguments, "--socket", "/nowhere")
    return done.code, done.out, done.err


def test_devices_are_listed_with_what_they_last_said(asked: list[Any]) -> None:
    code, out, _ = daq("device", "list")

    assert (code, asked) == (0, [("describe", {})])
    assert ["bed", "position", "12.25", "mm", "stale"] in [line.split() for line in out.splitlines()]


def test_homing_says_where_axes_stand_and_what_is_to_be_done(asked: list[Any]) -> None:
    code, out, _ = daq("device", "home", "bed", "gantry")

    assert (code, asked) == (0, [("home", {"axes": ["bed", "gantry"]})])
    assert out.splitlines() == [
        "bed: 0 mm", "gantry: 7.5 deg, not homed", "positions: homed; confirm identity and position",
    ]  # fmt: skip


def test_a_refused_retreat_says_what_is_missing(asked: list[Any]) -> None:
    code, out, err = daq("device", "retreat", "gantry")

    assert (code, out) == (3, "")
    assert "needs the enable held" in err
    assert asked == [("retreat", {"axis": "gantry"})]


@pytest.mark.parametrize(("device", "code", "said"), [(["hv"], 0, "hv: off, 0.5 V"), ([], 6, "hv: 30 V left")])
def test_voltage_that_did_not_come_down_is_a_failure(asked: list[Any], device: list[str], code: int, said: str) -> None:
    got, out, _ = daq("device", "lower-voltage", *device)

    assert (got, out.strip()) == (code, said)
    assert asked == [("lower-voltage", {"device": "hv"} if device else {})]


@pytest.mark.parametrize(("text", "value"), [("0.5", 0.5), ("true", True), ("LEHR", "LEHR")])
def test_a_value_is_a_number_a_truth_or_a_word(asked: list[Any], text: str, value: object) -> None:
    code, _, _ = daq("device", "simulate", "bed", "stall", text)

    assert (code, asked) == (0, [("simulate", {"device": "bed", "action": "stall", "value": value})])


def test_alarms_say_what_to_do_and_whether_they_are_over(asked: list[Any]) -> None:
    code, out, _ = daq("alarm", "list")

    assert (code, asked) == (0, [("alarms", {})])
    assert out.splitlines() == [
        "high  motion lost  since 2026-11-22T14:05:07.123Z, over", "      bed stands still; home it",
    ]  # fmt: skip


def test_an_alarm_that_was_seen_is_gone(asked: list[Any]) -> None:
    code, out, _ = daq("alarm", "acknowledge", "motion", "lost")

    assert (code, out) == (0, "no alarm\n")
    assert asked == [("acknowledge-alarm", {"device": "motion", "name": "lost"})]


@pytest.mark.parametrize(
    "verb", [("device", "list"), ("device", "home"), ("alarm", "list"), ("device", "lower-voltage", "hv")]
)
def test_every_verb_prints_json(asked: list[Any], verb: tuple[str, ...]) -> None:
    assert call(*verb, "--socket", "/nowhere", "--json").json
    assert asked


def test_without_a_daemon_the_exit_code_says_unreachable(tmp_path: Path) -> None:
    done = call("alarm", "list", "--socket", tmp_path / "none")

    assert done.code == 5
    assert "no daemon answers" in done.err
