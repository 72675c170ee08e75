"""The life-cycle of calibrations by the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support_cameras import made

from daq.cli.main import main
from daq.model.calibrationlifecycle import State
from device_profiles.calibrations import find_calibration, write_calibration
from device_profiles.cameracalibrations import (
    CalibrationCheck,
    load_camera_calibration,
    write_camera_calibration,
    write_check,
)
from device_profiles.lifecycle import begin, read_lifecycle, take_step
from device_profiles.normalisations import NormalisationRow, write_normalisation


def put(folder: Path, name: str, hour: int, *, kind: str = "peaking", passed: bool | None = True) -> None:
    path = folder / f"{name}.toml"
    write_camera_calibration(path, made(kind, name, made_utc=f"2021-03-01T{hour:02d}:00:00Z"))
    if passed is not None:
        check = CalibrationCheck(
            calibration=name, sha256=load_camera_calibration(path).sha256, acquisition=f"check-of-{name}",
            checked_utc=f"2021-03-01T{hour:02d}:30:00Z", passed=passed, reason="peak off by 0.2 %",
        )  # fmt: skip
        write_check(path, check)


def calibrate(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["calibrate", *words])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path, "old", 8)
    put(tmp_path, "new", 9)
    return tmp_path


def states(capsys: pytest.CaptureFixture[str], folder: Path) -> dict[str, str]:
    code, text = calibrate(capsys, "lifecycle", str(folder), "--json")
    assert code == 0
    return {each["calibration"]: each["state"] for each in json.loads(text)["calibrations"]}


def test_from_candidate_to_active_and_back_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why = ("--reason", "commissioning", "--by", "a physicist")
    assert calibrate(capsys, "lifecycle", str(folder), "--begin", *why)[0] == 0
    assert states(capsys, folder) == {"new": "verified", "old": "verified"}
    for name in ("old", "new"):
        assert calibrate(capsys, "sign", str(folder), name, *why)[0] == 0
    assert calibrate(capsys, "activate", str(folder), "old", *why)[0] == 0
    code, text = calibrate(capsys, "activate", str(folder), "new", *why)
    assert code == 0
    assert "new: active (peaking of head 1, serial number 100, head), in place of old" in text
    assert states(capsys, folder) == {"new": "active", "old": "superseded"}
    code, text = calibrate(capsys, "roll-back", str(folder), "new", "--reason", "an edge in the flood")
    assert (code, "old is active again" in text) == (0, True)
    assert states(capsys, folder) == {"new": "rolled back", "old": "active"}
    assert calibrate(capsys, "retire", str(folder), "new", *why)[0] == 0
    code, text = calibrate(capsys, "list", str(folder), "--json")
    assert {each["id"]: each["state"] for each in json.loads(text)["calibrations"]} == {
        "new": "retired",
        "old": "active",
    }


def test_what_was_not_checked_or_failed_is_not_signed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "unchecked", 8, passed=None)
    put(tmp_path, "failed", 9, passed=False)
    put(tmp_path, "turned", 9, kind="centre-of-rotation", passed=None)
    why = ("--reason", "commissioning")
    calibrate(capsys, "lifecycle", str(tmp_path), "--begin", *why)
    for name, message, code in (
        ("unchecked", "was not checked: `daq calibrate verify` does it", 3),
        ("failed", "failed its check of 2021-03-01T09:30:00Z: peak off by 0.2 %", 3),
        ("turned", "name what verified it by --check", 2),
        ("nobody", "holds no calibration 'nobody'", 4),
    ):
        got, text = calibrate(capsys, "sign", str(tmp_path), name, *why)
        assert (got, message in text) == (code, True), text
    assert calibrate(capsys, "sign", str(tmp_path), "turned", "--check", "result cor-7", *why)[0] == 0


def test_a_folder_without_a_life_cycle_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = calibrate(capsys, "lifecycle", str(folder))
    assert (code, "keeps no life-cycle" in text) == (3, True)
    code, text = calibrate(capsys, "sign", str(folder), "old", "--reason", "x")
    assert (code, "begin it first" in text) == (3, True)
    assert calibrate(capsys, "lifecycle", str(folder), "--begin")[0] == 2


def test_who_says_so_is_kept_beside_the_user_of_the_host(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calibrate(capsys, "lifecycle", str(folder), "--begin", "--reason", "x", "--by", "a physicist")
    line = json.loads((folder / "lifecycle.jsonl").read_text())
    assert line["by"] == "a physicist"
    assert line["user"] not in ("", "a physicist")


def test_the_files_of_a_ring_have_slots_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tuple(NormalisationRow(detector, 1.0, 0.01, 400, 1.0) for detector in range(4))
    write_normalisation(
        tmp_path / "efficiencies.json", rows, instrument="ring", made_utc="2021-03-01T08:00:00Z", method="a cylinder",
        acquisitions=("a",),
    )  # fmt: skip
    write_calibration(
        tmp_path / "times.toml", id="times", instrument="ring", made_utc="2021-03-01T08:00:00Z", method="a cylinder",
        detectors=[0, 1], time_offset_ps=[3, -3],
    )  # fmt: skip
    why = ("--reason", "commissioning")
    calibrate(capsys, "lifecycle", str(tmp_path), "--begin", *why)
    for name in ("efficiencies", "times"):
        assert calibrate(capsys, "sign", str(tmp_path), name, "--check", "result pet-daily-7", *why)[0] == 0
        assert calibrate(capsys, "activate", str(tmp_path), name, *why)[0] == 0
    assert states(capsys, tmp_path) == {"efficiencies": "active", "times": "active"}
    found = find_calibration(tmp_path, instrument="ring", at=datetime(2021, 3, 2, tzinfo=UTC))
    assert (found.id, found.state) == ("times", "active")


def test_what_would_not_be_used_is_not_activated_and_no_roll_back_ends_at_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = ("--reason", "commissioning")
    for name, kept in (
        (
            "expired",
            made("linearity", "expired", made_utc="2021-03-01T08:00:00Z", valid_until_utc="2021-09-01T08:00:00Z"),
        ),
        ("ahead", made("peaking", "ahead", made_utc="2999-03-01T08:00:00Z")),
    ):
        path = tmp_path / f"{name}.toml"
        write_camera_calibration(path, kept)
        sha256 = load_camera_calibration(path).sha256
        write_check(path, CalibrationCheck(
            calibration=name, sha256=sha256, acquisition="c", checked_utc="2021-03-01T09:00:00Z", passed=True,
            reason="x",
        ))  # fmt: skip
    calibrate(capsys, "lifecycle", str(tmp_path), "--begin", *why)
    for name, word in (("expired", "expired at 2021-09-01"), ("ahead", "which is still to come: a clock was wrong")):
        assert calibrate(capsys, "sign", str(tmp_path), name, *why)[0] == 0
        code, text = calibrate(capsys, "activate", str(tmp_path), name, *why)
        assert (code != 0, word in text, states(capsys, tmp_path)[name]) == (True, True, "signed")


def test_no_roll_back_ends_at_one_that_failed_its_check_since(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why = ("--reason", "commissioning")
    calibrate(capsys, "lifecycle", str(folder), "--begin", *why)
    for name in ("old", "new"):
        calibrate(capsys, "sign", str(folder), name, *why)
        assert calibrate(capsys, "activate", str(folder), name, *why)[0] == 0
    path = folder / "old.toml"
    sha256 = load_camera_calibration(path).sha256
    write_check(path, CalibrationCheck(
        calibration="old", sha256=sha256, acquisition="c", checked_utc="2021-03-02T09:00:00Z", passed=False, reason="x",
    ))  # fmt: skip
    code, text = calibrate(capsys, "roll-back", str(folder), "new", *why)
    assert (code != 0, "old would be active again, and failed its check of 2021-03-02" in text) == (True, True)
    assert calibrate(capsys, "retire", str(folder), "new", *why)[0] == 0
    assert states(capsys, folder) == {"old": "superseded", "new": "retired"}


def test_one_that_was_superseded_can_be_signed_and_used_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    why = ("--reason", "commissioning")
    calibrate(capsys, "lifecycle", str(folder), "--begin", *why)
    for name in ("old", "new"):
        calibrate(capsys, "sign", str(folder), name, *why)
        calibrate(capsys, "activate", str(folder), name, *why)
    calibrate(capsys, "retire", str(folder), "new", *why)
    assert calibrate(capsys, "sign", str(folder), "old", *why)[0] == 0
    assert calibrate(capsys, "activate", str(folder), "old", *why)[0] == 0
    assert states(capsys, folder) == {"old": "active", "new": "retired"}


def test_a_process_killed_between_steps_leaves_the_step_before_and_a_folder_that_is_free(folder: Path) -> None:
    begin(folder, user="a", by="a", at_utc="2021-03-01T08:00:00Z", reason="x")
    script = (
        "import os, signal, sys; from pathlib import Path; from device_profiles import lifecycle as of\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "of.take_step(Path(sys.argv[1]), lambda _: dict(step='retired', calibration='old', sha256='0' * 64, slot='s',\n"
        "    user='a', by='a', at_utc='2021-03-01T08:00:00Z', reason='x'))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(folder)], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    known = read_lifecycle(folder)
    assert known is not None
    assert [each.step for each in known.entries] == ["begun"]
    after = take_step(folder, lambda _: {
        "step": "retired", "calibration": "new", "sha256": "0" * 64, "slot": "s", "user": "a", "by": "a",
        "at_utc": "2020-01-01T00:00:00Z", "reason": "the clock went back: the order of lines counts",
    })  # fmt: skip
    assert after.state("new") is State.RETIRED
