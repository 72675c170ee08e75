from __future__ import annotations

from pathlib import Path

import pytest
from support_catalogue import identity, recording
from support_cli import call

from daq.model.study import StudyReference

BONE = StudyReference.new(bytes(range(16)), label="three-phase")
NODE = StudyReference.new(bytes(16))


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    place = tmp_path / "storage"
    recording(place, 1, study=BONE.model_dump(mode="json"), patient_reference="p-" + "a" * 26)
    recording(place, 2, study=NODE.model_dump(mode="json"))
    late = BONE.model_copy(update={"session": 2}).model_dump(mode="json")
    recording(place, 3, study=late, protocol={"id": "bone-late", "steps": 1})
    recording(place, 4)
    recording(place, 5, study={"key": "a name instead"})
    call("catalogue", "rebuild", "--storage", place)
    return place


def test_studies_are_listed_with_their_sessions_the_newest_first(storage: Path) -> None:
    told = call("study", "list", "--storage", storage, "--json").json["studies"]
    assert [(study["study"], study["sessions"]) for study in told] == [(BONE.key, [1, 2]), (NODE.key, [1])]
    assert told[0]["patient_key"] == "p-" + "a" * 26
    text = call("study", "list", "--storage", storage).out
    assert "flood, bone-late" in text
    assert "three-phase" in text


def test_the_acquisitions_of_one_study_come_in_order_of_time(storage: Path) -> None:
    lines = call("study", "list", BONE.key, "--storage", storage).out.splitlines()[2:]
    assert [line.split()[3] for line in lines] == [identity(1), identity(3)]
    rows = call("catalogue", "list", "--study", BONE.key, "--storage", storage, "--json").json
    assert rows["total"] == 2


def test_a_study_that_is_not_there_is_missing_and_another_text_is_refused(storage: Path) -> None:
    assert call("study", "list", "s-" + "b" * 26, "--storage", storage).code == 4
    assert call("study", "list", "Mustermann", "--storage", storage).code == 3
