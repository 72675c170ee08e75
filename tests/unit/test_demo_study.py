"""What `daq demo study` shows a protocol with: the scanner, the collimator and the nuclide that it is for."""

from pathlib import Path
from typing import Any, cast

import pytest

from acquisition_protocols.load import load_protocol
from acquisition_protocols.rules import check
from daq.cli import demostudy, technologist
from daq.cli.demopatients import collimator_of, patient_of
from daq.cli.technologist import Technologist
from daq.errors import RefusedError
from daq.transports.localclient import LocalClient
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner


@pytest.mark.parametrize(
    ("name", "scanner", "collimator", "body"),
    [
        ("bone-whole-body", "dual-head", "LEHR", "skeleton:Tc-99m,mbq=2400,after_s=10800"),
        ("i131-whole-body", "dual-head", "HEGP", "skeleton:I-131,mbq=800"),
        ("daily-flood", "dual-head", "LEHR", "flood:Co-57,mbq=400,length=450"),
        ("thyroid-scan", "dual-head", "LEHR", "thyroid:Tc-99m,mbq=320"),
        ("whole-body-uniformity", "dual-head", "LEHR", "flood:Co-57,mbq=1600,length=3200"),
        ("myocardial-spect-tl201", "dual-head-cardiac", "LEAP", "myocardium:Tl-201,mbq=3200"),
    ],
)
def test_a_protocol_is_shown_as_it_wants_and_fits(
    name: str, scanner: str, collimator: str, body: str, tmp_path: Path
) -> None:
    protocol = load_protocol(demostudy._protocol_file(tmp_path, name, 4)).protocol
    named = demostudy._scanner_of(protocol)
    there = load_scanner(demostudy.scanner_file(tmp_path, named, 4, demostudy._radius_mm(protocol)))

    assert named == scanner
    assert check(protocol, there, load_profile("head-xye64")) == []
    assert patient_of(protocol).options(4, protocol, there)[:6] == (
        "--collimator", collimator, "--body", body, "--times", "4",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "route", "overridden"),
    [("thyroid-scan", "intravenous", True), ("lymphoscintigraphy", "intradermal", False)],
)
def test_what_was_given_is_recorded_as_the_body_has_it_and_a_pinhole_that_is_not_simulated_is_overridden(
    name: str, route: str, overridden: bool, tmp_path: Path
) -> None:
    protocol = load_protocol(demostudy._protocol_file(tmp_path, name, 4)).protocol
    person = Technologist(None, print, reason="shown")  # type: ignore[arg-type] - nobody is asked
    collimator = collimator_of(protocol, load_scanner("dual-head"))
    asked = demostudy._asked(protocol, person, patient_of(protocol), collimator)

    assert ("collimator" in asked["overrides"], asked["administration"]["route"]) == (overridden, route)
    assert asked["administration"]["side"] == "left"


def test_an_intrinsic_flood_has_a_point_source_before_the_bare_crystal_and_nobody_on_the_bed(tmp_path: Path) -> None:
    protocol = load_protocol(demostudy._protocol_file(tmp_path, "intrinsic-flood", 4)).protocol

    assert patient_of(protocol).options(4, protocol, load_scanner("dual-head")) == ("--field", "Tc-99m,mbq=80")


def test_the_bed_brings_each_region_under_the_heads_that_a_person_would_bring_there(tmp_path: Path) -> None:
    steps = load_protocol(demostudy._protocol_file(tmp_path, "bone-spots", 1)).protocol.steps
    beds_mm = {step.name: step.positions["bed"] for step in steps}

    assert beds_mm["head"] < beds_mm["thorax"] < beds_mm["pelvis"] < beds_mm["knees"] < beds_mm["extremities"]


def test_the_technologist_says_what_is_done_where_the_station_says_what_it_lacks() -> None:
    class Station:
        def ask(self, *_: object, **__: object) -> dict[str, Any]:
            return {}

    said: list[str] = []
    person = Technologist(Station(), said.append, reason="shown")  # type: ignore[arg-type] - it is asked alone

    for detail in (
        "cannot move gantry to 0 deg, bed to 150 mm: positioning needs the enable held, it is off",
        "cannot move bed to 20 mm: step needs the enable held or latched, it is spent: let it go and press again",
        "axes do not stay where 'spots' begins",
    ):
        person._attend({"state": "positioning", "detail": detail, "motion": {"enable": "off", "moving": False}})

    assert said == [
        "  holding the enable while gantry goes to 0 deg, bed goes to 150 mm",
        "  holding the enable while bed goes to 20 mm",
        "  axes do not stay where 'spots' begins",
    ]


def test_who_injects_at_the_start_measures_afterwards_what_is_left_once() -> None:
    asked: list[tuple[str, object]] = []

    class Station:
        def ask(self, verb: str, arguments: dict[str, Any], **_: object) -> dict[str, Any]:
            asked.append((verb, arguments.get("activity")))
            return {}

    person = Technologist(Station(), print, reason="shown")  # type: ignore[arg-type] - it is asked alone
    person.injected, person.left = False, "10 MBq"
    for state in ("acquiring", "armed", "acquiring", "acquiring", "waiting", "acquiring"):
        person._attend({"state": state})

    assert [one for one in asked if one[0] != "simulate"] == [
        ("injected-now", None), ("start", None), ("residual", "10 MBq"), ("start", None),
    ]  # fmt: skip


def test_what_the_station_refuses_again_and_again_ends_the_demonstration_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Station:
        def ask(self, verb: str, *_: object, **__: object) -> dict[str, object]:
            if verb == "start":
                raise RefusedError("cannot start: first the CT")
            return {"state": "armed", "detail": "", "motion": {"enable": "latched", "moving": False}}

    monkeypatch.setattr(technologist, "_LOOK_S", 0.0)
    person = technologist.Technologist(cast("LocalClient", Station()), lambda _: None, reason="test")
    with pytest.raises(RefusedError, match="first the CT"):
        person.acquire({}, within_s=20.0)
