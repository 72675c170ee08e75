"""Which view and letters a head has while it is looked at: from where the gantry is now and how the patient lies."""

from __future__ import annotations

import json
import tomllib

import pytest
from support_study_looks import HEADER, STEPS

from daq.composition.liveheads import LiveHeads
from daq.model.geometry import PatientOrientation
from daq.model.protocol_file import ProtocolFile
from daq.model.protocol_steps import made_of
from daq.pipeline.seriesrule import HeadFacts

HEADS = {0: HeadFacts(0, "front", 180.0, 540.0, 400.0), 1: HeadFacts(1, "back", 0.0, 540.0, 400.0)}


def heads(*steps: str, orientation: str = "HFS", turns: bool = True) -> LiveHeads:
    text = HEADER + "".join(f"\n[[steps]]\n{step}\n" for step in steps)
    protocol = made_of(ProtocolFile.model_validate_json(json.dumps(tomllib.loads(text)))) if steps else None
    return LiveHeads(HEADS, PatientOrientation(orientation), protocol, turns, simulated=True)


def step(name: str, more: str = "") -> str:
    return f'name = "{name}"\n{STEPS[name]}\n{more}'


@pytest.mark.parametrize(("gantry_deg", "orientation", "views", "left"), [
    (0.0, "HFS", ["ANT", "POST"], ["R", "L"]), (180.0, "HFS", ["POST", "ANT"], ["L", "R"]),
    (0.0, "HFP", ["POST", "ANT"], ["L", "R"]), (0.0, "FFS", ["ANT", "POST"], ["R", "L"]),
])  # fmt: skip
def test_the_gantry_and_the_patient_decide_what_a_head_sees(
    gantry_deg: float, orientation: str, views: list[str], left: list[str]
) -> None:
    known = heads(step("flow"), orientation=orientation)
    seen = [known.seen(number, "flow", gantry_deg) for number in (0, 1)]

    assert [each["view"] for each in seen] == views
    assert [each["letters"][0] for each in seen] == left
    assert [each["letters"][2:] for each in seen] == [("H", "F")] * 2
    assert known.turned is orientation.startswith("F")


def test_a_gantry_of_which_nobody_knows_where_it_is_gives_no_letters() -> None:
    seen = heads(step("flow")).seen(0, "flow", None)

    assert (seen["letters"], seen["view"]) == (("", "", "", ""), "")
    assert "gantry angle not recorded" in seen["doubt"]


def test_a_view_that_the_protocol_names_but_the_head_does_not_see_is_not_named() -> None:
    seen = heads(step("view")).seen(0, "view", 180.0)

    assert seen["view"] == "POST"
    assert "not with ANT" in seen["doubt"]


def test_nobody_lies_on_the_bed_in_quality_control() -> None:
    seen = heads(step("flow", 'role = "quality_control"')).seen(0, "flow", 0.0)

    assert (seen["letters"], seen["view"], seen["patient"]) == (("", "", "", ""), "", False)


def test_before_a_step_is_named_the_first_one_counts() -> None:
    known = heads(step("view"), step("flow"))

    assert known.seen(0, "", 180.0)["doubt"] == known.seen(0, "view", 180.0)["doubt"]
    assert known.seen(0, "flow", 180.0)["doubt"] == ""


def test_each_projection_of_a_rotation_has_letters_of_its_own() -> None:
    known = heads(step("around"))
    series = {"name": "around", "kind": "TOMO"}
    told = {"number": 0, "name": "front", "angle_deg": 180.0, "view": "ANT"}

    assert known.seen_in(series, told, 0.0)["letters"][0] == "R"
    assert known.seen_in(series, told, 90.0)["letters"][:2] == ("P", "A")  # RLAT: the face is to the right
    assert known.seen_in({**series, "kind": "STATIC"}, told, 90.0)["letters"][0] == "R"
