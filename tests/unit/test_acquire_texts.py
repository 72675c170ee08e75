"""What 'daq acquire' makes of files and options, and the lines and bars it shows; no station is asked."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import pytest
from rich.console import Console
from support_station import RUN, alarm, progress

from daq.cli.bars import Bars
from daq.cli.preparing import overrides, prepare_args, read_table
from daq.cli.stationtext import alarm_line, duration, is_shown, progress_line, status_line
from daq.errors import MissingError, RefusedError, ScandaqError, UsageError
from daq.model.station import payload


def options(**changes: object) -> argparse.Namespace:
    told: dict[str, object] = {
        "protocol": "demo", "override": [], "reason": "", "draft_reason": None, "continues": None,
        "administration": None, "patient": None,
    }  # fmt: skip
    told |= dict.fromkeys(("repeats", "study", "session", "same_position_as", "patient_orientation", "label"))
    return argparse.Namespace(**{**told, **changes})


def test_files_are_sent_as_tables_and_times_as_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    administration, patient = tmp_path / "a.toml", tmp_path / "p.json"
    administration.write_text("assayed_mbq = 500.0\nassayed_at = 2026-11-22T14:05:07+01:00\n[deep]\nday = 2026-11-22\n")
    patient.write_text('{"name": "Doe^John"}')
    patient.chmod(0o600)

    args = prepare_args(options(administration=str(administration), patient=str(patient), override=["qc=done by hand"]))

    assert args == {
        "protocol": "demo",
        "overrides": {"qc": "done by hand"},
        "administration": {
            "assayed_mbq": 500.0, "assayed_at": "2026-11-22T14:05:07+01:00", "deep": {"day": "2026-11-22"},
        },
        "patient": {"name": "Doe^John"},
    }  # fmt: skip
    assert capsys.readouterr().err == ""


def test_a_patients_file_that_everybody_can_read_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patient = tmp_path / "p.json"
    patient.write_text("{}")
    patient.chmod(0o644)

    prepare_args(options(patient=str(patient)))

    assert f"every user of this host can read {patient}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "error", "why"),
    [
        ("p.json", b'{"name": "Doe^John",}', RefusedError, r"not JSON \(line 1\)"),
        ("p.json", b"[1]", RefusedError, "must be a table"),
        ("p.json", b"[" * 20_000, RefusedError, "not JSON"),
        ("p.toml", b"name = Doe^John", RefusedError, "not TOML"),
        ("p.toml", b"\xff\xfe", RefusedError, "not TOML"),
        ("p.toml", b"#" * 40_000, RefusedError, "at most 32768 bytes"),
        ("p.toml", None, MissingError, "no such file"),
    ],
)
def test_a_file_that_is_none_is_refused_without_its_content(
    tmp_path: Path, name: str, content: bytes | None, error: type[ScandaqError], why: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(error, match=why) as refused:
        read_table(tmp_path / name)

    assert "Doe" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "qc", "=why", "qc=", " = "])
def test_an_override_needs_a_name_and_a_reason(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=REASON"):
        overrides([text])


def test_an_override_is_given_once() -> None:
    with pytest.raises(UsageError, match="twice"):
        overrides(["qc=a", "qc=b"])


def test_texts_of_the_station_do_nothing_to_the_terminal() -> None:
    line = alarm_line(payload(alarm("\x1b[2Jcold\n\u202ewarm")))

    assert line == "high alarm: ?[2Jcold ?warm; open the window"


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3725, "62 min 05 s")])
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_progress_says_only_what_is_known() -> None:
    unknown = progress_line(payload(progress(fraction=None, remaining_s=None, counts={})))
    missing = progress_line(payload(progress(fraction=1.0, remaining_s=0.0, missing_words=7)))
    trigger = {"frames_wait": True, "frames_wait_for": "trigger"}
    gated = progress_line(payload(progress(fraction=None, remaining_s=None, counts={"beats": 41}, **trigger)))

    bolus = {"frames_wait": True, "frames_wait_for": "count_rate", "frames_wait_cps": 312.0, "frames_begin_cps": 2000.0}
    waiting = progress_line(payload(progress(fraction=None, remaining_s=None, counts={}, **bolus)))

    assert waiting == "0 events, waiting for the bolus: 312 of 2,000 cps, 333 cps"
    assert gated == "0 events, 41 beats, waiting for the first trigger, 333 cps"
    assert unknown == "0 events, 333 cps"
    assert missing == "100 %, 1,000 events, 333 cps, 0 s left, 7 words missing"


@pytest.mark.parametrize(
    ("changes", "shown"),
    [({}, True), ({"active": False}, True), ({"active": False, "acknowledged_by": "a"}, False),
     ({"active": False, "latched": False}, False), ({"acknowledged_by": "a"}, True)],
)  # fmt: skip
def test_an_alarm_is_shown_as_the_station_means_it(changes: dict[str, object], *, shown: bool) -> None:
    assert is_shown(payload(alarm(**changes))) is shown
    assert alarm(**changes).shown is shown


def test_a_status_without_a_run_is_one_word() -> None:
    assert status_line({"state": "ready", "run": None, "protocol": None, "step": 0}) == "ready"


def test_bars_show_the_state_the_step_and_the_alarms() -> None:
    screen = io.StringIO()
    with Bars(Console(file=screen, force_terminal=True, width=110, color_system=None)) as bars:
        bars.show({"event": "status", "data": status_of("acquiring", step=1)})
        bars.show({"event": "progress", "data": payload(progress())})
        for number in range(7):
            bars.show({"event": "alarm", "data": payload(alarm("[red]hot", name=f"t{number}"))})
        bars.show({"event": "alarm", "data": payload(alarm(name="t6", active=False, latched=False))})
        bars.note("the daemon is back")

    lines = [line.rstrip() for line in screen.getvalue().splitlines()]
    assert "the daemon is back" in lines[0]
    assert any(f"acquiring {RUN}, demo, step 1 of 2 (first) [simulated]" in line for line in lines)
    assert any("25 %, 1,000 events, about 3,000 to go, 333 cps, 9 s left" in line for line in lines)
    assert sum("high alarm: [red]hot; open the window" in line for line in lines[-8:]) == 5
    assert lines[-1].endswith("and 1 more alarms") or "and 1 more alarms" in "".join(lines[-2:])


def test_the_figures_of_a_step_go_with_it() -> None:
    bars = Bars(Console(file=io.StringIO(), force_terminal=True, width=110))

    bars.show({"event": "status", "data": status_of("acquiring", step=1)})
    bars.show({"event": "progress", "data": payload(progress())})
    bars.show({"event": "status", "data": status_of("acquiring", step=2)})

    assert bars._progress is None


def status_of(state: str, *, step: int) -> dict[str, object]:
    return {
        "state": state, "run": RUN, "protocol": "demo", "step": step, "steps": 2, "step_name": "first", "detail": "",
        "simulated": True,
    }  # fmt: skip
