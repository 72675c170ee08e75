"""What people correct after an acquisition: marks, labels, sides, whose data it is; two persons, and notes in DICOM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from support_framed import KINDS, manifest

from daq.errors import AccessError, FormatError
from daq.gateway.idempotency import of_command
from daq.gateway.seconds import WITHIN_S, Seconds
from daq.model.framed import Framed
from daq.model.geometry import Laterality
from daq.model.patient import PatientIdentity
from daq.model.station import Actor, Role
from daq.storage.dicom import StudyPapers, write_dicom
from daq.storage.dicomrejected import write_notes
from daq.storage.patientfile import Correction, Patient, read_patient, write_patient
from daq.storage.remarked import remarked, said_of
from daq.storage.remarks import REMARKS_FILE, Remark, add_remark

ANNA = Actor("anna", "console", Role.TECHNOLOGIST)
AT = "2020-01-01T10:00:00Z"


def made(directory: Path, folder: Path, patient: Patient | None = None) -> tuple[Framed, list[Path]]:
    """Write the one series of a recording as it is remarked, and its notes; return it and the notes."""
    folder.mkdir(parents=True)
    one = remarked([KINDS["static"]()], directory)[0]
    files = write_dicom(folder / "01-view.dcm", one, manifest(), StudyPapers(patient))
    return one, write_notes(folder, [(one, file) for file in files], directory, directory / "images")


def titles(notes: list[Path]) -> list[tuple[str, int]]:
    """Return of each note its title and how many images it names."""
    read = [dcmread(note) for note in notes]
    return [
        (note.ConceptNameCodeSequence[0].CodeMeaning, sum(item.ValueType == "IMAGE" for item in note.ContentSequence))
        for note in read
    ]


def test_what_is_not_for_diagnosis_says_so_in_every_object_and_a_note_rejects_what_was_sent(tmp_path: Path) -> None:
    _, none = made(tmp_path, tmp_path / "images")
    assert none == []
    add_remark(tmp_path, Remark("not-for-diagnosis", "moved: Mrs X", "anna", AT, step=1))
    one, notes = made(tmp_path, tmp_path / "new")
    assert one.not_for_diagnosis
    assert titles(notes) == [("Rejected for Quality Reasons", 2)]  # what was made before, and what is now
    note = dcmread(notes[0])
    assert "moved: Mrs X" in str(note.ContentSequence)
    assert notes[0].stat().st_mode & 0o777 == 0o600
    was, now = (dcmread(next((tmp_path / each).glob("01-*.dcm"))) for each in ("images", "new"))
    assert was.SOPInstanceUID != now.SOPInstanceUID
    assert was.SeriesInstanceUID != now.SeriesInstanceUID
    assert was.StudyInstanceUID == now.StudyInstanceUID == note.StudyInstanceUID
    assert "NOT FOR DIAGNOSIS" in now.SeriesDescription
    assert "NOT FOR DIAGNOSIS" in now.ImageComments
    assert "Mrs X" not in str(now) + " ".join(said_of(tmp_path))


def test_a_corrected_label_and_side_are_in_new_objects_and_the_old_ones_are_rejected(tmp_path: Path) -> None:
    before, _ = made(tmp_path, tmp_path / "images")
    add_remark(tmp_path, Remark("label", "left it was", "anna", AT, step=1, value="Left knee", old="Right knee"))
    add_remark(tmp_path, Remark("side", "left it was", "anna", AT, step=1, value="L", old="R"))
    one, notes = made(tmp_path, tmp_path / "new")
    assert (one.label, one.laterality) == ("Left knee", Laterality.LEFT)
    assert (one.counts == before.counts).all()
    assert titles(notes) == [("Rejected for Patient Safety Reasons", 1)]
    assert "Left knee" in dcmread(next((tmp_path / "new").glob("01-*.dcm"))).SeriesDescription
    other = replace(KINDS["static"](), steps=(2,))
    assert remarked([other], tmp_path) == [other]
    (tmp_path / REMARKS_FILE).write_bytes((tmp_path / REMARKS_FILE).read_bytes().replace(b"Left", b"Last", 1))
    with pytest.raises(FormatError, match="was changed"):
        remarked([other], tmp_path)


def test_that_an_acquisition_counts_rejects_none_of_its_images_and_changes_none(tmp_path: Path) -> None:
    made(tmp_path, tmp_path / "images")
    add_remark(tmp_path, Remark("counts", "chosen of two takings", "anna", AT, value=AT))
    _, notes = made(tmp_path, tmp_path / "new")
    assert notes == []
    was, now = (dcmread(next((tmp_path / each).glob("01-*.dcm"))) for each in ("images", "new"))
    assert (was.SeriesInstanceUID, was.SOPInstanceUID) == (now.SeriesInstanceUID, now.SOPInstanceUID)
    assert said_of(tmp_path) == ["Of views taken twice this one counts: said by anna on 2020-01-01"]


def test_a_study_of_another_patient_is_another_study_for_dicom_and_a_note_of_the_first_rejects_it(
    tmp_path: Path,
) -> None:
    wrong, right = (PatientIdentity(name=f"SIM^{name}", patient_id=f"SIM-{name}") for name in ("Wrong", "Right"))
    patient = Patient.new(wrong, ANNA)
    write_patient(tmp_path, patient)
    made(tmp_path, tmp_path / "images", patient)
    write_patient(tmp_path, patient.given_to(right, Correction(wrong, AT, "anna", "wrong row", "bert")))
    given = read_patient(tmp_path)
    assert (given.identity, given.reassigned, given.to_countersign) == (right, 1, False)
    assert given.corrections[0].before == wrong
    _, notes = made(tmp_path, tmp_path / "new", given)
    assert titles(notes) == [("Incorrect Modality Worklist Entry", 1)]
    note, now = dcmread(notes[0]), dcmread(next((tmp_path / "new").glob("01-*.dcm")))
    assert (note.PatientID, now.PatientID) == ("SIM-Wrong", "SIM-Right")
    assert note.StudyInstanceUID != now.StudyInstanceUID


def test_a_second_signature_is_good_once_for_a_while_for_what_was_signed_and_for_the_session_that_asked() -> None:
    now = [0.0]
    seconds = Seconds(lambda: now[0])
    assert seconds.take("s1", None, "this") == ""
    token = seconds.begin("s1", "bert", "this")
    assert seconds.take("s1", token, "this") == "bert"
    for session, made_s, asked_s in (("s1", None, 0.0), ("s2", 0.0, 1.0), ("s1", 0.0, WITHIN_S + 1)):
        if made_s is not None:
            now[0] = made_s
            token = seconds.begin("s1", "bert", "this")
        now[0] = asked_s
        with pytest.raises(AccessError, match="older than 2 min, or was used"):
            seconds.take(session, token, "this")
    now[0] = 0.0
    token = seconds.begin("s1", "bert", of_command("study-reassign", {"study": "a"}))
    with pytest.raises(AccessError, match="bert signed for something else"):
        seconds.take("s1", token, of_command("study-reassign", {"study": "b"}))
