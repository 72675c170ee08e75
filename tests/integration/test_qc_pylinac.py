"""pylinac, unmodified, and pictures of a vendor's camera as referees of uniformity.

pylinac 3.49 wants pydicom below 3, so it has an environment of its own: `SCANDAQ_PYLINAC` names its python
(`python -m venv ENV && ENV/bin/pip install pylinac==3.49.0`). `SCANDAQ_NMQC` names a folder with the test images of
github.com/glpoli/NMQC (`test images`): floods of a Mediso camera.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from support_nm_pictures import read_nm, synthetic, write_nm

from daq.qc.camera.flood import analysed_flood
from daq.qc.camera.floodrebin import added_up
from daq.qc.fields import FieldOfView, Floats, Mask
from daq.qc.uniformity import FloodUniformity, smoothed, uniformity_within

PROGRAM = Path(__file__).parent.parent / "pylinac_program.py"
RUN_S = 120
NAMES = tuple(f"{field}_{kind}_uniformity" for field in ("ufov", "cfov") for kind in ("integral", "differential"))


def pylinac(*pictures: Path) -> list[dict[str, Any]]:
    """Return what pylinac says of pictures."""
    python = os.environ.get("SCANDAQ_PYLINAC")
    if python is None:
        pytest.skip("pylinac wants pydicom below 3: set SCANDAQ_PYLINAC to the python of an environment that has it")
    run = subprocess.run(
        [python, str(PROGRAM), *map(str, pictures)], capture_output=True, text=True, timeout=RUN_S, check=True
    )
    said = json.loads(run.stdout.splitlines()[-1])
    return [said[str(picture)] for picture in pictures]


def mediso() -> tuple[Floats, float, Path]:
    """Return a flood of a real camera, its pixel and its file."""
    folder = os.environ.get("SCANDAQ_NMQC")
    if folder is None:
        pytest.skip("set SCANDAQ_NMQC to a folder with the test images of github.com/glpoli/NMQC")
    path = Path(folder) / "UNIFORMIDAD_1.dcm"
    picture, pixel_mm = read_nm(path)
    return picture, pixel_mm, path


def within(picture: Floats, said: dict[str, Any], pixel_mm: float) -> FloodUniformity:
    """Return our uniformity of the pixels that pylinac took."""
    return uniformity_within(picture, np.array(said["ufov"]), np.array(said["cfov"]), pixel_mm=pixel_mm)


def across_the_edge(picture: Floats, said: dict[str, Any]) -> float:
    """Return the integral uniformity of pylinac's field, smoothed as it does: before the field is cut out."""
    whole = smoothed(picture, np.ones(picture.shape, bool))[np.array(said["ufov"])]
    return float(100 * (whole.max() - whole.min()) / (whole.max() + whole.min()))


def test_uniformity_is_pylinacs_to_three_digits_within_the_same_fields(tmp_path: Path) -> None:
    seeds = range(11, 15)
    for seed, said in zip(
        seeds, pylinac(*(write_nm(tmp_path / f"{seed}.dcm", synthetic(seed), 6.4) for seed in seeds)), strict=True
    ):
        flood = synthetic(seed).astype(float)
        found = within(flood, said, 6.4)
        assert found.cfov.integral_percent == pytest.approx(said["cfov_integral_uniformity"], abs=5e-4)
        assert found.cfov.differential_percent == pytest.approx(said["cfov_differential_uniformity"], abs=5e-4)
        assert across_the_edge(flood, said) == pytest.approx(said["ufov_integral_uniformity"], abs=5e-4)


def test_a_real_flood_is_pylinacs_to_three_digits_in_its_pixels() -> None:
    """Mediso, 2.065 mm: pylinac doubles twice, to 8.26 mm."""
    picture, pixel_mm, path = mediso()
    (said,) = pylinac(path)

    found = within(added_up(picture, 4), said, 4 * pixel_mm)

    assert [said[name] for name in NAMES] == pytest.approx([2.377, 1.839, 2.377, 1.728], abs=5e-4)
    assert across_the_edge(added_up(picture, 4), said) == pytest.approx(said["ufov_integral_uniformity"], abs=5e-4)
    assert found.ufov.integral_percent == pytest.approx(2.453, abs=5e-4)  # as NEMA smooths, within the field
    assert found.cfov.integral_percent == pytest.approx(said["cfov_integral_uniformity"], abs=5e-4)
    assert found.cfov.differential_percent == pytest.approx(said["cfov_differential_uniformity"], abs=5e-4)


def lit(picture: Floats, edge: int) -> Mask:
    """Return the lit part of a picture, whose corners the vendor cuts off, less some pixels all around."""
    bright = picture > 0.75 * picture[picture > 0.1 * picture.max()].mean()
    return np.asarray(ndimage.binary_erosion(bright, iterations=edge))


@pytest.mark.parametrize(("factor", "cfov"), [(3, (3.034, 2.431)), (4, (2.377, 1.728))])
def test_a_real_flood_has_the_numbers_that_others_found(factor: int, cfov: tuple[float, float]) -> None:
    picture, pixel_mm, _ = mediso()
    small = added_up(picture, factor)
    rows, columns = small.shape
    central = FieldOfView(528.0, 392.0).central.pixels(rows, columns, pixel_mm * factor)

    found = uniformity_within(small, lit(small, 1), central, pixel_mm=pixel_mm * factor)

    assert (found.cfov.integral_percent, found.cfov.differential_percent) == pytest.approx(cfov, abs=5e-4)
    assert 2.3 < found.ufov.integral_percent < 3.5


def test_a_real_flood_has_no_fault_within_its_corners() -> None:
    picture, pixel_mm, _ = mediso()

    found = analysed_flood(picture, pixel_mm=pixel_mm, field=FieldOfView(423.0, 314.0))

    assert found.flood.factor == 3
    assert found.obstacles == ()
    assert found.spots is not None
    assert found.spots.found == ()
    assert found.lines == ()
    assert found.judged.ufov.integral_percent == pytest.approx(3.198, abs=5e-4)
