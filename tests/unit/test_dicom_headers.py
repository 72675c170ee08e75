"""What a nuclear medicine image says of the patient, the activity, the times, how it began and how it ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import support_framed
from support_dicom_objects import AT, papers, record, written
from support_framed import KINDS, S_PS, manifest

from daq.errors import RefusedError
from daq.model.dicomcodes import tracer_code
from daq.storage.dicom import StudyPapers, dicom_of


def test_activity_is_in_mbq_at_the_injection_weight_in_kg_and_height_in_m() -> None:
    read = written(support_framed.static(), papers=papers())
    tracer = read.RadiopharmaceuticalInformationSequence[0]

    assert tracer.RadionuclideTotalDose == 580
    assert tracer.RadionuclideCodeSequence[0].CodeMeaning == "^99m^Technetium"
    assert tracer.RadiopharmaceuticalCodeSequence[0].CodeValue == "96390006"
    assert tracer.AdministrationRouteCodeSequence[0].CodeMeaning == "Intravenous route"
    assert (read.PatientWeight, read.PatientSize) == (71.5, 1.78)


def test_an_activity_whose_residual_is_not_known_is_not_said() -> None:
    told = StudyPapers(None, record(residual_mbq=None, residual_at=None))

    assert (
        "RadionuclideTotalDose"
        not in written(support_framed.static(), papers=told).RadiopharmaceuticalInformationSequence[0]
    )


def test_times_are_of_the_frames_in_the_zone_of_the_station_whose_offset_is_said() -> None:
    of = support_framed.slots(1)
    late = replace(of, begin_ps=of.begin_ps + 3600 * S_PS, end_ps=of.end_ps + 3600 * S_PS)
    read = written(support_framed.framed(support_framed.ImageKind.STATIC, late), papers=papers())

    offset = read.TimezoneOffsetFromUTC
    local = datetime.strptime(f"{read.AcquisitionDate}{read.AcquisitionTime}{offset}", "%Y%m%d%H%M%S.%f%z")
    start_ns = manifest().time["start_utc_ns"]
    assert local == datetime.fromtimestamp(start_ns // 10**9, UTC) + timedelta(microseconds=250_000, hours=1)
    injected = read.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime
    assert datetime.strptime(injected, "%Y%m%d%H%M%S.%f%z") == AT


def test_dates_of_an_imported_recording_are_not_known() -> None:
    read = dicom_of(support_framed.static(), manifest(time={"imported": True, "start_utc_ns": 1}))

    assert (read.StudyDate, read.AcquisitionTime) == (None, None)
    assert "TimezoneOffsetFromUTC" not in read


@pytest.mark.parametrize("kind", KINDS)
def test_every_simulated_object_says_so(kind: str) -> None:
    read = written(KINDS[kind](), papers=papers())

    assert read.PatientID == "SIM-12345"
    assert read.SeriesDescription.startswith("SIMULATED ")
    assert read.StudyDescription.startswith("SIMULATED ")
    assert "SIMULATED" in read.ImageComments


def test_a_real_one_has_the_identity_as_it_was_given() -> None:
    read = dicom_of(
        support_framed.static(),
        manifest(simulated=False),
        papers(name="MÜLLER^JÖRG", issuer="Ward", accession_number="A-1"),
    )

    assert (read.PatientID, str(read.PatientName), read.PatientSex) == ("12345", "MÜLLER^JÖRG", "F")
    assert (read.IssuerOfPatientID, read.AccessionNumber) == ("Ward", "A-1")
    assert "SIMULATED" not in read.SeriesDescription


def test_a_refusal_never_shows_who_it_is() -> None:
    with pytest.raises(RefusedError, match=r"Patient ID \(0010,0020\)") as refused:
        dicom_of(support_framed.static(), manifest(simulated=False), papers(patient_id="12\\345"))

    assert "345" not in str(refused.value)


@pytest.mark.parametrize(("ended_by", "said"), [
    ("time", "TIME"), ("host", "TIME"), ("operator", "MANU"), ("singles[photopeak]@0+1", "CNTS"), ("beats", "TRIG"),
    ("motion lost", None),
])  # fmt: skip
def test_how_it_ended_is_said_in_dicoms_terms(ended_by: str, said: str | None) -> None:
    read = written(support_framed.static(ended_by=ended_by))

    assert read.get("AcquisitionTerminationCondition") == said


def with_protocol(step: str) -> Any:
    """Return a manifest whose protocol has a step of the series' name."""
    return manifest(protocol={"id": "p", "title": "P", "toml": f'[[steps]]\nname = "a static"\n{step}\n'})


@pytest.mark.parametrize(("step", "zero_ps", "said"), [
    ("", None, "AUTO"), ('start = "manual"', None, "MANU"), ('frame_zero.by = "count_rate"', 5, "DENS"),
    ('frame_zero.by = "gate"', 5, "TRIG"), ('start = "manual"\nframe_zero.by = "gate"', None, "MANU"),
])  # fmt: skip
def test_what_it_began_by_is_said_as_the_protocol_has_it(step: str, zero_ps: int | None, said: str) -> None:
    read = dicom_of(support_framed.static(frame_zero_ps=zero_ps), with_protocol(step))

    assert read.AcquisitionStartCondition == said


def test_what_it_began_by_is_not_said_without_a_protocol() -> None:
    assert "AcquisitionStartCondition" not in dicom_of(support_framed.static(), manifest(protocol=None))
    assert "AcquisitionStartCondition" not in dicom_of(support_framed.static(), manifest(protocol={"toml": "[["}))


def test_the_count_that_ended_it_is_said() -> None:
    read = dicom_of(support_framed.static(ended_by="singles[photopeak]@0+1=200000"), manifest())

    assert (read.AcquisitionTerminationCondition, read.AcquisitionTerminationConditionData) == ("CNTS", 200_000)


@pytest.mark.parametrize(("trigger", "said"), [("ecg", "EKG"), ("respiration", "RESP")])
def test_the_trigger_of_a_gated_series_is_that_of_the_protocol(trigger: str, said: str) -> None:
    series = support_framed.gated(name="a static")

    assert dicom_of(series, with_protocol(f'gate.trigger = "{trigger}"')).TriggerSourceOrType == said
    assert "TriggerSourceOrType" not in dicom_of(series, manifest())


def test_what_was_corrected_is_said() -> None:
    heads = [{"head": 0, "energy": {"x": 1}, "shift_x": {"x": 1}}]
    weighted = support_framed.static().counts.astype(np.uint64) * 65_536 * 2
    read = dicom_of(support_framed.static(weighted=weighted), manifest(processing={"heads": heads}))

    assert list(read.CorrectedImage) == ["UNIF", "NRGY", "LIN"]
    assert np.array_equal(read.pixel_array[0], 2 * support_framed.static().counts[0, 0, 0, ::-1])


@pytest.mark.parametrize(("agent", "nuclide", "said"), [
    ("Tc-99m-MDP", "Tc-99m", "Technetium Tc^99m^ medronate"), ("MDP", "I-123", None), ("NaCl", "Tc-99m", None),
    ("I-123 ioflupane", "I-123", "Ioflupane I^123^"), ("Sestamibi, kit 3", "Tc-99m", "Technetium Tc^99m^ sestamibi"),
])  # fmt: skip
def test_a_tracer_is_coded_where_its_name_is_known(agent: str, nuclide: str, said: str | None) -> None:
    code = tracer_code(agent, nuclide)

    assert (code and code.meaning) == said
