"""pylinac 3.49 on the same pictures: what it says of an offset, a maximum and a sensitivity, and what we say.

It needs an interpreter of its own: `pip install pylinac==3.49.*` in a virtual environment, whose python is named by
SCANDAQ_PYLINAC. What it said is kept here, too, and is compared always.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import support_framed
from support_qc_geometry import point_views, turn

from daq.model.nuclide_table import nuclide
from daq.qc.camera.alignment import head_alignment, tracks
from daq.qc.camera.rate import Rates, count_rate
from daq.qc.camera.sensitivity import Counted, system_sensitivity
from daq.storage.dicom import write_dicom

PROGRAM = Path(__file__).parents[1] / "pylinac_geometry_program.py"
FROZEN = {
    "offset_from_edge_mm": 163.21401036941137, "residual_mm": 0.16154339509253646, "highest_cps": 183773.8,
    "cps_per_mbq": 75.0000805292824,
}  # fmt: skip
"""What pylinac 3.49.0 said of these pictures."""
COLUMNS, PIXEL, OFFSET = 64, 4.8, 9.6
FRAME_S, MBQ, STATIC_S = 10.0, 40.0, 600.0
ANGLES = turn(60)


def pictures():  # type: ignore[no-untyped-def]
    """Return a rotation with an offset, rates about the maximum of 2 us, and a dish: the same everywhere."""
    random = np.random.default_rng(1)
    views = random.poisson(point_views(ANGLES, [(60.0, -30.0, 0.0)], offset_mm=OFFSET, rows=COLUMNS))
    true = np.geomspace(2e4, 1.2e6, 24)
    counts = random.poisson(true * np.exp(-true * 2e-6) * FRAME_S)
    decays = nuclide("Tc-99m").decays_between(MBQ, 0.0, STATIC_S)
    return views, true, counts, round(75.0 * decays)


def ours() -> dict[str, float]:
    views, true, counts, dish = pictures()
    found = head_alignment(ANGLES, tracks(views.astype(float), PIXEL, width_mm=300.0, height_mm=300.0))
    rate = count_rate(Rates(true, counts / FRAME_S, np.sqrt(counts) / FRAME_S))
    assert rate.maximum is not None
    sensitivity = system_sensitivity(nuclide("Tc-99m"), Counted(dish, STATIC_S, STATIC_S), MBQ, 0.0, None)
    return {
        "offset_mm": found.offset_mm, "residual_mm": found.residual_mm, "maximum_cps": rate.maximum.observed_cps,
        "cps_per_mbq": sensitivity.cps_per_mbq,
    }  # fmt: skip


def spread_out(count: int, rows: int = 40, columns: int = 54) -> np.ndarray:
    flat = np.full(rows * columns, count // (rows * columns), np.uint32)
    flat[: count % (rows * columns)] += 1
    return flat.reshape(rows, columns)


def pylinacs(folder: Path) -> dict[str, float]:
    """Return what pylinac says of NM objects that hold the pictures."""
    views, _, counts, dish = pictures()
    pixels = support_framed.Pixels(-COLUMNS * PIXEL / 2, -COLUMNS * PIXEL / 2, PIXEL, COLUMNS, COLUMNS)
    of = support_framed.slots(60, each_s=10.0, view=np.arange(60), gantry_deg=ANGLES)
    series = {
        "rotation": support_framed.framed(
            support_framed.ImageKind.TOMO, of, heads=(support_framed.head(0, 0.0),), pixels=pixels, rotation="CC",
            arc_deg=360.0, counts=views[None, None].astype(np.uint32),
        ),
        "rates": support_framed.framed(
            support_framed.ImageKind.DYNAMIC,
            support_framed.slots(len(counts), each_s=FRAME_S, time_slice=np.arange(len(counts))),
            heads=(support_framed.FRONT,), counts=np.array([spread_out(int(each)) for each in counts])[None, None],
        ),
        "sensitivity": support_framed.framed(
            support_framed.ImageKind.STATIC, support_framed.slots(1, each_s=STATIC_S), heads=(support_framed.FRONT,),
            counts=spread_out(dish)[None, None, None],
        ),
    }  # fmt: skip
    files = {
        name: str(next(iter(write_dicom(folder / f"{name}.dcm", each, support_framed.manifest()))))
        for name, each in series.items()
    }
    asked = folder / "asked.json"
    asked.write_text(json.dumps({**files, "frame_s": FRAME_S, "activity_mbq": MBQ}))
    command = (os.environ["SCANDAQ_PYLINAC"], str(PROGRAM), str(asked))
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert "RESULT " in done.stdout, done.stderr
    return dict(json.loads(done.stdout.split("RESULT ")[1]))


def compared(theirs: dict[str, float]) -> None:
    mine = ours()
    assert theirs["offset_from_edge_mm"] - COLUMNS * PIXEL / 2 == pytest.approx(OFFSET, abs=0.1)
    assert mine["offset_mm"] == pytest.approx(OFFSET, abs=0.1)
    assert theirs["residual_mm"] < 0.5  # what it calls the deviation: the offset is not in it
    assert theirs["highest_cps"] == pytest.approx(mine["maximum_cps"], rel=3e-3)
    assert theirs["cps_per_mbq"] == pytest.approx(mine["cps_per_mbq"], rel=2e-3)  # another half-life of Tc-99m
    assert mine["cps_per_mbq"] == pytest.approx(75.0, rel=1e-6)


def test_what_pylinac_said_is_what_we_say_but_for_the_offset_that_it_passes() -> None:
    compared(FROZEN)


@pytest.mark.skipif(
    "SCANDAQ_PYLINAC" not in os.environ,
    reason="SCANDAQ_PYLINAC names no python: make one by `python3.11 -m venv V; V/bin/pip install pylinac==3.49.*`",
)
def test_pylinac_still_says_so(tmp_path: Path) -> None:
    theirs = pylinacs(tmp_path)
    compared(theirs)
    assert theirs == pytest.approx(FROZEN, rel=1e-6)
