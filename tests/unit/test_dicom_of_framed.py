"""From events to DICOM: a feature in each octant of a patient, framed as a recording is, is where the object says."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from support_framed import manifest
from support_framing import MS, Marks, Rows, S, framed, rows_of, setup, step, sweep_step
from support_projecting import OCTANTS_MM, as_built

from daq.model.framed import Framed, ImageKind
from daq.model.geometry import PatientOrientation
from daq.model.protocol import Image
from daq.storage.dicom import dicom_of

ORIENTATIONS = [PatientOrientation(each) for each in ("HFS", "FFS", "HFP", "FFP", "HFDL", "FFDR")]
PLACES_MM = OCTANTS_MM * [1, 1, 0] + [[0, 0, np.sign(z) * 26 * (n // 2 + 1)] for n, (_, _, z) in enumerate(OCTANTS_MM)]
"""The octants, each in a height of its own, so that no two lie behind each other in any view."""
EVENTS = 20 * np.arange(1, 9)
"""Of each octant, in a view."""
HEADS_DEG = (180.0, 0.0)
BED_MM = 30.0


def reread(series: Framed) -> pydicom.Dataset:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dicom_of(series, manifest()), enforce_file_format=True)
    buffer.seek(0)
    return pydicom.dcmread(buffer)


def stands(marks: Marks, at_ps: int, gantry_deg: float) -> None:
    """Tell where the axes stand before a step."""
    for axis, place in (("gantry", gantry_deg), ("bed", BED_MM), ("front_radius", 150.0), ("back_radius", 160.0)):
        marks.add("position", at_ps, axis, value2=place)


def events(begin_ps: int, gantry_deg: float, orientation: PatientOrientation) -> Rows:
    """Return what both heads see of the octants in the second after a step began."""
    parts = []
    for number, angle in enumerate(HEADS_DEG):
        built = np.repeat(as_built(PLACES_MM, angle + gantry_deg, orientation, BED_MM), EVENTS, axis=0)
        times = begin_ps + 1 + np.linspace(0, S, len(built), endpoint=False).astype(np.int64)
        parts.append(rows_of(times, built[:, 0], built[:, 1], head=number))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rotation(orientation: PatientOrientation, step_deg: float, views: int = 4) -> Framed:
    steps = [
        step(f"SPECT {n + 1}/{views}", "spect", positions={"gantry": n * step_deg}, image=Image(64, 64, 1.0))
        for n in range(views)
    ]
    marks, parts = Marks(), []
    for number, each in enumerate(steps):
        begin_ps = 10 * S * number
        stands(marks, begin_ps - S, number * step_deg)
        marks.step(each.name, begin_ps, begin_ps + 5 * S)
        parts.append(events(begin_ps, number * step_deg, orientation))
    (found,) = framed(setup(*steps, orientation=orientation), marks, *parts)
    return found


def brightness(picture: npt.NDArray[np.uint16], row: float, column: float) -> int:
    """Return what is within a pixel and a half of a place: sources are points, and further apart."""
    rows, columns = (np.flatnonzero(np.abs(np.arange(64) - at) < 1.5) for at in (row, column))
    return int(picture[np.ix_(rows, columns)].sum())


@pytest.mark.parametrize("step_deg", [30.0, -30.0])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_framed_rotation_has_each_octant_where_its_angles_say(
    orientation: PatientOrientation, step_deg: float
) -> None:
    read = reread(rotation(orientation, step_deg))
    about = read.RotationInformationSequence[0]
    sign = {"CC": 1, "CW": -1}[about.RotationDirection]
    spacing = float(read.PixelSpacing[0])

    assert (read.ImageType[2], read.NumberOfFrames, about.AngularStep, about.ScanArc) == ("TOMO", 8, 30, 120)
    for frame, picture in enumerate(read.pixel_array):
        item = read.DetectorInformationSequence[read.DetectorVector[frame] - 1]
        angle = np.radians(item.StartAngle + sign * about.AngularStep * (read.AngularViewVector[frame] - 1))
        to_the_right = PLACES_MM[:, :2] @ np.array([-np.cos(angle), np.sin(angle)])
        columns = to_the_right / spacing + (read.Columns - 1) / 2
        rows = (item.ImagePositionPatient[2] - PLACES_MM[:, 2]) / spacing
        found = [brightness(picture, row, column) for row, column in zip(rows, columns, strict=True)]
        assert found == EVENTS.tolist()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_framed_view_has_each_octant_where_position_and_orientation_say(orientation: PatientOrientation) -> None:
    marks = Marks()
    stands(marks, -S, 20.0)
    marks.step("a step", 0, 5 * S)
    said = setup(step(positions={"gantry": 20.0}, image=Image(64, 64, 1.0)), orientation=orientation)
    (series,) = framed(said, marks, events(0, 20.0, orientation))

    read = reread(series)

    for item, picture, radius in zip(read.DetectorInformationSequence, read.pixel_array, (150, 160), strict=True):
        corner, cosines = np.array(item.ImagePositionPatient), np.array(item.ImageOrientationPatient)
        spacing = float(read.PixelSpacing[0])
        columns, rows = ((PLACES_MM - corner) @ cosines[at : at + 3] / spacing for at in (0, 3))
        found = [brightness(picture, row, column) for row, column in zip(rows, columns, strict=True)]
        assert found == EVENTS.tolist()
        assert item.RadialPosition == radius
        assert np.cross(cosines[:3], cosines[3:]) @ corner == pytest.approx(-radius)  # the viewer stands behind it


@pytest.mark.parametrize("orientation", [PatientOrientation.HFS, PatientOrientation.FFP])
def test_a_sweep_has_each_octant_where_position_and_orientation_say(orientation: PatientOrientation) -> None:
    moves, speed = 1000.0, 20.0
    sign = 1 if orientation.startswith("H") else -1
    octants = PLACES_MM + np.array([0.0, 0.0, -sign * 500.0])  # under the detector in the middle of the sweep
    marks, times = Marks().add("position", -S, "bed", value2=0.0), np.arange(0, moves / speed * S + 1, 50 * MS)
    marks.add("position", -S, "front_radius", value2=150.0).add("start", 0, "whole body", value2=1.0)
    marks.axis("bed", times.astype(np.int64), times / S * speed).add("stop", int(times[-1]) + S, "arrived")
    at = np.sort(np.random.default_rng(1).integers(0, 50 * S, 4000))
    parts = []
    for octant in octants:
        built = np.array([as_built(octant[None], 180.0, orientation, time / S * speed)[0] for time in at])
        inside = np.abs(built[:, 1]) < 190.0
        parts.append(rows_of(at[inside], built[inside, 0], built[inside, 1]))
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(rows["time_ps"], kind="stable")
    said = setup(sweep_step(moves, speed, image=Image(64, 256, 1.0)), orientation=orientation)
    (series,) = framed(said, marks, {name: column[order] for name, column in rows.items()})

    read = reread(series)

    assert (series.kind, read.ScanVelocity) == (ImageKind.WHOLE_BODY, pytest.approx(speed, rel=1e-3))
    item = read.DetectorInformationSequence[0]
    corner, cosines = np.array(item.ImagePositionPatient), np.array(item.ImageOrientationPatient)
    spacing = float(read.PixelSpacing[0])
    columns, lines = (np.rint((octants - corner) @ cosines[n : n + 3] / spacing).astype(int) for n in (0, 3))
    picture = read.pixel_array[0]
    for part, line, column in zip(parts, lines, columns, strict=True):
        assert picture[line - 1 : line + 2, column - 1 : column + 2].sum() == len(part["time_ps"])
