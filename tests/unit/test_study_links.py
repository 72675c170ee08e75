"""Which study an acquisition belongs to, and what it takes over from the ones before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support_catalogue import identity, recording
from support_protocols import planar
from support_study import protocol

from daq.composition.studies import linked
from daq.errors import MissingError, RefusedError
from daq.model.administration import AdministrationRecord
from daq.model.patient import PatientIdentity
from daq.model.station import Actor, Role
from daq.model.study import StudyReference
from daq.model.verbs import Prepare
from daq.services.acquisition.papers import Papers
from daq.services.catalogue.database import Database
from daq.services.catalogue.entry import Filter
from daq.services.catalogue.rebuild import rebuild
from daq.storage.patientfile import Patient, new_administration_key, write_administration, write_patient

TECH = Actor("tech", "local", Role.TECHNOLOGIST)
STUDY = StudyReference.new(bytes(range(16)), label="three-phase")
WHO: dict[str, Any] = {"name": "Mustermann^Erika", "patient_id": "PID-4711"}
ASSAYED = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
GIVEN: dict[str, Any] = {
    "nuclide": "Tc-99m", "agent": "HDP", "lot": "L1", "assayed_mbq": 600.0, "assayed_at": ASSAYED,
    "operator": "tech", "route": "intravenous",
}  # fmt: skip
FIRST = identity(1)


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    place = tmp_path / "storage"
    kept = recording(place, 1, study=STUDY.model_dump(mode="json"))
    write_patient(kept, Patient.new(PatientIdentity(**WHO), TECH))
    write_administration(kept, AdministrationRecord.from_json({"key": new_administration_key(), **GIVEN}))
    recording(place, 2, study=StudyReference.new(bytes(16)).model_dump(mode="json"))
    recording(place, 3)
    return place


async def link(storage: Path, text: str | None = None, **asked: Any):
    database = Database(storage / "catalogue.sqlite")
    rebuild(database, storage)

    async def find(wanted: Filter):
        return database.find(wanted)

    try:
        return await linked(storage, find, Prepare(protocol="mine", **asked), protocol(text or planar()))
    finally:
        database.close()


async def test_an_acquisition_of_no_study_begins_one(storage: Path) -> None:
    made = await link(storage, label="knees", patient_orientation="FFS")
    assert made.reference.key not in (STUDY.key, "")
    assert (made.reference.label, made.reference.patient_orientation, made.reference.session) == ("knees", "FFS", 1)
    assert made.patient is None


@pytest.mark.parametrize("named", [STUDY.key, FIRST])
async def test_a_later_session_has_key_patient_and_administration_of_the_first(storage: Path, named: str) -> None:
    made = await link(storage, study=named, session=2)
    assert (made.reference.key, made.reference.session) == (STUDY.key, 2)
    assert made.patient is not None
    record = made.completed(Prepare(protocol="mine")).administration
    assert record is not None
    assert record["key"].startswith("a-")

    papers = Papers(storage / "state", "run-2", storage / "run-2")
    papers.take(None, record, TECH, made.patient)
    assert papers.patient is not None
    assert papers.administration is not None
    assert papers.patient.ref == made.patient.ref
    assert papers.administration.key == record["key"]


async def test_a_record_that_is_given_goes_before_that_of_the_study(storage: Path) -> None:
    made = await link(storage, study=FIRST)
    given = Prepare(protocol="mine", administration={**GIVEN, "lot": "L2"})
    assert made.completed(given) is given


async def test_a_later_session_needs_a_study(storage: Path) -> None:
    with pytest.raises(RefusedError, match="session 2 belongs to a study that has begun"):
        await link(storage, session=2)


async def test_what_is_repeated_or_continued_stays_in_its_study(storage: Path) -> None:
    repeated = await link(storage, repeats=FIRST)
    assert (repeated.reference.key, repeated.reference.repeats) == (STUDY.key, FIRST)
    assert (await link(storage, continues=FIRST)).reference.key == STUDY.key


async def test_a_patient_who_has_not_moved_keeps_study_orientation_and_frame_of_reference(storage: Path) -> None:
    second = (await link(storage, same_position_as=FIRST)).reference
    recording(storage, 4, study=second.model_dump(mode="json"))
    third = (await link(storage, same_position_as=identity(4))).reference

    assert (second.key, second.patient_orientation) == (STUDY.key, "HFS")
    assert [second.position_uid_of, third.position_uid_of] == [FIRST, FIRST]


async def test_the_frame_of_reference_of_a_ct_holds_for_all_that_follow_in_the_same_position(storage: Path) -> None:
    confirmed = {"name": "CT", "record": {"frame_of_reference_uid": "1.2.3"}}
    step = {"number": 1, "name": "SPECT", "begin_ps": 0, "hand_overs": [confirmed]}
    recording(storage, 1, study=STUDY.model_dump(mode="json"), steps=[step])

    second = (await link(storage, same_position_as=FIRST)).reference
    recording(storage, 4, study=second.model_dump(mode="json"))

    assert (await link(storage, same_position_as=identity(4))).reference.frame_of_reference_uid == "1.2.3"


async def test_nobody_lies_as_before_who_lies_in_another_way_or_got_up_for_somebody_else(storage: Path) -> None:
    with pytest.raises(RefusedError, match="was acquired HFS, this would be HFP: that is not the same position"):
        await link(storage, same_position_as=FIRST, patient_orientation="HFP")
    with pytest.raises(RefusedError, match="are of different studies"):
        await link(storage, study=STUDY.key, same_position_as=identity(2))
    with pytest.raises(RefusedError, match="belongs to no study"):
        await link(storage, same_position_as=identity(3))
    other = StudyReference.new(b"another patients")
    recording(storage, 5, day=2, study=other.model_dump(mode="json"), patient_reference="p-" + "b" * 26)
    with pytest.raises(RefusedError, match="another patient was acquired since"):
        await link(storage, same_position_as=FIRST)


async def test_two_studies_at_once_are_refused(storage: Path) -> None:
    with pytest.raises(RefusedError, match="are of different studies"):
        await link(storage, study=STUDY.key, repeats=identity(2))


async def test_a_continued_acquisition_keeps_the_way_the_patient_lies(storage: Path) -> None:
    with pytest.raises(RefusedError, match="was acquired HFS, this would be FFP"):
        await link(storage, continues=FIRST, patient_orientation="FFP")


@pytest.mark.parametrize("named", ["20260101T000000Z-000000", "s-" + "b" * 26, "../../etc"])
async def test_a_study_that_is_not_there_is_missing(storage: Path, named: str) -> None:
    with pytest.raises(MissingError):
        await link(storage, study=named)


async def test_a_recording_older_than_studies_belongs_to_none(storage: Path) -> None:
    with pytest.raises(RefusedError, match="belongs to no study"):
        await link(storage, study=identity(3))
    assert (await link(storage, continues=identity(3))).reference.key


async def test_another_patient_in_the_same_study_is_refused_without_a_name(storage: Path) -> None:
    earlier = (await link(storage, study=FIRST)).patient
    papers = Papers(storage / "state", "run-2", storage / "run-2")
    with pytest.raises(RefusedError, match="another patient, or another study") as why:
        papers.take({"name": "Doe^John", "patient_id": "PID-9"}, None, TECH, earlier)
    assert "Doe" not in str(why.value)
    papers.take({"name": "Doe^John", "patient_id": "SIM-1", "temporary": True}, None, TECH, earlier)
    assert papers.patient is not None
    assert earlier is not None
    assert papers.patient.ref == earlier.ref
