"""Where the gantry was is not recorded: no letter, view or place is claimed by pictures, DICOM or the verdict."""

from __future__ import annotations

import numpy as np
import pytest
import support_framed
from support_framing import Marks, S, framed, rows_of, setup, step

from daq.composition.sheet import contact_sheet
from daq.composition.sheetviews import letters_of, view_text
from daq.errors import RefusedError
from daq.model.framed import Framed
from daq.model.geometry import Laterality, View
from daq.model.protocol import Image
from daq.model.verdict import Grade
from daq.qc.studysteps import faced
from daq.storage.dicom import dicom_of

ROWS = rows_of(np.arange(1000) * (S // 500), head=np.arange(1000) % 2)
AP = (View.ANT, View.POST)


def static(*, gantry_deg: float | None, turns: bool = True, views: tuple[View, ...] = AP, **said: object) -> Framed:
    """Return a view of two heads at 180 and 0 degrees of a gantry that was told to be somewhere, or not."""
    marks = Marks()
    for axis, at in (("gantry", gantry_deg), ("bed", 0.0), ("front_radius", 150.0), ("back_radius", 150.0)):
        if at is not None:
            marks.add("position", 0, axis, value2=at)
    (found,) = framed(setup(step(views=views, **said), turns=turns), marks.step("a step", 0, 2 * S), ROWS)
    return found


def test_nothing_is_claimed_of_what_heads_of_a_turning_gantry_faced() -> None:
    one = static(gantry_deg=None)
    made = dicom_of(one, support_framed.manifest())

    assert [(head.angle_deg, head.view) for head in one.heads] == [(None, None), (None, None)]
    assert {letters_of(one, place) for place in (0, 1)} == {("", "", "", "")}
    assert view_text(one, one.heads[0]) == "view not known (gantry angle not recorded)"
    assert one.notes[0] == (
        "head front: gantry angle not recorded, so what it faced is not known; the protocol asks for ANT"
    )
    for item in made.DetectorInformationSequence:
        assert (item.ImageOrientationPatient, item.ImagePositionPatient) == (None, None)
        assert "StartAngle" not in item
        assert "ViewCodeSequence" not in item
    assert "gantry angle not recorded" in made.ImageComments
    assert [(check.name, check.grade) for check in faced(one)] == [("view", Grade.DOUBTFUL)] * 2


@pytest.mark.parametrize("turns", [True, False])
def test_a_gantry_that_was_told_and_heads_that_nothing_turns_face_what_they_do(turns: bool) -> None:
    one = static(gantry_deg=0.0 if turns else None, turns=turns)

    assert [(head.angle_deg, head.view, head.doubt) for head in one.heads] == [
        (180.0, View.ANT, ""), (0.0, View.POST, ""),
    ]  # fmt: skip
    assert letters_of(one, 0) == ("R", "L", "H", "F")
    assert list(faced(one)) == []


def test_a_view_that_the_gantry_contradicts_is_not_that_view() -> None:
    one = static(gantry_deg=90.0)

    assert [head.view for head in one.heads] == [View.RLAT, View.LLAT]
    assert letters_of(one, 0) == ("P", "A", "H", "F")
    assert [check.grade for check in faced(one)] == [Grade.BAD] * 2
    assert "faces it with RLAT (270 deg), not with ANT" in one.notes[0]


def test_a_head_that_was_put_by_hand_faces_what_the_protocol_says() -> None:
    one = static(gantry_deg=None, turns=False, views=(View.LLAT,))

    assert (one.heads[0].angle_deg, one.heads[0].view, letters_of(one, 0)) == (None, View.LLAT, ("A", "P", "H", "F"))
    assert "put by hand where the protocol says" in one.notes[0]


def test_a_breast_view_needs_no_gantry() -> None:
    one = static(gantry_deg=None, views=(View.CC,), laterality=Laterality.LEFT)

    assert (one.heads[0].view, one.heads[0].doubt) == (View.CC, "")
    assert letters_of(one, 0) == ("R", "L", "A", "P")


def test_of_a_breast_the_gantry_tells_nothing_of_what_another_head_sees() -> None:
    one = static(gantry_deg=0.0, views=(View.CC,), laterality=Laterality.RIGHT)

    assert [(head.view, head.angle_deg, head.doubt) for head in one.heads][1] == (None, None, "")
    assert (letters_of(one, 1), view_text(one, one.heads[1])) == (("", "", "", ""), "right")
    assert "ViewCodeSequence" not in dicom_of(one, support_framed.manifest()).DetectorInformationSequence[1]


def test_a_rotation_that_began_nobody_knows_where_has_no_angles_and_is_refused_by_name() -> None:
    steps, marks = [], Marks()
    for number in range(4):
        name = f"SPECT {number + 1}/4"
        steps.append(step(name, "spect", positions={"gantry": 6.0 * number}, image=Image(64, 64, 1.0)))
        marks.step(name, number * S // 2, (number + 1) * S // 2 - 1)
    (one,) = framed(setup(*steps, turns=True), marks, ROWS)

    sheet = contact_sheet([one], support_framed.manifest())

    assert sheet.width > 0
    with pytest.raises(RefusedError, match="Start Angle"):
        dicom_of(one, support_framed.manifest())
