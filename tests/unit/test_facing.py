"""Views are held against how the patient lies and where the gantry is: what contradicts them is refused."""

from __future__ import annotations

import pytest
from support_protocols import made, planar, spect

from daq.composition.facing import require_facing, unfaced
from daq.errors import RefusedError
from daq.model.geometry import PatientOrientation
from device_profiles.scanners import load_scanner

DUAL = load_scanner("dual-head")
HFS, HFP, FFS = PatientOrientation.HFS, PatientOrientation.HFP, PatientOrientation.FFS
AP = 'views = ["ANT", "POST"]'
SIDES = 'views = ["RLAT", "LLAT"]'


@pytest.mark.parametrize(
    ("text", "lies", "gantry_deg"),
    [
        (planar('set.gantry = "0 deg"', view=AP), HFS, 90.0),
        (planar(view=AP), HFS, -10.0),
        (planar(view=AP), FFS, 0.0),
        (planar(view='views = ["POST", "ANT"]'), HFP, 0.0),
        (planar(view=AP), HFS, None),
        (planar('set.gantry = "90 deg"', view=SIDES), HFS, 0.0),
        (spect('{ count = 30, axis = "gantry", from = "0 deg", step = "6 deg" }'), HFS, 0.0),
    ],
)
def test_views_that_heads_see_are_taken(text: str, lies: PatientOrientation, gantry_deg: float | None) -> None:
    require_facing(made(text), DUAL, lies, gantry_deg)


@pytest.mark.parametrize(
    ("text", "lies", "gantry_deg", "says"),
    [
        (planar('set.gantry = "0 deg"', view=AP), HFP, 0.0,
         r"does not suit a patient who lies HFP: step 'a': head front stands at 180 deg of the gantry; a patient head "
         r"first, prone \(HFP\) faces it with POST \(0 deg\), not with ANT; .*; choose the protocol for this position"),
        (planar('set.gantry = "90 deg"', view=SIDES), FFS, 0.0, r"feet first, supine \(FFS\) faces it with LLAT"),
        (planar(view=AP), HFS, 90.0, r"head front stands at 270 deg of the gantry; .* faces it with RLAT"),
    ],
)  # fmt: skip
def test_views_that_contradict_how_the_patient_lies_are_refused_in_words(
    text: str, lies: PatientOrientation, gantry_deg: float, says: str
) -> None:
    with pytest.raises(RefusedError, match=says):
        require_facing(made(text), DUAL, lies, gantry_deg)


def test_a_scanner_whose_heads_are_held_by_hand_has_no_angle_that_could_contradict() -> None:
    without = DUAL.model_copy(update={"axes": DUAL.axes.model_copy(update={"rotary": {}})})

    require_facing(made(planar(view=AP)), without, HFP, 0.0)
    require_facing(made(planar(view=AP)), None, HFP, 0.0)


def test_a_person_is_told_before_heads_look_where_nobody_knows() -> None:
    nowhere, set_first = made(planar(view=AP)), made(planar('set.gantry = "0 deg"', view=AP))

    (said,) = unfaced(nowhere, DUAL, None)
    assert said.startswith("nothing tells where the gantry stands: all steps (a) will have no orientation letters")
    assert [unfaced(nowhere, DUAL, 0.0), unfaced(set_first, DUAL, None), unfaced(nowhere, None, None)] == [[], [], []]
