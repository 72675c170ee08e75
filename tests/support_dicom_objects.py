"""Papers and objects of pictures for tests of DICOM."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pydicom
from support_framed import manifest

from daq.model.administration import AdministrationRecord
from daq.model.framed import Framed
from daq.model.patient import PatientIdentity, PatientRef
from daq.model.station import Actor
from daq.storage.dicom import StudyPapers, dicom_of
from daq.storage.patientfile import Patient

AT = datetime(2026, 8, 3, 6, 0, tzinfo=UTC)
NOBODY = "NOBODY^REAL"


def record(**given: Any) -> AdministrationRecord:
    told = {
        "key": "a-" + "abcdefghijklmnopqrstuvwxyz", "nuclide": "Tc-99m", "agent": "Tc-99m MDP", "lot": "L1",
        "assayed_mbq": 600.0, "assayed_at": AT, "operator": "anna", "route": "intravenous", "injected_at": AT,
        "residual_mbq": 20.0, "residual_at": AT, "weight_kg": 71.5, "height_m": 1.78, **given,
    }  # fmt: skip
    return AdministrationRecord(**told)


def papers(**given: Any) -> StudyPapers:
    identity = PatientIdentity(**{"name": NOBODY, "patient_id": "12345", "sex": "female", **given})
    return StudyPapers(Patient.new(identity, Actor("anna", "test"), PatientRef("p-" + "a" * 26)), record())


def written(series: Framed, **given: Any) -> pydicom.Dataset:
    """Return a series as a reader of its file has it."""
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dicom_of(series, manifest(), **given), enforce_file_format=True)
    buffer.seek(0)
    return pydicom.dcmread(buffer)
