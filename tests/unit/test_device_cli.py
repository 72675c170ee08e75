"""`daq device` and `daq alarm`: what they ask the daemon for, and how they show its answers."""

from __future__ import annotations

import io
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support_cli import call

from daq.cli.device_values import reading_line
from daq.errors import InterlockError
from daq.model.station import Reading, payload
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
        {"kind": "Description", "devices": {"bed": {"ability": "bed", "kind": "simulated"}}, "controllers": {}},
        {"kind": "Reading", "device": "bed", "name": "position", "value": 12.25, "unit": "mm", "quality": "stale"},
    ]},
    "home": {"motion": MOTION}, "retreat": {"motion": MOTION}, "alarms": {"alarms": [ALARM]},
    "alarm-history": {"happened": [{**ALARM, "number": 7, "at_utc": "2031-01-01T10:00:00.000Z", "what": "acknowledged",
                                    "by": "anna"}], "before": 7, "kept": 9, "most": 5000},
    "acknowledge-alarm": {"alarms": []}, "simulate": {"device": "bed", "action": "stall"},
    "check": {
        "controllers": {
            "supply": {
                "profile": "caen-n1470", "identity": None, "error": "no reply in 0.5 s", "took_s": 0.5,
                "wire": "no reply in 0.5 s",
                "tally": {"exchanges": 7, "lost": 2, "strays": 0, "resyncs": 1, "opened": 1},
            },
            "stage": {
                "profile": "zaber-ascii", "error": "", "took_s": 0.004, "wire": "sound",
                "identity": {"vendor": "Zaber", "model": "30222", "serial": "45", "firmware": "7"},
                "tally": {"exchanges": 9, "lost": 0, "strays": 0, "resyncs": 1, "opened": 1},
            },
        },
        "devices": {
            "hv": {
                "controller": "supply", "channel": "1", "against_raising": ["supply does not answer"],
                "against_moving": None, "readings": [{"name": "voltage", "level": "warning"}], "not_current": 1,
            },
            "gantry": {
                "controller": "stage", "channel": "1", "against_raising": None, "against_moving": [], "readings": [],
                "not_current": 0,
            },
        },
    },
    "read": {"device": "hv", "took_s": 0.1, "read": [
        {"name": "status", "channel": "1", "value": 129, "unit": "", "level": "", "error": "", "flags": ["on", "trip"]},
        {"name": "voltage", "value": None, "unit": "V", "level": "", "error": "no reply"},
    ]},
    "set": {"device": "board", "set": {"unit": "degC"}, "proven": True, "old": 19.5, "new": 21.0},
    "act": {"device": "board", "done": "pulse", "proven": False},
    "clear": {"device": "hv", "cleared": "clear_alarms"},
    "arm-voltage": {
        "device": "hv", "volts": 800.0, "output_v": 1.25, "expires_s": 60.0, "within_s": 90.0,
        "identity": {"vendor": "CAEN", "model": "N1470", "serial": "77"},
        "limits": {
            "max_v": 900.0, "slope_v_per_s": 50.0, "step_v": 100.0, "tolerance_v": 2.0, "trip_a": 3e-4, "trip_s": 0.5,
        },
    },
    "raise-voltage": {"device": "hv", "output_v": 799.5},
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


def test_down_to_zero_is_off(asked: list[Any]) -> None:
    assert daq("device", "lower-voltage", "hv", "--to", "0")[0] == 0
    assert asked == [("lower-voltage", {"device": "hv"})]


@pytest.mark.parametrize(
    ("before_v", "told"),
    [(0.4, [0.0]), (54.6, [54.6, 0.0]), (30.0, [30.0])],  # one that cannot be at 54.6 V without leave is switched off
)
def test_who_interrupts_a_raise_is_told_what_the_supply_did_not_take(
    monkeypatch: pytest.MonkeyPatch, before_v: float, told: list[float]
) -> None:
    heard: list[float] = []

    def answer(_: Path, verb: str, args: dict[str, Any], *, within_s: float) -> dict[str, Any]:
        if verb == "arm-voltage":
            return {**ANSWERS[verb], "output_v": before_v}
        if verb == "raise-voltage":
            raise KeyboardInterrupt
        heard.append(args["volts"])
        return {"high_voltage": {"hv": {"error": "hv is not armed" if args["volts"] == 54.6 else ""}}}

    monkeypatch.setattr(localclient, "ask_once", answer)

    code, _, err = daq("device", "raise", "hv", "800", "--yes")

    assert (code, heard) == (130, told)
    assert ("hv is not armed; it is told to be off" in err) == (len(told) > 1)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_terminal_that_closes_takes_a_raise_back(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    heard: list[float] = []

    def answer(_: Path, verb: str, args: dict[str, Any], *, within_s: float) -> dict[str, Any]:
        if verb == "arm-voltage":
            return {**ANSWERS[verb], "output_v": 30.0}
        if verb == "raise-voltage":
            signal.raise_signal(number)
        signal.raise_signal(signal.SIGHUP)  # once more
        heard.append(args["volts"])
        return {"high_voltage": {"hv": {"error": ""}}}

    before = signal.getsignal(number)
    monkeypatch.setattr(localclient, "ask_once", answer)

    assert daq("device", "raise", "hv", "800", "--yes")[0] == 130
    assert (heard, signal.getsignal(number)) == ([30.0], before)


def test_watching_what_is_not_there_is_refused(asked: list[Any]) -> None:
    code, out, err = daq("device", "watch", "bde", "--for", "1")

    assert (code, out) == (4, "")
    assert "there is no device or controller 'bde'; did you mean bed?" in err
    assert [verb for verb, _ in asked] == ["describe"]


@pytest.mark.parametrize(("text", "value"), [("0.5", 0.5), ("true", True), ("LEHR", "LEHR"), ("nan", "nan")])
def test_a_value_is_a_number_a_truth_or_a_word(asked: list[Any], text: str, value: object) -> None:
    code, _, _ = daq("device", "simulate", "bed", "stall", text)

    assert (code, asked) == (0, [("simulate", {"device": "bed", "action": "stall", "value": value})])


def test_alarms_say_what_to_do_and_whether_they_are_over(asked: list[Any]) -> None:
    code, out, _ = daq("alarm", "list")

    assert (code, asked) == (0, [("alarms", {})])
    assert out.splitlines() == [
        "high  motion lost  since 2026-11-22T14:05:07.123Z, over", "      bed stands still; home it",
    ]  # fmt: skip


def test_the_history_of_alarms_says_what_happened_and_where_to_go_on(asked: list[Any]) -> None:
    code, out, _ = daq("alarm", "history", "--priority", "high", "--limit", "1")

    assert (code, asked) == (0, [("alarm-history", {"limit": 1, "priority": "high"})])
    assert out.splitlines() == [
        "7  2031-01-01T10:00:00.000Z  high  motion lost  acknowledged by anna", "      bed stands still",
        "older ones: --before 7",
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


def test_a_check_names_who_is_dead_and_fails(asked: list[Any]) -> None:
    code, out, _ = daq("device", "check")
    lines = [" ".join(line.split()) for line in out.splitlines()]

    assert (code, asked) == (6, [("check", {})])
    assert (
        "supply caen-n1470 not answering: no reply in 0.5 s 7 exchanges, 2 lost, made sure once, opened once" in lines
    )
    assert "supply: nothing it says is believed now: no reply in 0.5 s" in lines
    assert "hv supply 1 0 of 1 current, voltage warning supply does not answer" in lines
    assert "gantry stage 1 none nothing" in lines


def test_what_could_not_be_read_says_why_and_fails(asked: list[Any]) -> None:
    code, out, _ = daq("device", "read", "hv", "--channel", "1")
    lines = [" ".join(line.split()) for line in out.splitlines()]

    assert (code, asked) == (6, [("read", {"device": "hv", "channel": "1"})])
    assert "status 1 129 on, trip" in lines
    assert "voltage - V no reply" in lines


@pytest.mark.parametrize(
    ("words", "verb", "args", "says"),
    [
        (["set", "board", "bath", "21"], "set", {"device": "board", "name": "bath", "value": 21.0},
         "board bath: 19.5 degC -> 21 degC (read back)"),
        (["set", "board", "mask", "0x5A", "--channel", "2", "--reason", "why"], "set",
         {"device": "board", "name": "mask", "value": 90.0, "channel": "2", "reason": "why"}, "(read back)"),
        (["set", "board", "bath", "inf"], "set", {"device": "board", "name": "bath", "value": "inf"}, "board bath"),
        (["set", "board", "bath", "warm"], "set", {"device": "board", "name": "bath", "value": "warm"}, "board bath"),
        (["do", "board", "pulse"], "act", {"device": "board", "action": "pulse"}, "its profile names no reading"),
        (["clear", "hv"], "clear", {"device": "hv"}, "hv: clear_alarms said; nothing is raised"),
    ],
)  # fmt: skip
def test_what_is_set_or_done_is_said_with_its_proof(
    asked: list[Any], words: list[str], verb: str, args: dict[str, Any], says: str
) -> None:
    code, out, _ = daq("device", *words)

    assert (code, asked) == (0, [(verb, args)])
    assert says in out


def test_a_raise_shows_first_what_will_happen_and_asks_with_it(asked: list[Any]) -> None:
    code, out, err = daq("device", "raise", "hv", "800", "--yes", "--valid", "20")

    assert (code, out) == (0, "hv: 799.5 V, read back\n")
    assert err.splitlines()[:4] == [
        "hv is CAEN N1470 77, and is at 1.2 V", "  goes to 800 V in steps of 100 V at 50 V/s, each read back",
        "  its own limits, written and read back: 900 V, 300 uA for 0.5 s",
        "  armed for 60 s; not there within 90 s: it goes back",
    ]  # fmt: skip
    assert asked == [
        ("arm-voltage", {"device": "hv", "volts": 800.0, "valid_s": 20.0}),
        ("raise-voltage", {"device": "hv", "volts": 800.0, "within_s": 90.0}),
    ]


@pytest.mark.parametrize(("typed", "code"), [("800\n", 0), ("80\n", 3), ("yes\n", 3), ("\n", 3), ("", 3), ("nan\n", 3)])
def test_only_who_types_the_voltage_again_raises_it(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    there = io.StringIO(typed)
    monkeypatch.setattr(there, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", there)

    done, _, err = daq("device", "raise", "hv", "800")

    assert done == code
    assert ("raise-voltage" in [verb for verb, _ in asked]) is (code == 0)
    assert "type 800 to raise hv: " in err


@pytest.mark.parametrize("volts", ["0", "nan", "inf", "eight", "-3"])
def test_volts_that_are_none_are_refused_before_anybody_is_asked(asked: list[Any], volts: str) -> None:
    code, _, err = daq("device", "raise", "hv", volts, "--yes")

    assert (code, asked) == (2, [])
    assert f"'{volts}' is no number above 0" in err


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({}, "14:05:07 hv voltage: 812.4 V"),
        ({"level": "warning"}, "14:05:07 hv voltage: 812.4 V  WARNING"),
        ({"quality": "stale"}, "14:05:07 hv voltage: not current; last 812.4 V"),
        ({"quality": "stale", "value": None}, "14:05:07 hv voltage: not current; last -"),
        ({"quality": "comm_fail", "value": None}, "14:05:07 hv voltage: cannot be read"),
        ({"value": True, "unit": ""}, "14:05:07 hv voltage: True"),
        ({"value": 3, "unit": "1"}, "14:05:07 hv voltage: 3"),
    ],
)
def test_a_value_that_is_not_current_never_stands_there_as_if_it_were(said: dict[str, Any], line: str) -> None:
    reading = Reading("hv", "voltage", 812.4, "V", "good", "2026-11-22T14:05:07.123Z")

    assert reading_line(payload(replace(reading, **said))) == line


def test_without_a_daemon_the_exit_code_says_unreachable(tmp_path: Path) -> None:
    done = call("alarm", "list", "--socket", tmp_path / "none")

    assert done.code == 5
    assert "no daemon answers" in done.err
