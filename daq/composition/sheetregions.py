"""What scikit-image does for pictures, with types: regions, borders, thresholds, slices from projections."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def part_around(mask: npt.NDArray[np.bool_], place: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the part [rows, columns] of a mask that hangs together with a pixel by its edges."""
    parts: npt.NDArray[np.int64] = _module("measure").label(mask, connectivity=1)
    found: npt.NDArray[np.bool_] = (parts == parts[place]) & mask
    return found


def from_the_edge(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the parts [rows, columns] of a mask that reach the edge of the image."""
    parts: npt.NDArray[np.int64] = _module("measure").label(mask, connectivity=1)
    edge = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    return np.asarray(np.isin(parts, edge[edge > 0]), np.bool_)


def borders(image: npt.NDArray[Any], level: float) -> list[Floats]:
    """Return the lines along which an image has a value, each [points, 2] of fractional row and column."""
    found: list[Floats] = _module("measure").find_contours(np.asarray(image, np.float64), level)
    return found


def smoothed(image: npt.NDArray[Any], fwhm_pixels: float) -> Floats:
    """Return the image smoothed by a Gaussian of that width at half its height, edges repeated."""
    sigma = fwhm_pixels / (2.0 * np.sqrt(2.0 * np.log(2.0)))
    found: Floats = _module("filters").gaussian(np.asarray(image, np.float64), sigma=sigma, mode="nearest")
    return found


def two_parts(image: npt.NDArray[Any]) -> float:
    """Return the value that divides an image into two kinds of pixels, by Otsu's method (IEEE SMC 9, 62, 1979)."""
    return float(_module("filters").threshold_otsu(image))


def slice_of(sinogram: Floats, theta_deg: Floats, *, window: str) -> Floats:
    """Return a slice [n, n] from a sinogram [n, angles] by filtered back-projection; `window` tames the ramp filter.

    Sample n // 2 is on the axis. The slice's row r and column c, counted from its middle, are at
    c cos(theta) - r sin(theta) of the projection at theta.
    """
    found: Floats = _module("transform").iradon(sinogram, theta=theta_deg, filter_name=window, circle=True)
    return found


def _module(name: str) -> Any:
    return import_module(f"skimage.{name}")
