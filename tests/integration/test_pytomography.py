"""PyTomography reconstructs a feature in each octant at the same place of the patient, however all lay and turned.

It needs an interpreter of its own: `pip install torch pytomography` in a virtual environment, whose python is named by
SCANDAQ_PYTOMOGRAPHY.
"""

from __future__ import annotations

import json
import os
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support_framed
from support_projecting import OCTANTS_MM, STRENGTHS, rotation_of

from daq.model.framed import Framed
from daq.model.geometry import PatientOrientation, Rotation
from daq.storage.dicom import write_dicom

PROGRAM = Path(__file__).parents[1] / "pytomography_program.py"
WITHIN_MM = 0.5
WITHIN = 0.03
LONGEST_S = 500
"""Nine reconstructions take 16 s on two idle cores."""

pytestmark = pytest.mark.skipif(
    "SCANDAQ_PYTOMOGRAPHY" not in os.environ,
    reason="SCANDAQ_PYTOMOGRAPHY names no python: make one by `python -m venv V; V/bin/pip install torch pytomography`",
)


def reconstructed(folder: Path, series: dict[str, Framed]) -> dict[str, dict[str, Any]]:
    """Return by name where PyTomography finds each source, and which share of the whole it has."""
    files = []
    for name, each in series.items():
        files += [str(path) for path in write_dicom(folder / f"{name}.dcm", each, support_framed.manifest())]
    asked = folder / "asked.json"
    asked.write_text(json.dumps({"files": files, "places_mm": OCTANTS_MM.tolist()}))
    command = (os.environ["SCANDAQ_PYTOMOGRAPHY"], str(PROGRAM), str(asked))
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    assert "RESULT " in done.stdout, done.stderr
    return dict(zip(series, json.loads(done.stdout.split("RESULT ")[1]), strict=True))


@pytest.mark.timeout(LONGEST_S + 20)
def test_sources_are_at_the_same_place_for_cc_and_cw_head_and_feet_first_supine_and_prone(tmp_path: Path) -> None:
    series = {
        f"{orientation}-{turn}": rotation_of(PatientOrientation(orientation), turn, bed_mm=50.0)
        for orientation, turn in product(("HFS", "FFS", "HFP", "FFP"), Rotation)
    }
    series["two heads"] = rotation_of(
        PatientOrientation.FFP, Rotation.CW, views=16, arc_deg=180.0, starts_deg=(180.0, 0.0), bed_mm=-50.0
    )

    found = reconstructed(tmp_path, series)

    for told in found.values():
        assert np.asarray(told["centres"]) == pytest.approx(OCTANTS_MM, abs=WITHIN_MM)
        assert np.asarray(told["sums"]) == pytest.approx(STRENGTHS / STRENGTHS.sum(), rel=WITHIN)
