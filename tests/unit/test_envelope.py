"""The collision envelope of a scanner profile: what rules forbid, what is wrong with a rule, and that axes keep it."""

from __future__ import annotations

import json
import math
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_motion import Gantry, with_gantry

from daq.errors import LimitError
from daq.model.envelope import EnvelopeRule, Travel, why_outside
from daq.model.scanner import ScannerProfile
from daq.model.scanner_rules import findings
from daq.model.scanner_safety import travels_of
from device_profiles.scanners import load_scanner

TRAVELS = {
    "gantry": Travel(-10.0, 370.0, turns=True),
    "bed": Travel(0.0, 2400.0, turns=False),
    "front_radius": Travel(50.0, 400.0, turns=False),
    "back_radius": Travel(50.0, 400.0, turns=False),
}
SIDE = {"sum": {"front_radius": 1.0}, "least": 230.0, "where": {"gantry": (250.0, 290.0), "bed": (300.0, 2400.0)},
        "why": "the front head meets the bed"}  # fmt: skip
BOTH = {"sum": {"front_radius": 1.0, "back_radius": -1.0}, "most": 200.0, "why": "the gantry is out of balance"}


def rules(*told: dict[str, Any]) -> list[EnvelopeRule]:
    return [EnvelopeRule.model_validate(each) for each in told]


@pytest.mark.parametrize(
    ("gantry", "bed", "front", "meets"),
    [
        (270.0, 1000.0, 229.0, True), (270.0, 1000.0, 230.0, False), (249.0, 1000.0, 60.0, False),
        (270.0, 299.0, 60.0, False), (290.0, 300.0, 60.0, True), (-90.0, 1000.0, 60.0, True),
        (math.nan, 1000.0, 60.0, True), (270.0, 1000.0, math.nan, True),
    ],
)  # fmt: skip
def test_a_rule_holds_where_its_axes_are(gantry: float, bed: float, front: float, meets: bool) -> None:
    why = why_outside(rules(SIDE), TRAVELS, {"gantry": gantry, "bed": bed, "front_radius": front})
    assert (why is not None) is meets
    assert why is None or why.startswith("the front head meets the bed (front_radius would be ")


def test_an_axis_that_nobody_reads_may_be_anywhere() -> None:
    assert why_outside(rules(SIDE), TRAVELS, {"bed": 1000.0, "front_radius": 100.0}) is not None
    assert why_outside(rules(SIDE), TRAVELS, {"gantry": 0.0}) is None
    why = why_outside(rules(BOTH), TRAVELS, {"front_radius": 260.0})
    assert why == (
        "the gantry is out of balance (front_radius + -1 back_radius (nobody reads it) would be 210, at most 200)"
    )


@given(st.floats(-10, 370), st.floats(0, 360), st.floats(1, 360))
def test_spans_of_what_turns_are_the_same_whole_turns_later(place: float, begin: float, wide: float) -> None:
    rule = rules({**SIDE, "where": {"gantry": (begin, begin + wide)}})
    later = rules({**SIDE, "where": {"gantry": (begin - 360.0, begin + wide - 360.0)}})
    at = {"gantry": place, "front_radius": 60.0}
    if all(abs((place - end + 180) % 360 - 180) > 1e-3 for end in (begin, begin + wide)):
        assert why_outside(rule, TRAVELS, at) == why_outside(later, TRAVELS, at)


def profile(**changed: Any) -> ScannerProfile:
    whole = load_scanner("dual-head").model_dump(mode="json", by_alias=True)
    return ScannerProfile.model_validate_json(json.dumps({**whole, **changed}))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"where": {"gantri": (0.0, 1.0)}}, "is no axis; did you mean gantry?"),
        ({"least": None}, "a rule has least, most or both"),
        ({"where": {"bed": (10.0, 5.0)}}, "the first lies below the second"),
        ({"where": {"gantry": (0.0, 361.0)}}, "within one turn"),
        ({"sum": {"front_radius": 0.0}}, "are finite numbers and not 0"),
        ({"least": 401.0}, "no place at all is allowed"),
        ({"least": 50.0}, "warning: forbids nothing"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(changed: dict[str, Any], said: str) -> None:
    [found] = findings(profile(envelope=[{**SIDE, **changed}]))
    assert said in str(found)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"head": "fornt"}, "is no head; did you mean front?"),
        ({"tolerance_v": 400.0}, "a step that was not done would not be seen"),
        ({"max_step_v": 1000.0}, "warning: above max_v"),
        ({"trip_group": "ring"}, "warning: no other supply is of this group"),
    ],
)
def test_a_supply_that_cannot_be_meant_is_refused(changed: dict[str, Any], said: str) -> None:
    supply = {"max_v": 900.0, "max_slope_v_per_s": 50.0, "max_step_v": 300.0, "tolerance_v": 2.0, "trip_ua": 300.0,
              "trip_s": 0.5}  # fmt: skip
    [found] = findings(profile(supplies={"front_hv": {**supply, **changed}}))
    assert said in str(found)


def test_two_collimators_with_one_code_are_refused() -> None:
    collimators = load_scanner("dual-head").model_dump(mode="json")["collimators"]
    for name in ("LEHR", "MEGP"):
        collimators[name]["code"] = "3"
    [found] = findings(profile(collimators=collimators))
    assert str(found) == "collimators.MEGP.code = '3': is that of LEHR already"


def test_the_camera_that_ships_keeps_its_envelope_where_nobody_reads_its_radii() -> None:
    camera = load_scanner("spect-camera")

    async def body(gantry: Gantry) -> None:
        gantry.keep_holding()
        await gantry.engine.position({"gantry": 90.0})  # the bed is out, at 100 mm
        with pytest.raises(
            LimitError, match=r"at bed 20\d.*head beside the bed meets it \(front_radius \(nobody reads it\)"
        ):
            await gantry.engine.position({"bed": 1000.0})
        await gantry.engine.position({"gantry": 0.0})
        with pytest.raises(LimitError, match="back head under the bed meets it"):
            await gantry.engine.position({"bed": 1000.0})
        assert gantry.bed.drive.true_place() == pytest.approx(100.0, abs=0.1)

    with_gantry(body, envelope=partial(why_outside, camera.envelope, travels_of(camera)))


def test_the_example_of_the_manual_is_a_rule() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/scanner-and-site.md").read_text()
    example = page.partition("### `[[envelope]]`")[2].partition("```toml\n")[2].partition("```")[0]
    assert findings(profile(envelope=tomllib.loads(example)["envelope"])) == []
