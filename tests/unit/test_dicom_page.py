"""The page on DICOM holds the table of orientations and names the attributes that are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from daq.model.geometry import VIEW_ANGLE_DEG, PatientOrientation
from daq.model.orientation import CARDINAL_DEG, OBLIQUE_DEG, lying, orientation_table, seen
from daq.storage.dicomkinds import EXPOSURE_ELEMENT, PRIVATE_CREATOR, PRIVATE_GROUP

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "dicom.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("orientation", PatientOrientation)
def test_the_page_says_what_heads_see_of_a_patient_who_lies_so(orientation: PatientOrientation) -> None:
    said = lying(orientation)
    views = [str(aspect.view) for lies, _, aspect in orientation_table() if lies is orientation]

    row = " | ".join((str(orientation), f"{said.gantry.meaning}, {said.modifier.meaning}", *views))

    assert f"| {row} |\n" in PAGE


@pytest.mark.parametrize("view", VIEW_ANGLE_DEG)
def test_the_page_says_which_side_is_where(view: str) -> None:
    aspect = next(aspect for _, _, aspect in orientation_table() if aspect.view == view)
    same = seen(None, aspect.view)

    letters, code = aspect.letters, aspect.code

    assert same is not None
    assert same.letters == letters
    assert f"| {view} | {letters.left} | {letters.right} | {code.value} {code.meaning} |\n" in PAGE


def test_the_page_says_how_far_off_a_view_may_be_and_where_exposures_are() -> None:
    assert f"may be {CARDINAL_DEG:g} degrees off, obliques {OBLIQUE_DEG:g}" in PAGE
    assert f"private block `{PRIVATE_CREATOR}`, ({PRIVATE_GROUP:04x},xx{EXPOSURE_ELEMENT:02d}) FL" in PAGE
