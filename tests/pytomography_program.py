"""Run by an interpreter that has PyTomography: reconstruct each file and say how bright its places are.

Argument: a JSON file with `files`, and `places_mm` in LPS; prints for each file the centres of brightness near them, in
LPS, and their share of the whole. Voxels are counted from the axis; the lowest slice is where the first pixel says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pydicom
from pytomography.algorithms import OSEM
from pytomography.io.SPECT import dicom
from pytomography.likelihoods import PoissonLogLikelihood
from pytomography.projectors.SPECT import SPECTSystemMatrix

SEARCH_MM = 30.0


def reconstructed(file: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a volume [x, y, z] and the LPS places of its voxels' centres by axis."""
    about_object, about_projections = dicom.get_metadata(file)
    projections = dicom.get_projections(file)
    matrix = SPECTSystemMatrix([], [], about_object, about_projections)
    volume = OSEM(PoissonLogLikelihood(matrix, projections))(n_iters=3, n_subsets=8).cpu().numpy()
    read = pydicom.dcmread(file, stop_before_pixels=True)
    spacing = float(read.PixelSpacing[0])
    lowest = float(read.DetectorInformationSequence[0].ImagePositionPatient[2]) - (read.Rows - 1) * spacing
    x_mm, y_mm = ((np.arange(size) - (size - 1) / 2) * spacing for size in volume.shape[:2])
    return volume, np.array([x_mm, y_mm, lowest + np.arange(volume.shape[2]) * spacing])


def found_near(volume: np.ndarray, places: np.ndarray, place_mm: np.ndarray) -> tuple[list[float], float]:
    """Return the centre of brightness within 30 mm of a place, and the sum there."""
    near = [np.abs(axis - at) <= SEARCH_MM for axis, at in zip(places, place_mm, strict=True)]
    part = volume[np.ix_(*near)]
    total = float(part.sum())
    centre = [
        float((part.sum(axis=tuple({0, 1, 2} - {axis})) * places[axis][near[axis]]).sum() / total) for axis in range(3)
    ]
    return centre, total


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    said = []
    for file in asked["files"]:
        volume, places = reconstructed(file)
        found = [found_near(volume, places, np.array(place)) for place in asked["places_mm"]]
        said.append(
            {"centres": [centre for centre, _ in found], "sums": [total / float(volume.sum()) for _, total in found]}
        )
    print("RESULT " + json.dumps(said))


if __name__ == "__main__":
    main()
