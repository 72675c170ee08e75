"""What a nuclear medicine image says: order of frames, units, places, people, refusals by the attribute's name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import support_framed
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from support_dicom_objects import papers, written
from support_framed import BACK, FRONT, KINDS, PHOTOPEAK, STUDY_KEY, head, manifest

from daq.errors import FormatError, RefusedError
from daq.model.dicomcodes import ANATOMY, NUCLIDE_CODES, ROUTE_CODES, tracer_code
from daq.model.framed import Framed, Pixels
from daq.model.geometry import Laterality, PatientOrientation, View
from daq.model.nuclide_table import NUCLIDES
from daq.model.study import StudyReference
from daq.storage.dicom import StudyPapers, dicom_of, objects_of, read_papers, write_dicom
from daq.storage.patientfile import write_administration, write_patient


@pytest.mark.parametrize("kind", KINDS)
def test_each_frame_is_the_picture_its_vectors_say(kind: str) -> None:
    series = KINDS[kind]()
    read, of = written(series), series.slots
    keys = [read.EnergyWindowVector, read.DetectorVector]
    for slot in range(len(of)):
        for column, vector in ((of.phase, "PhaseVector"), (of.time_slice, "TimeSliceVector"),
                               (of.time_slot, "TimeSlotVector"), (of.view, "AngularViewVector")):  # fmt: skip
            assert vector not in read or int(column[slot]) + 1 in read[vector].value
    named = [name for name in ("PhaseVector", "TimeSliceVector", "TimeSlotVector", "AngularViewVector") if name in read]
    columns = {"PhaseVector": of.phase, "TimeSliceVector": of.time_slice, "TimeSlotVector": of.time_slot,
               "AngularViewVector": of.view}  # fmt: skip

    for frame, picture in enumerate(np.atleast_3d(read.pixel_array.reshape(-1, read.Rows, read.Columns))):
        window, detector = (_of(vector, frame) - 1 for vector in keys)
        fits = [columns[name] == _of(read[name].value, frame) - 1 for name in named]
        slot = int(np.flatnonzero(np.all(fits, axis=0))[0]) if fits else 0
        assert np.array_equal(picture, series.counts[detector, window, slot][::-1])


def _of(vector: Any, frame: int) -> int:
    return int(vector if isinstance(vector, int) else vector[frame])


@pytest.mark.parametrize("kind", KINDS)
def test_the_pointer_names_the_vectors_that_are_there_and_the_last_varies_fastest(kind: str) -> None:
    read = written(KINDS[kind]())
    pointer = read.FrameIncrementPointer
    vectors = np.asarray([np.atleast_1d(read[tag].value) for tag in pointer]).T

    assert len(vectors) == read.NumberOfFrames
    assert vectors.tolist() == sorted(vectors.tolist())
    assert read.CountsAccumulated == int(read.pixel_array.sum())
    assert read.ImageType[2] == str(KINDS[kind]().kind)


def test_a_sweep_says_speed_in_mm_per_s_and_length_in_mm_and_marks_rows_with_less_exposure() -> None:
    read = written(support_framed.whole_body())

    assert read.ScanVelocity == pytest.approx(1.6667)
    assert read.ScanLength == 1990  # two rows of 5 mm were never inside
    assert read.ActualFrameDuration == 1_170_000
    assert read.WholeBodyTechnique == "1PS"
    assert "36 of 400 rows have less than 90 % of the full exposure: 365 to 400" in read.ImageComments
    exposure = read.private_block(0x5343, "SCANDAQ STRIP 1")[1].value
    assert (exposure[0], exposure[-1], len(exposure)) == (30_000.0, 0.0, 400)


def test_phases_have_their_own_duration_delay_and_number_of_frames() -> None:
    first, second = written(support_framed.dynamic()).PhaseInformationSequence

    assert [(p.ActualFrameDuration, p.PhaseDelay, p.NumberOfFramesInPhase, p.PauseBetweenFrames) for p in
            (first, second)] == [(2000, 0, 6, 0), (10_000, 0, 3, 0)]  # fmt: skip


def test_beats_are_accounted_for_in_ms() -> None:
    read = written(support_framed.gated())
    item = read.GatedInformationSequence[0]
    data = item.DataInformationSequence[0]

    assert (data.IntervalsAcquired, data.IntervalsRejected) == (4, 1)
    assert (data.NominalInterval, data.LowRRValue, data.HighRRValue, data.FrameTime) == (801, 720, 880, 50)
    assert [slot.TimeSlotTime for slot in data.TimeSlotInformationSequence] == [30_000] * 16
    assert (item.CardiacFramingType, item.TriggerTime, read.BeatRejectionFlag) == ("FORW", 2, "Y")
    assert round(read.HeartRate) == round(60_000 / 721)


def test_a_latency_of_the_trigger_that_nobody_knows_is_not_said() -> None:
    series = support_framed.gated(beats=replace(support_framed.beats(16), latency_ms=None))

    assert "TriggerTime" not in written(series).GatedInformationSequence[0]


def test_parts_of_a_beat_in_spect_count_over_all_angles() -> None:
    read = written(support_framed.gated_tomo(views=6, bins=8))
    data = read.GatedInformationSequence[0].DataInformationSequence[0]

    assert [slot.TimeSlotTime for slot in data.TimeSlotInformationSequence] == [6 * 5000] * 8
    assert read.RotationInformationSequence[0].ActualFrameDuration == 8 * 5000


@pytest.mark.parametrize(("framing", "direction", "said"), [
    ("time", "backward", "BACK"), ("percent", "forward", "PCNT"), ("percent", "backward", "PERCENT BACKWARD"),
])  # fmt: skip
def test_the_framing_of_beats_is_said(framing: str, direction: str, said: str) -> None:
    series = support_framed.gated(beats=support_framed.beats(16, framing=framing, direction=direction))

    assert written(series).GatedInformationSequence[0].CardiacFramingType == said


def test_a_rotation_says_where_it_began_how_far_and_which_way() -> None:
    read = written(support_framed.tomo(views=60, arc_deg=180.0, rotation="CW"))
    rotation = read.RotationInformationSequence[0]

    assert (rotation.StartAngle, rotation.AngularStep, rotation.RotationDirection) == (180, 3, "CW")
    assert (rotation.ScanArc, rotation.NumberOfFramesInRotation, rotation.ActualFrameDuration) == (180, 60, 20_000)
    assert rotation.RadialPosition == 200
    assert [item.StartAngle for item in read.DetectorInformationSequence] == [180, 0]
    assert read.TypeOfDetectorMotion == "STEP AND SHOOT"


def test_a_single_head_says_its_place_in_the_rotation_alone_with_a_radius_for_each_view() -> None:
    radii = tuple(200.0 + view for view in range(60))
    read = written(support_framed.tomo(heads=(head(0, 225.0, radius_mm=radii),), continuous=True))

    assert "StartAngle" not in read.DetectorInformationSequence[0]
    assert read.RotationInformationSequence[0].RadialPosition == list(radii)
    assert read.TypeOfDetectorMotion == "CONTINUOUS"


def test_a_gated_rotation_of_two_heads_has_a_radius_for_each_view_not_for_each_part_of_its_beats() -> None:
    radii = tuple(np.repeat(200.0 + np.arange(6), 8).tolist())
    heads = (head(0, 180.0, radius_mm=radii), head(1, 0.0, radius_mm=radii))
    read = written(support_framed.gated_tomo(views=6, bins=8, heads=heads))

    for item in (*read.DetectorInformationSequence, read.RotationInformationSequence[0]):
        assert item.RadialPosition == [200, 201, 202, 203, 204, 205]


def test_the_first_pixel_is_on_the_face_of_the_collimator_upper_left_as_seen() -> None:
    front, back = written(support_framed.static()).DetectorInformationSequence

    assert front.ImagePositionPatient == [-265, -200, 195]  # the patient's right is at the viewer's left
    assert front.ImageOrientationPatient == [1, 0, 0, 0, 0, -1]
    assert back.ImagePositionPatient == [265, 200, 195]
    assert back.ImageOrientationPatient == [-1, 0, 0, 0, 0, -1]
    assert [item.ViewCodeSequence[0].CodeValue for item in (front, back)] == ["399321004", "399001007"]


@pytest.mark.parametrize(("orientation", "z_mm"), [("HFS", 195 - 500), ("FFP", 195 + 500)])
def test_the_bed_moves_the_picture_along_the_patient(orientation: str, z_mm: float) -> None:
    of = support_framed.slots(1, bed_mm=[500.0])
    series = support_framed.framed(support_framed.ImageKind.STATIC, of, orientation=PatientOrientation(orientation))

    read = written(series)

    assert read.DetectorInformationSequence[0].ImagePositionPatient[2] == z_mm
    assert read.TableTraverse == 500


def test_a_place_that_is_not_known_is_left_empty() -> None:
    of = support_framed.slots(1, bed_mm=[np.nan])
    unknown = head(0, 180.0, View.ANT, radius_mm=(np.nan,))
    series = support_framed.framed(support_framed.ImageKind.STATIC, of, heads=(unknown,))

    item = written(series).DetectorInformationSequence[0]

    assert item.ImagePositionPatient is None
    assert item.ImageOrientationPatient == [1, 0, 0, 0, 0, -1]
    assert "RadialPosition" not in item


@pytest.mark.parametrize("orientation", PatientOrientation)
def test_how_the_patient_lay_is_coded(orientation: PatientOrientation) -> None:
    read = written(support_framed.static(orientation=orientation))
    lies = read.PatientOrientationCodeSequence[0]

    first = {"H": "headfirst", "F": "feet-first"}[orientation[0]]
    way = {"S": "supine", "P": "prone", "DL": "left lateral decubitus", "DR": "right lateral decubitus"}
    assert lies.PatientOrientationModifierCodeSequence[0].CodeMeaning == way[orientation[2:]]
    assert read.PatientGantryRelationshipCodeSequence[0].CodeMeaning == first
    assert read.PatientEquipmentRelationshipCodeSequence[0].CodeMeaning == first
    assert "PatientPosition" not in read


def test_a_side_is_said_and_a_breast_view_without_one_is_refused() -> None:
    heads = (head(0, 90.0, View.MLO),)
    read = written(support_framed.static(heads=heads, laterality=Laterality.LEFT, region="breast"))

    assert (read.Laterality, read.BodyPartExamined) == ("L", "BREAST")
    assert read.DetectorInformationSequence[0].ViewCodeSequence[0].CodeMeaning == "Medio-lateral oblique"
    with pytest.raises(RefusedError, match="laterality"):
        dicom_of(support_framed.static(heads=heads, region="breast"), manifest())


def test_pixels_beyond_16_bits_are_refused_or_divided_and_never_wrap() -> None:
    counts = support_framed.static().counts
    counts[0, 0, 0, 0, 0] = 70_000
    series = support_framed.static(counts=counts)

    with pytest.raises(RefusedError, match=r"Pixel Data \(7FE0,0010\): .*70,000 counts; 16 bits hold 65,535"):
        dicom_of(series, manifest())
    read = written(series, overflow="divide")

    assert read.pixel_array[0, -1, 0] == 35_000
    assert read.ImageType[0] == "DERIVED"
    assert "divided by 2" in read.DerivationDescription
    assert read.CountsAccumulated == int(counts.sum())


def test_the_same_series_is_the_same_object_and_framed_otherwise_another() -> None:
    one, again = (dicom_of(support_framed.static(), manifest()) for _ in range(2))
    other = dicom_of(support_framed.static(windows=(PHOTOPEAK, replace(PHOTOPEAK, name="p2"))), manifest())

    assert one.SOPInstanceUID == again.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert one.SeriesInstanceUID == other.SeriesInstanceUID


def test_sessions_share_the_study_and_views_of_one_position_the_frame_of_reference() -> None:
    late = {"key": STUDY_KEY, "session": 2}
    first = dicom_of(support_framed.static(), manifest())
    second = dicom_of(support_framed.static(), manifest(study=late, acquisition_id="later"))
    lies_still = {**late, "position_uid_of": manifest().acquisition_id}
    same = dicom_of(support_framed.static(), manifest(study=lies_still, acquisition_id="next"))

    assert first.StudyInstanceUID == second.StudyInstanceUID == StudyReference(key=STUDY_KEY).uid("study")
    assert len({each.SeriesInstanceUID for each in (first, second, same)}) == 3
    assert first.FrameOfReferenceUID != second.FrameOfReferenceUID
    assert first.FrameOfReferenceUID == same.FrameOfReferenceUID
    assert (first.SeriesNumber, second.SeriesNumber) == (1, 1001)


def test_a_later_session_has_the_date_of_its_study() -> None:
    began = {"key": STUDY_KEY, "session": 2, "began_utc": "2026-08-01T12:00:00.500Z"}
    read = dicom_of(support_framed.static(), manifest(study=began))

    local = datetime.strptime(f"{read.StudyDate}{read.StudyTime}{read.TimezoneOffsetFromUTC}", "%Y%m%d%H%M%S.%f%z")
    assert local == datetime(2026, 8, 1, 12, 0, 0, 500_000, UTC)
    assert read.AcquisitionDate > read.StudyDate
    with pytest.raises(RefusedError, match=r"Study Date \(0008,0020\)"):
        dicom_of(support_framed.static(), manifest(study={**began, "began_utc": "yesterday"}))


def test_a_confirmed_ct_gives_its_frame_of_reference() -> None:
    record = {"what": "ct_attenuation", "frame_of_reference_uid": "1.2.3"}
    steps = [{"number": 1, "begin_ps": 0, "hand_overs": [{"name": "ct", "record": record}]}]

    assert dicom_of(support_framed.tomo(), manifest(steps=steps)).FrameOfReferenceUID == "1.2.3"


def refused(series: Framed, **given: Any) -> str:
    with pytest.raises(RefusedError) as why:
        dicom_of(series, manifest(), **given)
    return str(why.value)


def test_what_cannot_be_converted_is_refused_with_the_attribute() -> None:
    tomo, gated = support_framed.tomo(), support_framed.gated()
    stalled = replace(tomo.slots, gantry_deg=np.append(tomo.slots.gantry_deg[:-1], 37.0))

    assert "Rotation Direction (0018,1140)" in refused(replace(tomo, rotation=None))
    assert "Start Angle (0054,0200)" in refused(replace(tomo, heads=(replace(FRONT, angle_deg=None), BACK)))
    assert "Angular Step (0018,1144): a tomo: view " in refused(replace(tomo, slots=stalled))
    assert "Gated Information Sequence (0054,0062)" in refused(replace(gated, beats=None))
    assert "Frame Time (0018,1063)" in refused(replace(gated, beats=support_framed.beats(16, bin_ms=None)))
    assert "Scan Velocity (0018,1300)" in refused(replace(support_framed.whole_body(), strip=None))
    assert "Series Number (0020,0011): 1000" in refused(tomo, number=1000)
    assert "Frame Increment Pointer (0028,0009)" in refused(
        replace(tomo, slots=replace(tomo.slots, view=np.zeros(60, np.int64)))
    )


def test_too_many_pixels_for_one_object_are_refused_before_any_memory_is_taken() -> None:
    pixels = Pixels(0.0, 0.0, 1.0, 1024, 1024)
    empty = np.broadcast_to(np.zeros((), np.uint32), (2, 1, 2000, 1024, 1024))
    of = support_framed.slots(2000, time_slice=np.arange(2000))
    series = support_framed.framed(support_framed.ImageKind.DYNAMIC, of, pixels=pixels, counts=empty)

    assert "Pixel Data (7FE0,0010): 4,000 frames of 1024 x 1024 pixels" in refused(series)


@pytest.mark.parametrize(("frames", "fits"), [(16_383, True), (16_384, False)])
def test_ten_thousand_frames_fit_and_more_than_vectors_hold_are_refused(frames: int, fits: bool) -> None:
    of = support_framed.slots(frames, time_slice=np.arange(frames))
    counts = np.ones((2, 1, frames, 2, 2), np.uint32)
    series = support_framed.framed(
        support_framed.ImageKind.DYNAMIC, of, pixels=Pixels(0.0, 0.0, 1.0, 2, 2), counts=counts
    )

    if fits:
        assert len(written(series).DetectorVector) == 2 * frames
    else:
        assert "Detector Vector (0054,0020): 32,768 frames" in refused(series)


def test_a_study_that_is_none_is_a_broken_manifest() -> None:
    with pytest.raises(FormatError, match="manifest's study"):
        dicom_of(support_framed.static(), manifest(study={"key": "x"}))


def test_several_statics_are_an_object_each(tmp_path: Path) -> None:
    of = support_framed.slots(3, bed_mm=[0.0, 100.0, 200.0])
    heads = (head(0, 180.0, radius_mm=(200.0, 210.0, 220.0)),)
    series = support_framed.framed(support_framed.ImageKind.STATIC, of, heads=heads)

    paths = write_dicom(tmp_path / "01-views.dcm", series, manifest())

    assert [path.name for path in paths] == ["01-views-1.dcm", "01-views-2.dcm", "01-views-3.dcm"]
    read = [pydicom.dcmread(path) for path in paths]
    assert [each.InstanceNumber for each in read] == [1, 2, 3]
    assert len({each.SOPInstanceUID for each in read}) == 3
    assert [each.DetectorInformationSequence[0].RadialPosition for each in read] == [200, 210, 220]
    assert np.array_equal(read[2].pixel_array, series.counts[0, 0, 2, ::-1])
    assert len(objects_of(support_framed.tomo())) == 1


def test_a_file_names_the_patient_and_is_its_owners_alone_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "series.dcm"
    write_dicom(path, support_framed.static(), manifest(), papers())

    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["series.dcm"]
    with pytest.raises(RefusedError, match="exists"):
        write_dicom(path, support_framed.static(), manifest())


def test_papers_are_read_where_they_are(tmp_path: Path) -> None:
    assert read_papers(tmp_path) == StudyPapers()
    given = papers()
    assert given.patient is not None
    assert given.administration is not None
    write_patient(tmp_path, given.patient)
    assert read_papers(tmp_path).administration is None
    write_administration(tmp_path, given.administration)

    assert read_papers(tmp_path) == given


def test_every_code_is_one_of_dicoms() -> None:
    known = {value for names in concepts["SCT"].values() for value in names}
    isotopes = {value for name in cid_concepts[18]["SCT"] for value in concepts["SCT"][name]}
    routes = {value for name in cid_concepts[11]["SCT"] for value in concepts["SCT"][name]}

    assert {each.code.value for each in ANATOMY.values()} <= known
    assert {code.value for code in NUCLIDE_CODES.values()} <= isotopes
    assert {code.value for code in ROUTE_CODES.values()} <= routes
    assert set(NUCLIDE_CODES) <= set(NUCLIDES)
    tracer = tracer_code("Tc-99m HDP", "Tc-99m")
    assert tracer is not None
    assert tracer.value in known
