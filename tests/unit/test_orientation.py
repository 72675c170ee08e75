"""What a head sees, by the room: sources in the octants of a patient, projected through gantry axes alone."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

from daq.errors import RefusedError
from daq.model.geometry import Laterality, PatientOrientation, View, gantry_to_lps
from daq.model.orientation import (
    VIEW_CODES,
    Code,
    aspect_at,
    aspect_of,
    breast_aspect,
    lying,
    nearest_view,
    orientation_table,
    seen,
    view_check,
    views_check,
)

ORIENTATIONS = tuple(PatientOrientation)
OCTANTS = tuple(product((-1.0, 1.0), repeat=3))


def on_picture(lps: tuple[float, float, float], gantry_deg: float, orientation: PatientOrientation) -> np.ndarray:
    """Return x to the right and y up of a source on the picture of a head, by gantry axes: x right, y down, z inwards.

    The detector's own picture has y into the gantry, and is turned by half a turn where the feet go in first.
    """
    x, y, z = gantry_to_lps(orientation).T @ np.asarray(lps)
    angle = np.radians(gantry_deg)
    towards = np.array([np.sin(angle), np.cos(angle)])  # 0 is below the table, 90 at the observer's right
    right = np.array([-towards[1], towards[0]])
    as_built = np.array([right @ (x, y), z])
    return as_built if orientation.startswith("H") else -as_built


@pytest.mark.parametrize("gantry_deg", [0, 37, 90, 135, 180, 225, 270, 315])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_source_in_each_octant_is_where_the_table_says(orientation: PatientOrientation, gantry_deg: int) -> None:
    aspect = aspect_of(gantry_deg, orientation)
    by_table = [(np.dot(aspect.right, octant), -np.dot(aspect.down, octant)) for octant in OCTANTS]

    by_room = [on_picture(octant, gantry_deg, orientation) for octant in OCTANTS]

    assert np.asarray(by_table) == pytest.approx(np.asarray(by_room))


@pytest.mark.parametrize("gantry_deg", [0, 45, 90, 180, 200])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_head_is_up_however_the_patient_lies(orientation: PatientOrientation, gantry_deg: int) -> None:
    letters = aspect_of(gantry_deg, orientation).letters

    assert (letters.top, letters.bottom) == ("H", "F")


@pytest.mark.parametrize(
    ("view", "left", "right"),
    [
        (View.ANT, "R", "L"), (View.POST, "L", "R"), (View.LLAT, "A", "P"), (View.RLAT, "P", "A"),
        (View.LAO, "RA", "LP"), (View.RAO, "RP", "LA"), (View.LPO, "LA", "RP"), (View.RPO, "LP", "RA"),
    ],
)  # fmt: skip
def test_left_and_right_of_each_view_are_named_by_the_side_of_the_patient(view: View, left: str, right: str) -> None:
    aspect = seen(None, view)

    assert aspect is not None
    assert (aspect.view, aspect.letters.left, aspect.letters.right) == (view, left, right)


def test_small_tilts_name_one_side_and_the_larger_part_comes_first() -> None:
    assert aspect_at(175.0).letters.right == "L"
    assert aspect_at(150.0).letters.right == "LP"
    assert aspect_at(120.0).letters.right == "PL"


def test_the_whole_table_turns_without_mirroring_and_has_no_other_letters() -> None:
    rows = list(orientation_table())

    assert len(rows) == 64
    for _, _, aspect in rows:
        assert np.cross(aspect.right, -np.asarray(aspect.down)) == pytest.approx(aspect.towards)
        assert np.linalg.norm(aspect.towards) == pytest.approx(1.0)
    assert {row[2].view for row in rows} == set(View) - {View.CC, View.MLO}


def test_feet_first_and_prone_each_turn_front_and_sides_as_in_the_room() -> None:
    above = {orientation: aspect_of(180.0, orientation).view for orientation in ORIENTATIONS}
    at_right = {orientation: aspect_of(90.0, orientation).view for orientation in ORIENTATIONS}

    assert above == {
        "HFS": View.ANT, "HFP": View.POST, "HFDL": View.RLAT, "HFDR": View.LLAT,
        "FFS": View.ANT, "FFP": View.POST, "FFDL": View.RLAT, "FFDR": View.LLAT,
    }  # fmt: skip
    assert at_right == {
        "HFS": View.LLAT, "HFP": View.RLAT, "HFDL": View.ANT, "HFDR": View.POST,
        "FFS": View.RLAT, "FFP": View.LLAT, "FFDL": View.POST, "FFDR": View.ANT,
    }  # fmt: skip


@pytest.mark.parametrize(("angle_deg", "view"), [(0, "POST"), (359, "POST"), (22.5, "POST"), (23, "LPO"), (140, "LAO")])
def test_an_angle_without_a_name_gets_that_of_the_nearest_view(angle_deg: float, view: str) -> None:
    assert nearest_view(angle_deg) == view


def test_a_view_that_the_geometry_contradicts_is_refused_in_words() -> None:
    said = view_check(View.ANT, head="front", gantry_deg=180.0, orientation=PatientOrientation.HFP)

    assert said == (
        "head front stands at 180 deg of the gantry; a patient head first, prone (HFP) faces it with POST (0 deg), "
        "not with ANT"
    )


@pytest.mark.parametrize(
    ("view", "gantry_deg", "agrees"),
    [
        (View.ANT, 180.0, True), (View.ANT, 165.0, True), (View.ANT, 164.0, False), (View.ANT, 540.0, True),
        (View.LAO, 150.0, True), (View.LAO, 110.0, True), (View.LAO, 180.0, False), (View.LAO, 90.0, False),
        (View.RAO, 135.0, False), (View.CC, 77.0, True),
    ],
)  # fmt: skip
def test_obliques_have_room_and_cardinal_views_little(view: View, gantry_deg: float, agrees: bool) -> None:
    said = view_check(view, head="front", gantry_deg=gantry_deg, orientation=PatientOrientation.HFS)

    assert (said is None) is agrees


def test_each_head_is_checked_with_its_own_view() -> None:
    heads = [("front", 180.0), ("back", 0.0)]

    assert views_check((View.ANT, View.POST), heads, PatientOrientation.FFS) == ()
    assert [said.split(";")[0] for said in views_check((View.ANT, View.ANT), heads, PatientOrientation.FFS)] == [
        "head back stands at 0 deg of the gantry"
    ]
    assert views_check((View.ANT,), heads, PatientOrientation.HFS) == ()


def test_a_breast_view_needs_its_side_and_shows_the_arm_pit_up() -> None:
    with pytest.raises(RefusedError, match="laterality"):
        seen(None, View.MLO)

    left, right = (breast_aspect(View.MLO, side).letters for side in (Laterality.LEFT, Laterality.RIGHT))
    below = breast_aspect(View.CC, Laterality.LEFT).letters

    assert (left.left, left.right, left.top, left.bottom) == ("A", "P", "LH", "RF")
    assert (right.left, right.right, right.top, right.bottom) == ("P", "A", "RH", "LF")
    assert (below.left, below.right, below.top, below.bottom) == ("R", "L", "A", "P")


def test_nothing_known_is_nothing_said() -> None:
    assert seen(None, None) is None


def coded(context: int) -> set[tuple[str, str]]:
    groups = cid_concepts[context]
    return {
        (scheme, value)
        for scheme, names in groups.items()
        for name in names
        for value, (_, used_in) in concepts[scheme][name].items()
        if context in used_in
    }


def held(code: Code, context: int) -> bool:
    return (code.scheme, code.value) in coded(context)


def test_every_code_is_of_its_context_group() -> None:
    of_breast = VIEW_CODES[View.CC]

    assert held(of_breast, 4014)
    assert all(held(code, 26) for code in VIEW_CODES.values() if code is not of_breast)
    for orientation in ORIENTATIONS:
        words = lying(orientation)
        assert held(words.orientation, 19)
        assert held(words.modifier, 20)
        assert held(words.gantry, 21)


def test_words_and_codes_say_the_same() -> None:
    assert [lying(orientation).words for orientation in ("HFS", "FFP", "HFDR", "FFDL")] == [
        "head first, supine", "feet first, prone", "head first, on the right side", "feet first, on the left side",
    ]  # fmt: skip
    assert lying(PatientOrientation.FFDL).modifier.meaning == "left lateral decubitus"
