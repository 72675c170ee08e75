"""From scanner, collimator and folder to corrections; each refusal and each thing left out in words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support_cameras import PHOTOPEAK, made

from daq.composition import new_manifest
from daq.composition.heads import camera_of
from daq.errors import MismatchError, RefusedError
from daq.model.camera import Collimator
from daq.model.processing import Processing
from daq.model.protocol_terms import Need
from daq.model.scanner import Head, ScannerProfile
from daq.storage.processingtext import processing_info, processing_text
from daq.storage.recordedprocessing import note_processing
from device_profiles.cameracalibrations import write_camera_calibration
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

XYE = load_profile("head-xye64")
LEHR = Collimator(hole_mm=1.5, septum_mm=0.2, length_mm=35.0, energy_max_kev=160.0, source="a test")


def scanner(**changed: Any) -> ScannerProfile:
    heads = tuple(
        Head(id=name, number=number, instrument="head-xye64", angle_deg=0.0, width_mm=540.0, height_mm=400.0)
        for number, name in enumerate(("front", "back"))
    )
    plain = {
        "schema": "scanner-profile/0", "id": "two", "title": "t", "vendor": "v", "source": "s",
        "verified": "simulated", "heads": heads, "collimators": {"LEHR": LEHR},
    }  # fmt: skip
    return ScannerProfile(**(plain | changed))


def folder(path: Path, *kinds: str, head: int = 1) -> Path:
    for kind in kinds:
        write_camera_calibration(path / f"{kind}.toml", made(kind, instrument="head-xye64", head=head))
    return path


def test_the_collimator_is_noted_without_any_calibration_too() -> None:
    manifest = new_manifest(XYE, identity="a", source="s", stop="end")

    camera_of(XYE, scanner(), None, collimator="LEHR").note(manifest)

    assert manifest.calibrations["collimator"] == "LEHR"


def test_a_sensed_collimator_that_the_scanner_does_not_know_is_none_the_less_there(tmp_path: Path) -> None:
    calibrations = folder(tmp_path, "uniformity")

    camera = camera_of(XYE, scanner(), calibrations, windows=[PHOTOPEAK], collimator="MEGP", sensed=True)

    assert camera.collimator == "MEGP"
    assert any("mounted is collimator MEGP" in why for why in camera.left_out)


def test_heads_without_calibrations_stay_as_the_front_end_gives_them() -> None:
    camera = camera_of(XYE, scanner(), None, windows=[PHOTOPEAK])
    assert (camera.heads, camera.left_out) == ((), ())


def test_each_head_gets_its_own_and_the_one_without_is_said(tmp_path: Path) -> None:
    camera = camera_of(XYE, scanner(), folder(tmp_path, "energy-map", "uniformity"), windows=[PHOTOPEAK])
    assert [each.head for each in camera.heads] == [0, 1]
    assert [len(each.used) for each in camera.heads] == [0, 2]
    assert camera.left_out == (f"head 0: {tmp_path} holds no calibration of it that fits",)


def test_the_manifest_names_what_was_used_and_what_was_not(tmp_path: Path) -> None:
    manifest = new_manifest(XYE, identity="a", source="s", stop="end")
    camera_of(XYE, scanner(), folder(tmp_path, "uniformity"), windows=[PHOTOPEAK], collimator="LEHR").note(manifest)
    assert manifest.calibrations["heads"] == []
    assert manifest.calibrations["collimator"] == "LEHR"
    assert "with no collimator, mounted is collimator LEHR" in manifest.calibrations["left_out"][1]


def test_serial_numbers_that_are_known_choose(tmp_path: Path) -> None:
    camera = camera_of(XYE, scanner(), folder(tmp_path, "energy-map"), serials={1: "4711"})
    assert camera.heads[1].used == ()
    assert "is of serial number 100, this head is 4711" in " ".join(camera.left_out)


def test_a_collimator_that_the_scanner_does_not_have_is_refused() -> None:
    with pytest.raises(RefusedError, match="collimator MEGP: scanner two has LEHR"):
        camera_of(XYE, scanner(), None, collimator="MEGP")
    with pytest.raises(RefusedError, match="no scanner is named"):
        camera_of(XYE, None, None, collimator="MEGP")


def test_heads_of_another_instrument_are_refused() -> None:
    other = Head(id="x", number=0, instrument="singles64", angle_deg=0.0, width_mm=1.0, height_mm=1.0)
    with pytest.raises(MismatchError, match="has heads of singles64, none of head-xye64"):
        camera_of(XYE, scanner(heads=(other,)), None)


def test_an_instrument_without_positions_has_no_use_for_them(tmp_path: Path) -> None:
    head = Head(id="x", number=1, instrument="singles64", angle_deg=0.0, width_mm=1.0, height_mm=1.0)
    with pytest.raises(MismatchError, match="gives no positions"):
        camera_of(load_profile("singles64"), scanner(heads=(head,)), folder(tmp_path))


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def lacking(path: Path, need: Need, **changed: Any) -> str | None:
    return camera_of(XYE, scanner(**changed), path, windows=[PHOTOPEAK], at=NOON).lacks(need, NOON)


def test_every_head_must_have_what_is_needed(tmp_path: Path) -> None:
    folder(tmp_path, "energy-map")
    assert lacking(tmp_path, Need("energy-peak")) == (
        f"energy-peak is needed, and head 0 has none (head 0: {tmp_path} holds no calibration of it that fits)"
    )
    other = made("energy-map", "other", instrument="head-xye64", head=0, serial="7")
    write_camera_calibration(tmp_path / "other.toml", other)
    assert lacking(tmp_path, Need("energy-peak")) is None
    assert "uniformity is needed, and head 0 has none" in str(lacking(tmp_path, Need("uniformity")))


def test_what_is_too_old_does_not_count(tmp_path: Path) -> None:
    for head in (0, 1):
        calibration = made("energy-map", f"map-{head}", instrument="head-xye64", head=head)
        write_camera_calibration(tmp_path / f"{head}.toml", calibration)
    assert lacking(tmp_path, Need("energy-peak", 5 * 3600.0)) is None
    assert lacking(tmp_path, Need("energy-peak", 3 * 3600.0)) == "energy-peak of head 0 is 4.0 h old; at most 3 h"


def test_a_scanner_without_heads_has_no_record(tmp_path: Path) -> None:
    assert "no record" in str(lacking(tmp_path, Need("energy-peak"), heads=()))


def test_light_without_a_peaking_is_said_to_be_no_energy(tmp_path: Path) -> None:
    boards = load_profile("caen-fers-a5202")
    camera = camera_of(boards, load_scanner("fers-dual-head"), None)
    assert "sums of codes, not keV" in str(camera.codes_for_energies)
    assert len(camera.heads) == 2
    with pytest.raises(RefusedError, match="name a scanner with its heads"):
        camera_of(boards, None, None)


def test_what_was_used_and_what_not_stands_in_the_text_of_a_recording(tmp_path: Path) -> None:
    manifest = new_manifest(XYE, identity="a", source="s", stop="end")
    camera = camera_of(XYE, scanner(), folder(tmp_path, "energy-map"), windows=[PHOTOPEAK], collimator="LEHR")
    camera.note(manifest)
    note_processing(manifest, Processing(heads=camera.heads))
    text = processing_text(processing_info(manifest))
    assert "collimator  LEHR" in text
    assert "head 1      energy-map energy-map of serial number 100, made 2026-11-20T08:00:00Z, not checked" in text
    assert "not used    head 0" in text
