"""Calibration files of heads: whole or not at all, of one head, chosen by date; what is left out is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_cameras import HEAD, NOON, PHOTOPEAK, grid, made

from daq.errors import MismatchError, MissingError, ProfileError, RefusedError
from daq.model.cameracalibration import EnergyMap, Linearity, Peaking
from daq.model.windows import EnergyWindow
from device_profiles.cameracalibrations import (
    CalibrationCheck,
    camera_calibrations,
    load_camera_calibration,
    write_camera_calibration,
    write_check,
)
from device_profiles.camerachoice import Wanted, calibrations_in, choose, require_serial


def chosen(folder: Path, **changed: Any) -> Any:
    wanted = {"instrument": "head", "head": HEAD, "at": NOON, "windows": (PHOTOPEAK,)}
    return choose(calibrations_in(folder), Wanted(**(wanted | changed)))


@pytest.mark.parametrize("kind", ["peaking", "energy-map", "linearity", "uniformity", "centre-of-rotation"])
def test_what_is_written_reads_back_with_its_seal(tmp_path: Path, kind: str) -> None:
    before = made(kind)
    after = write_camera_calibration(tmp_path / "it.toml", before)
    assert after == before.model_copy(update={"sha256": before.digest})
    assert [path.name for path in tmp_path.iterdir()] == ["it.toml"]


@pytest.mark.parametrize("share", [0.2, 0.6, 0.9, 0.99])
def test_a_file_cut_anywhere_is_refused_in_words(tmp_path: Path, share: float) -> None:
    path = tmp_path / "it.toml"
    write_camera_calibration(path, made("uniformity"))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ProfileError, match=r"it\.toml"):
        load_camera_calibration(path)


def test_a_changed_number_breaks_the_seal(tmp_path: Path) -> None:
    path = tmp_path / "it.toml"
    write_camera_calibration(path, made("peaking"))
    path.write_text(path.read_text().replace("0.2", "0.3"))
    with pytest.raises(ProfileError, match="was changed afterwards"):
        load_camera_calibration(path)


def test_a_file_without_a_seal_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "it.toml"
    write_camera_calibration(path, made("peaking"))
    path.write_text(path.read_text().partition("[seal]")[0])
    with pytest.raises(ProfileError, match="half written"):
        load_camera_calibration(path)


def test_a_calibration_is_never_written_over_another(tmp_path: Path) -> None:
    write_camera_calibration(tmp_path / "it.toml", made("peaking"))
    with pytest.raises(RefusedError, match="never written over"):
        write_camera_calibration(tmp_path / "it.toml", made("energy-map"))
    assert load_camera_calibration(tmp_path / "it.toml").kind == "peaking"


def test_a_place_that_cannot_be_written_to_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RefusedError, match="cannot be written: Not a directory"):
        write_camera_calibration(tmp_path / "file" / "it.toml", made("peaking"))


def test_a_file_system_that_refuses_the_name_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    with pytest.raises(RefusedError, match="cannot be written: Operation not permitted"):
        write_camera_calibration(tmp_path / "it.toml", made("peaking"))
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"energy_map": EnergyMap(ratio=grid(-1.0))}, "at or below zero"),
        ({"energy_map": None}, r"\[energy_map\] is missing"),
        ({"linearity": Linearity(shift_x=grid(0.0), shift_y=grid(0.0))}, "belongs to another kind"),
        ({"made_utc": "yesterday"}, "not a time"),
        ({"made_utc": "2026-11-20T08:00:00"}, "no time zone"),
        ({"valid_until_utc": "2026-11-20T08:00:00Z"}, "not after made_utc"),
        ({"energy_map": EnergyMap(ratio=grid(1.0).model_copy(update={"data": "!!"}))}, "cannot be read"),
        ({"energy_map": EnergyMap(ratio=grid(1.0).model_copy(update={"rows": 4}))}, "holds 1"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_written(tmp_path: Path, changed: Any, reason: str) -> None:
    with pytest.raises(ProfileError, match=reason):
        write_camera_calibration(tmp_path / "it.toml", made("energy-map", **changed))
    assert list(tmp_path.iterdir()) == []


def test_two_files_with_one_id_are_refused(tmp_path: Path) -> None:
    write_camera_calibration(tmp_path / "a.toml", made("peaking"))
    write_camera_calibration(tmp_path / "b.toml", made("peaking"))
    with pytest.raises(ProfileError, match="has the same"):
        list(camera_calibrations(tmp_path))


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such folder"):
        calibrations_in(tmp_path / "none")


def test_of_each_kind_the_newest_makes_the_corrections(tmp_path: Path) -> None:
    for kind in ("peaking", "energy-map", "linearity", "uniformity"):
        write_camera_calibration(tmp_path / f"{kind}.toml", made(kind))
    newer = made("energy-map", "newer", made_utc="2026-11-20T09:00:00Z", energy_map=EnergyMap(ratio=grid(1.05)))
    write_camera_calibration(tmp_path / "newer.toml", newer)
    found = chosen(tmp_path)
    assert found.left_out == []
    assert {each.id for each in found.corrections.used} == {"peaking", "newer", "linearity", "uniformity"}
    assert found.corrections.energy == grid(1.05)
    assert found.corrections.kev_per_adc == (0.1, 0.2, 0.1, 0.1)
    assert set(found.corrections.uniformity) == {"photopeak"}
    assert found.serial == "100"


@pytest.mark.parametrize(
    ("changed", "wanted", "reason"),
    [
        ({"valid_until_utc": "2026-11-20T12:00:00Z"}, {}, "expired at"),
        ({"made_utc": "2026-11-21T08:00:00Z"}, {}, "was made later"),
        ({"serial": "7"}, {"serial": "100"}, "is of serial number 7, this head is 100"),
        ({"collimator": "LEHR"}, {"collimator": "MEGP"}, "with collimator LEHR, mounted is collimator MEGP"),
        ({"collimator": "LEHR"}, {}, "with collimator LEHR, mounted is no collimator"),
        ({}, {"windows": (EnergyWindow(100.0, 120.0, "scatter"),)}, "has no map of window scatter"),
    ],
)
def test_what_does_not_fit_is_left_out_and_said(tmp_path: Path, changed: Any, wanted: Any, reason: str) -> None:
    write_camera_calibration(tmp_path / "it.toml", made("uniformity", **changed))
    found = chosen(tmp_path, **wanted)
    assert found.corrections.uniformity == {}
    assert found.corrections.used == ()
    (said,) = found.left_out
    assert reason in said


def test_a_peaking_of_other_channels_is_left_out(tmp_path: Path) -> None:
    peaking = Peaking(pedestal_adc=(0.0,) * 3, kev_per_adc=(1.0,) * 3)
    write_camera_calibration(tmp_path / "it.toml", made("peaking", peaking=peaking))
    found = chosen(tmp_path)
    assert found.corrections.kev_per_adc == ()
    assert "has 3 channels, the head has 4" in found.left_out[0]


def test_a_calibration_of_another_head_is_none_of_this_one(tmp_path: Path) -> None:
    write_camera_calibration(tmp_path / "it.toml", made("peaking", head=0))
    found = chosen(tmp_path)
    assert (found.corrections.used, found.left_out) == ((), [])


def test_one_that_failed_its_check_gives_way_to_the_one_before(tmp_path: Path) -> None:
    write_camera_calibration(tmp_path / "old.toml", made("peaking", "old", made_utc="2026-11-19T08:00:00Z"))
    new = write_camera_calibration(tmp_path / "new.toml", made("peaking", "new"))
    for path, hour, passed in (("old", "09", True), ("new", "10", False)):
        calibration = load_camera_calibration(tmp_path / f"{path}.toml")
        write_check(
            tmp_path / f"{path}.toml",
            CalibrationCheck(
                calibration=path, sha256=calibration.sha256, checked_utc=f"2026-11-20T{hour}:00:00Z",
                acquisition="check", passed=passed, reason="" if passed else "the peak lies at 131 keV",
            ),
        )  # fmt: skip
    found = chosen(tmp_path)
    assert [(each.id, each.verified_utc) for each in found.corrections.used] == [("old", "2026-11-20T09:00:00Z")]
    assert "new failed its check" in found.left_out[0]
    assert "131 keV" in found.left_out[0]
    assert new.id == "new"


def test_one_that_builds_on_what_is_not_in_use_is_used_and_said(tmp_path: Path) -> None:
    write_camera_calibration(tmp_path / "p.toml", made("peaking", "today"))
    write_camera_calibration(tmp_path / "l.toml", made("linearity", builds_on=("yesterday",)))
    found = chosen(tmp_path)
    assert found.corrections.shift_x is not None
    assert "was measured with yesterday" in found.left_out[0]


def test_two_of_a_kind_made_at_one_moment_are_refused(tmp_path: Path) -> None:
    write_camera_calibration(tmp_path / "a.toml", made("peaking", "a"))
    write_camera_calibration(tmp_path / "b.toml", made("peaking", "b"))
    with pytest.raises(RefusedError, match="which one counts"):
        chosen(tmp_path)


def test_a_check_of_another_calibration_is_refused(tmp_path: Path) -> None:
    write_camera_calibration(tmp_path / "a.toml", made("peaking"))
    check = CalibrationCheck(
        calibration="peaking", sha256="0" * 64, checked_utc="2026-11-20T10:00:00Z", acquisition="x", passed=True
    )
    with pytest.raises(MismatchError, match="the check is of"):
        write_check(tmp_path / "a.toml", check)


def test_a_head_with_another_serial_number_than_its_calibrations_is_refused(tmp_path: Path) -> None:
    write_camera_calibration(tmp_path / "a.toml", made("peaking"))
    corrections = chosen(tmp_path).corrections
    require_serial([corrections], {1: "100"})
    require_serial([corrections], {})
    with pytest.raises(MismatchError, match="is of serial number 100; the one connected is 7"):
        require_serial([corrections], {1: "7"})
