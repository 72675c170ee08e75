"""Whatever people and files call things, an object can be written and says them: cut, cleaned, never refused."""

from __future__ import annotations

import io

import pydicom
import support_framed
from hypothesis import given, settings
from hypothesis import strategies as st
from support_framed import PHOTOPEAK, manifest

from daq.model.windows import EnergyWindow
from daq.storage.dicom import dicom_of

texts = st.text(max_size=90) | st.sampled_from(
    ["\\", "a\\b=c^d", "x" * 500, "Knochen­szinti é ö", "\x1b[0m\n\t", "^=^=^="]
)


@settings(max_examples=60, deadline=None)
@given(texts, texts, texts, texts, st.lists(texts, max_size=3))
def test_any_text_of_a_recording_can_be_written(
    title: str, operator: str, station: str, name: str, notes: list[str]
) -> None:
    about = manifest(
        protocol={"id": title, "title": title, "toml": title}, operator=operator, station=station,
        calibrations={"collimator": name}, software={name: title}, scanner={"vendor": name, "title": title},
    )  # fmt: skip
    window = EnergyWindow(PHOTOPEAK.lower_kev, PHOTOPEAK.upper_kev, name or "w")
    series = support_framed.static(name=name, label=title, notes=tuple(notes), windows=(window,), ended_by=title)
    buffer = io.BytesIO()

    pydicom.dcmwrite(buffer, dicom_of(series, about), enforce_file_format=True)

    buffer.seek(0)
    read = pydicom.dcmread(buffer)
    assert read.SeriesDescription.startswith("SIMULATED")
    assert all(
        element.VM <= 1 for element in read if element.keyword in ("StationName", "OperatorsName", "StudyDescription")
    )
    assert read.pixel_array.shape == (2, 40, 54)
