"""The verdict on a study of several sessions: the worst of them, and which one is still wanted, or was wanted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support_catalogue import identity, recording
from support_cli import call
from support_protocols import planar
from support_study import protocol

from daq.model.administration import AdministrationRecord
from daq.model.study import StudyReference
from daq.model.verdict import Grade
from daq.qc.studywhole import Part, whole
from daq.storage.patientfile import new_administration_key, write_administration

LATE_STEP = """
[[steps]]
name = "late"
view = "ANT"
session = 2
after_injection = ["2 h", "5 h"]
stop.time = "10 s"
"""
TEXT = planar().replace("[instrument]", '[requirements]\nadministration = "may_follow"\n\n[instrument]') + LATE_STEP
TWO = protocol(TEXT)
AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FIRST = Part("first", TWO.id, 1, Grade.GOOD)
LATE = Part("late", TWO.id, 2, Grade.DOUBTFUL, ("it began late",))
STUDY = StudyReference.new(bytes(range(16)))


def test_the_grade_of_a_study_is_the_worst_of_its_sessions() -> None:
    told = whole([FIRST, LATE], [TWO], AT, AT)

    assert told.grade is Grade.DOUBTFUL
    assert told.sentences == ("late: doubtful: it began late",)
    assert whole([FIRST, Part("late", TWO.id, 2, None, ("why",))], [TWO], AT, AT).grade is Grade.NOT_EVALUABLE


def test_what_was_taken_again_is_told_and_counts_no_more() -> None:
    parts = [Part("bad", TWO.id, 1, Grade.BAD, ("bed slipped",)), Part("good", TWO.id, 1, Grade.GOOD, (), "bad"),
             Part("late", TWO.id, 2, Grade.GOOD)]  # fmt: skip
    told = whole(parts, [TWO], AT, AT)

    assert told.grade is Grade.GOOD
    assert told.checks[0].text == "bad, taken again by good, which counts"


@pytest.mark.parametrize(
    ("after_h", "grade", "says"),
    [
        (1.0, Grade.NOT_EVALUABLE, "60.0 min to go"), (4.5, Grade.NOT_EVALUABLE, "it is time now, 30.0 min left"),
        (8.0, Grade.BAD, "that was over 3.00 h ago"),
    ],
)  # fmt: skip
def test_a_session_that_is_missing_is_awaited_until_its_time_is_over(after_h: float, grade: Grade, says: str) -> None:
    told = whole([FIRST], [TWO], AT, AT + timedelta(hours=after_h))

    (sentence,) = told.sentences
    assert told.grade is grade
    assert sentence.startswith(f"session 2 of {TWO.id} (late) is missing: wanted 2.00 h to 5.00 h after the injection")
    assert sentence.endswith(says)


def test_without_an_injection_nobody_can_tell_when_it_is_wanted() -> None:
    told = whole([FIRST], [TWO], None, AT)

    assert (told.grade, told.sentences[0].endswith("whose time nobody noted")) == (Grade.NOT_EVALUABLE, True)


def test_a_study_is_shown_by_its_key_or_its_directories_and_listed_with_its_grade(tmp_path: Path) -> None:
    place = tmp_path / "storage"
    told = {"id": TWO.id, "toml": TEXT, "steps": 2}
    first = recording(place, 1, study=STUDY.model_dump(mode="json"), protocol=told)
    (first / "images").mkdir()
    (first / "images" / "verdict.json").write_text(json.dumps({"grade": "good", "sentences": []}))
    given = {"nuclide": "Tc-99m", "agent": "HDP", "lot": "L1", "assayed_mbq": 600.0, "operator": "tech",
             "route": "intravenous", "assayed_at": "2026-11-01T08:00:00+00:00",
             "injected_at": "2026-11-01T09:00:00+00:00", "key": new_administration_key()}  # fmt: skip
    write_administration(first, AdministrationRecord.from_json(given))
    call("catalogue", "rebuild", "--storage", place)

    by_key = call("study", "show", STUDY.key, "--storage", place)
    listed = call("study", "list", "--storage", place, "--json").json["studies"][0]

    assert by_key.code == 6
    assert by_key.out.splitlines()[0] == f"study {STUDY.key}: bad"
    assert "session 2" in by_key.out
    assert "that was over" in by_key.out
    assert (listed["grade"], len(listed["missing"])) == ("bad", 1)
    assert "bad; 1 missing" in call("study", "list", "--storage", place).out

    late = STUDY.model_copy(update={"session": 2}).model_dump(mode="json")
    second = recording(place, 2, study=late, protocol=told)
    both = call("study", "show", first, second, first, "--json").json
    assert [(one["acquisition"], one["session"], one["grade"]) for one in both["acquisitions"]] == [
        (identity(1), 1, "good"), (identity(2), 2, None),
    ]  # fmt: skip
    assert both["grade"] == "not evaluable"
    other = recording(place, 3, study=StudyReference.new(bytes(16)).model_dump(mode="json"))
    assert "of different studies" in call("study", "show", first, other).err
    assert call("study", "show", STUDY.key, first).code == 2
