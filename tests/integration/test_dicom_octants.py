"""A simulated camera sees a phantom with a ball in each octant; DICOM says where each is, and PyTomography agrees.

The patient lies prone, feet first, and the heads turn clockwise: every turn that could be forgotten is one here.
"""

from __future__ import annotations

import json
import os
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import support_framed
from support_cli import call
from support_framing import Marks, S, framed, setup, step
from support_simulators import simulator

from daq.model.framed import Framed
from daq.model.geometry import PatientOrientation
from daq.model.protocol import Image
from daq.storage.dicom import write_dicom
from daq.storage.reader import open_listmode
from simulators.camera.phantoms import OCTANTS

VIEWS, STEP_DEG, EACH_S = 16, -11.25, 0.25
MOVES_S = 0.01
PLACES_MM = np.array([place for place, _, _ in OCTANTS.values()])
WEIGHTS = np.array([weight for _, _, weight in OCTANTS.values()])
SIGMA_MM = 6.0
LONGEST_S = 300
ORIENTATION = PatientOrientation.FFP
PROGRAM = Path(__file__).parents[1] / "pytomography_program.py"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the object of half a turn of two heads, recorded from the simulator."""
    folder = tmp_path_factory.mktemp("octants")
    motion = folder / "motion.jsonl"
    said = [
        {"axis": "gantry", "time_s": (n + 1) * EACH_S - MOVES_S, "position": n * STEP_DEG,
         "target": (n + 1) * STEP_DEG, "speed": abs(STEP_DEG) / MOVES_S} for n in range(VIEWS - 1)
    ]  # fmt: skip
    motion.write_text("".join(json.dumps(line) + "\n" for line in said))
    with simulator(
        "camera", "--profile", "head-xye64", "--scanner", "dual-head", "--collimator", "LEHR", "--once",
        "--seconds", int(VIEWS * EACH_S), "--body", "octants:Tc-99m,mbq=300,water=0", "--orientation", ORIENTATION,
        "--motion-file", motion, "--speed", "max",
    ) as front_end:  # fmt: skip
        done = call(
            "record", "--profile", "head-xye64", "--source", front_end.ready["tcp"], "--scanner", "dual-head",
            "--window", "photopeak=126.4-154.6 keV", "--simulated", "--out", folder / "run",
        )  # fmt: skip
    assert done.code == 0, done.err
    return write_dicom(folder / "octants.dcm", rotation(folder / "run"), support_framed.manifest())[0]


def rotation(directory: Path) -> Framed:
    """Return the series, with the marks and steps that an acquisition by protocol would have."""
    marks, steps = Marks(), []
    for number in range(VIEWS):
        begin_ps = round(number * EACH_S * S)
        name = f"SPECT {number + 1}/{VIEWS}"
        for axis, at in (("gantry", number * STEP_DEG), ("bed", 0.0), ("front_radius", 150.0), ("back_radius", 150.0)):
            marks.add("position", begin_ps, axis, value2=at)
        steps.append(step(name, "spect", positions={"gantry": number * STEP_DEG}, image=Image(64, 64, 1.35)))
        marks.step(name, begin_ps, begin_ps + round(EACH_S * S))
    with open_listmode(directory) as recording:
        table = recording.table("singles")
        rows = {name: table.column(name).to_numpy() for name in ("time_ps", "x_mm", "y_mm", "head", "windows")}
    (found,) = framed(setup(*steps, orientation=ORIENTATION), marks, rows)
    return found


def predicted(read: pydicom.Dataset, frame: int, places_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the picture [rows, columns] of balls at these places, by what the object says of the frame."""
    about, spacing = read.RotationInformationSequence[0], float(read.PixelSpacing[0])
    item = read.DetectorInformationSequence[read.DetectorVector[frame] - 1]
    sign = {"CC": 1, "CW": -1}[about.RotationDirection]
    angle = np.radians(item.StartAngle + sign * about.AngularStep * (read.AngularViewVector[frame] - 1))
    to_the_right = places_mm[:, :2] @ np.array([-np.cos(angle), np.sin(angle)])
    across = (np.arange(read.Columns) - (read.Columns - 1) / 2) * spacing - to_the_right[:, None]
    down = np.arange(read.Rows) * spacing - (item.ImagePositionPatient[2] - places_mm[:, 2])[:, None]
    of_x, of_y = (np.exp(-((distance / SIGMA_MM) ** 2) / 2) for distance in (across, down))
    return np.einsum("n,ny,nx->yx", WEIGHTS, of_y, of_x)


def likeness(read: pydicom.Dataset, places_mm: npt.NDArray[np.float64]) -> float:
    """Return the correlation of all frames with what balls at these places would give."""
    made = np.array([predicted(read, frame, places_mm) for frame in range(read.NumberOfFrames)])
    return float(np.corrcoef(read.pixel_array.ravel(), made.ravel())[0, 1])


def test_the_balls_are_where_they_were_put_and_not_in_any_mirror(path: Path) -> None:
    read = pydicom.dcmread(path)
    mirrors = [np.array(signs) for signs in product((1, -1), repeat=3) if signs != (1, 1, 1)]

    assert read.RotationInformationSequence[0].RotationDirection == "CC"  # clockwise about the gantry, feet first
    assert [item.StartAngle for item in read.DetectorInformationSequence] == [0, 180]
    assert likeness(read, PLACES_MM) > 0.9
    assert max(likeness(read, PLACES_MM * mirror) for mirror in mirrors) < 0.6


@pytest.mark.skipif(
    "SCANDAQ_PYTOMOGRAPHY" not in os.environ,
    reason="SCANDAQ_PYTOMOGRAPHY names no python: make one by `python -m venv V; V/bin/pip install torch pytomography`",
)
@pytest.mark.timeout(LONGEST_S + 100)
def test_pytomography_finds_each_ball_where_it_was_put(path: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked.json"
    asked.write_text(json.dumps({"files": [str(path)], "places_mm": PLACES_MM.tolist()}))
    command = (os.environ["SCANDAQ_PYTOMOGRAPHY"], str(PROGRAM), str(asked))

    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)

    assert "RESULT " in done.stdout, done.stderr
    (told,) = json.loads(done.stdout.split("RESULT ")[1])
    assert np.asarray(told["centres"]) == pytest.approx(PLACES_MM, abs=1.5)
    assert np.asarray(told["sums"]) == pytest.approx(WEIGHTS / WEIGHTS.sum(), rel=0.1)
