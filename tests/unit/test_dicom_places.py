"""A patient with a feature in each octant is at the same place in every object, however it lies and the heads turn."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from support_framed import manifest
from support_projecting import BLUR_MM, OCTANTS_MM, STRENGTHS, planar_of, rotation_of

from daq.model.framed import Framed
from daq.model.geometry import PatientOrientation, Rotation
from daq.storage.dicom import dicom_of

ORIENTATIONS = tuple(PatientOrientation)


def reread(series: Framed) -> pydicom.Dataset:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dicom_of(series, manifest()), enforce_file_format=True)
    buffer.seek(0)
    return pydicom.dcmread(buffer)


def blurred(across: npt.NDArray[np.float64], down: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the picture [rows, columns] of the sources by the distances [n, columns] and [n, rows] to its pixels."""
    of_x, of_y = (np.exp(-((distance / BLUR_MM) ** 2) / 2) for distance in (across, down))
    return np.einsum("n,ny,nx->yx", 200 * STRENGTHS, of_y, of_x)


@pytest.mark.parametrize("gantry_deg", [0.0, 37.0, 135.0, 270.0])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_position_and_orientation_of_a_view_put_each_source_where_it_is(
    orientation: PatientOrientation, gantry_deg: float
) -> None:
    read = reread(planar_of(orientation, gantry_deg, bed_mm=70.0))
    item = read.DetectorInformationSequence[0]
    corner, cosines = np.array(item.ImagePositionPatient), np.array(item.ImageOrientationPatient)
    row, column = cosines[:3], cosines[3:]
    spacing = float(read.PixelSpacing[0])

    # The detector looks at everything that lies in front of a pixel's place.
    across = np.arange(read.Columns) * spacing - ((OCTANTS_MM - corner) @ row)[:, None]
    down = np.arange(read.Rows) * spacing - ((OCTANTS_MM - corner) @ column)[:, None]

    assert np.abs(read.pixel_array - blurred(across, down)).max() <= 0.51


@pytest.mark.parametrize("gantry", Rotation)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_angles_of_a_rotation_put_each_source_where_it_is_in_every_view(
    orientation: PatientOrientation, gantry: Rotation
) -> None:
    """By the standard alone: 0 degrees is the back, 90 the left side; the head is up."""
    read = reread(rotation_of(orientation, gantry, views=9, bed_mm=40.0, starts_deg=(100.0,)))
    about, item = read.RotationInformationSequence[0], read.DetectorInformationSequence[0]
    sign = {"CC": 1, "CW": -1}[about.RotationDirection]
    spacing = float(read.PixelSpacing[0])
    down = np.arange(read.Rows) * spacing + (OCTANTS_MM[:, 2] - item.ImagePositionPatient[2])[:, None]

    for view, picture in enumerate(read.pixel_array):
        angle = np.radians(about.StartAngle + sign * about.AngularStep * view)
        to_the_right = OCTANTS_MM[:, :2] @ np.array([-np.cos(angle), np.sin(angle)])
        across = (np.arange(read.Columns) - (read.Columns - 1) / 2) * spacing - to_the_right[:, None]
        assert np.abs(picture - blurred(across, down)).max() <= 0.51


def test_feet_first_turns_the_direction_about_the_patient_round() -> None:
    told = {
        orientation: reread(rotation_of(PatientOrientation(orientation), Rotation.CC, views=4))
        .RotationInformationSequence[0].RotationDirection
        for orientation in ("HFS", "HFP", "FFS", "FFP")
    }  # fmt: skip

    assert told == {"HFS": "CC", "HFP": "CC", "FFS": "CW", "FFP": "CW"}


def test_each_head_of_a_rotation_begins_where_it_stands() -> None:
    read = reread(rotation_of(PatientOrientation.FFP, Rotation.CW, views=4, arc_deg=180.0, starts_deg=(180.0, 0.0)))

    assert [item.StartAngle for item in read.DetectorInformationSequence] == [0, 180]
