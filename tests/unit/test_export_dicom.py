"""`daq listmode export --to dicom`: the series of a recording as files, all or none, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from support_cli import call
from support_recorded_view import ROWS, recording

from daq.model.patient import PatientIdentity, PatientRef
from daq.model.station import Actor
from daq.storage.patientfile import Patient, write_patient


def test_each_series_is_a_file_in_a_new_folder_that_its_owner_alone_may_read(tmp_path: Path) -> None:
    directory = recording(tmp_path)

    done = call("listmode", "export", directory, "--to", "dicom", "--out", tmp_path / "out", "--json")

    assert done.code == 0, done.err
    (told,) = done.json["objects"]
    read = pydicom.dcmread(told["file"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["01-spots.dcm"]
    assert ((tmp_path / "out").stat().st_mode & 0o777, Path(told["file"]).stat().st_mode & 0o777) == (0o700, 0o600)
    assert (told["kind"], told["frames"], told["counts"], told["steps"]) == ("STATIC", 4, ROWS, [1])
    assert (read.SOPInstanceUID, read.NumberOfFrames, read.pixel_array.sum()) == (told["sop_instance_uid"], 4, ROWS)
    assert [item.ViewCodeSequence[0].CodeMeaning for item in read.DetectorInformationSequence] == [
        "Anterior projection", "Posterior projection",
    ]  # fmt: skip


def test_the_patient_of_the_recording_is_that_of_the_objects(tmp_path: Path) -> None:
    directory = recording(tmp_path)
    identity = PatientIdentity(name="NOBODY^REAL", patient_id="77")
    write_patient(directory, Patient.new(identity, Actor("anna", "test"), PatientRef("p-" + "a" * 26)))

    done = call("listmode", "export", directory, "--to", "dicom", "--out", tmp_path / "out")

    assert done.code == 0, done.err
    assert "NOBODY" not in done.out + done.err
    assert pydicom.dcmread(tmp_path / "out" / "01-spots.dcm").PatientID == "SIM-77"


def test_the_same_recording_gives_the_same_objects(tmp_path: Path) -> None:
    directory = recording(tmp_path)
    for out in ("one", "two"):
        assert call("listmode", "export", directory, "--to", "dicom", "--out", tmp_path / out).code == 0

    one, two = ((tmp_path / out / "01-spots.dcm").read_bytes() for out in ("one", "two"))

    assert one == two


def test_without_a_map_no_event_has_a_weight(tmp_path: Path) -> None:
    directory = recording(tmp_path)

    done = call("listmode", "export", directory, "--to", "dicom", "--out", tmp_path / "out", "--uniformity")

    assert (done.code, "no uniformity map was recorded" in done.err) == (4, True), done.err
    assert not (tmp_path / "out").exists()


def test_too_many_counts_for_a_pixel_are_refused_by_name_and_nothing_is_left(tmp_path: Path) -> None:
    directory = recording(tmp_path, heaped=300_000)
    options = ("listmode", "export", directory, "--to", "dicom", "--out", tmp_path / "out")

    refused, divided = call(*options), call(*options, "--divide")

    assert (refused.code, "Pixel Data (7FE0,0010)" in refused.err) == (3, True), refused.err
    assert divided.code == 0, divided.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]
    assert pydicom.dcmread(tmp_path / "out" / "01-spots.dcm").ImageType[0] == "DERIVED"


@pytest.mark.parametrize(("options", "code", "words"), [
    (("--to", "dicom", "--stream", "marks"), 2, "dicom is made of singles"),
    (("--to", "dicom", "--step", "7"), 4, "no series with step 7"),
    (("--to", "arrow", "--divide"), 2, "--divide and --uniformity are of pictures"),
])  # fmt: skip
def test_what_cannot_be_is_said(tmp_path: Path, options: tuple[str, ...], code: int, words: str) -> None:
    directory = recording(tmp_path)

    done = call("listmode", "export", directory, *options, "--out", tmp_path / "out")

    assert (done.code, words in done.err) == (code, True), done.err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_open_recording_and_a_folder_that_is_there_are_refused(tmp_path: Path) -> None:
    sealed, unsealed = recording(tmp_path), recording(tmp_path / "b", state="open")
    (tmp_path / "out").mkdir()

    there = call("listmode", "export", sealed, "--to", "dicom", "--out", tmp_path / "out")
    damaged = call("listmode", "export", unsealed, "--to", "dicom", "--out", tmp_path / "new", "--allow-damaged")

    assert (there.code, "an export never overwrites a folder" in there.err) == (3, True)
    assert (damaged.code, "is not sealed: dicom is made of sealed recordings only" in damaged.err) == (3, True)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    done = call("listmode", "export", recording(tmp_path), "--to", "dicom", "--out", "/proc/x")

    assert (done.code, "/proc/x: no folder can be made there" in done.err) == (3, True), done.err
