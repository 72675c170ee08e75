"""Rules for heads and collimators in scanner profiles: each says what is wrong, where, and by how much."""

from __future__ import annotations

from typing import Any

import pytest

from daq.model.camera import Collimator, Crystal, Sensors
from daq.model.camera_rules import collimator_findings, head_findings
from daq.model.finding import errors
from daq.model.scanner import Head, ScannerProfile
from daq.model.scanner_rules import findings
from device_profiles.load import SCANNER_FOLDER
from device_profiles.scanners import findings as with_instruments
from device_profiles.scanners import load_scanner

CRYSTAL = Crystal(material="NaI(Tl)", thickness_mm=9.5, width_mm=100.0, height_mm=80.0)
SENSORS = {"kind": "sipm", "shape": "square", "width_mm": 20.0, "x_mm": (-30.0, 0.0, 30.0), "y_mm": (0.0, 30.0, 0.0)}
HOLES = {"hole_mm": 1.5, "septum_mm": 0.2, "length_mm": 35.0, "energy_max_kev": 160.0, "source": "a test"}


def head(sensors: dict[str, Any] | None = None, **changes: Any) -> Head:
    known: dict[str, Any] = {
        "id": "a", "number": 0, "instrument": "head-xye64", "angle_deg": 0.0, "width_mm": 90.0, "height_mm": 70.0,
        "crystal": CRYSTAL, "sensors": None if sensors is None else Sensors.model_validate({**SENSORS, **sensors}),
    }  # fmt: skip
    return Head(**{**known, **changes})


@pytest.mark.parametrize("name", ["fers-dual-head", "fers-compact-camera"])
def test_shipped_cameras_have_a_sensor_for_every_channel_and_nothing_to_complain_about(name: str) -> None:
    scanner = load_scanner(name)

    assert with_instruments(scanner, folder=SCANNER_FOLDER) == []
    assert {len(one.sensors.x_mm) for one in scanner.heads if one.sensors} == {64}
    assert {"LEHR", "LEAP", "pinhole"} <= set(scanner.collimators)


@pytest.mark.parametrize(
    ("one", "key", "what"),
    [
        (head(width_mm=101.0), "heads[0].width_mm", "larger than the crystal, 100"),
        (head({"y_mm": (0.0, 1.0, 2.0, 3.0)}), "heads[0].sensors.y_mm", "x_mm has 3"),
        (head({"x_mm": (0.0, 0.0, 9.0), "y_mm": (0.0, 0.0, 1.0)}), "heads[0].sensors.x_mm[1]", "at the same place"),
        (head({"y_mm": (5.0, 5.0, 5.0)}), "heads[0].sensors.y_mm", "the same for all channels"),
        (head({"x_mm": (-30.0, 0.0, 51.0)}), "heads[0].sensors.x_mm", "ends at 50 mm"),
    ],
)  # fmt: skip
def test_heads_that_cannot_be_are_refused(one: Head, key: str, what: str) -> None:
    (found,) = errors(head_findings([one]))

    assert found.key == key
    assert what in found.reason


def test_a_person_should_look_at_sensors_that_overlap_or_have_no_crystal() -> None:
    (overlap,) = head_findings([head({"shape": "round", "width_mm": 45.0})])
    (bare,) = head_findings([head({}, crystal=None)])

    assert (overlap.severity, bare.severity) == ("warning", "warning")
    assert "42.43 mm apart" in overlap.reason


@pytest.mark.parametrize(
    ("changes", "key", "what"),
    [
        ({"septum_mm": 0.0}, "septum_mm", "have walls"),
        ({"opening_deg": 60.0}, "opening_deg", "only of a pinhole"),
        ({"material": "gold"}, "", "known are lead, tungsten"),
        ({"length_mm": 4.0, "energy_max_kev": 364.5}, "", "do not collimate"),
        ({"kind": "pinhole", "septum_mm": 0.0}, "opening_deg", "required of a pinhole"),
        ({"kind": "pinhole", "opening_deg": 60.0}, "septum_mm", "only of parallel holes"),
        ({"kind": "pinhole", "septum_mm": 0.0, "opening_deg": 180.0}, "opening_deg", "below 180"),
    ],
)
def test_collimators_that_cannot_be_are_refused(changes: dict[str, Any], key: str, what: str) -> None:
    (found,) = errors(collimator_findings({"X": Collimator.model_validate({**HOLES, **changes})}))

    assert found.key == f"collimators.X.{key}".rstrip(".")
    assert what in found.reason


def test_a_collimator_that_is_said_to_be_made_for_more_than_its_walls_hold_is_warned_of() -> None:
    (found,) = collimator_findings({"X": Collimator.model_validate({**HOLES, "energy_max_kev": 364.5})})

    assert found.severity == "warning"
    assert "% pass a wall at that energy" in found.reason


def test_a_ring_has_no_collimators_and_a_fers_head_needs_sensors() -> None:
    ring = load_scanner("reference-ring")
    camera = load_scanner("fers-compact-camera")
    blind = camera.heads[0].model_copy(update={"sensors": None})

    refused = errors(findings(ring.model_copy(update={"collimators": camera.collimators})))
    missing = errors(with_instruments(camera.model_copy(update={"heads": (blind,)}), folder=SCANNER_FOLDER))

    assert [found.key for found in refused] == ["collimators"]
    assert [found.key for found in missing] == ["heads[0].sensors"]
    assert isinstance(camera, ScannerProfile)
