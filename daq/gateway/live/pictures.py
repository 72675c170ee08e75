"""How a picture of the readout becomes one to be painted: cut to the field, first row on top, fit for a canvas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

_MOST_U16 = 65535


def upright(
    image: npt.NDArray[Any], frame: Mapping[str, Any], field_mm: Sequence[float] | None, *, turned: bool
) -> npt.NDArray[Any]:
    """Return an image [..., rows, columns] of a detector within its field, the first row on top.

    `turned`: by half a turn, so that the head of a patient who lies feet first is up. It is never mirrored.
    """
    if field_mm is not None:
        image = image[
            ...,
            _inside(frame["y0_mm"], frame["pixel_mm"], image.shape[-2], field_mm[1]),
            _inside(frame["x0_mm"], frame["pixel_mm"], image.shape[-1], field_mm[0]),
        ]
    return image[..., :, ::-1] if turned else image[..., ::-1, :]


def binned(image: npt.NDArray[Any], most: int) -> tuple[npt.NDArray[Any], int]:
    """Return an image [..., rows, columns] with at most `most` pixels a side, and how many became one along each."""
    by = -(-max(image.shape[-2:]) // most)
    if by <= 1:
        return image, 1
    rows, columns = image.shape[-2:]
    *others, down, across = (*image.shape[:-2], -(-rows // by), -(-columns // by))
    padded = np.zeros((*others, down * by, across * by), np.float64 if image.dtype.kind == "f" else np.uint64)
    padded[..., :rows, :columns] = image
    return padded.reshape(*others, down, by, across, by).sum(axis=(-3, -1)), by


def scaled(image: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint16], float]:
    """Return an image as uint16, and by how much each is to be multiplied: 1 where whole counts fit."""
    most = float(image.max(initial=0))
    if image.dtype.kind == "u" and most <= _MOST_U16:
        return image.astype(np.uint16), 1.0
    if not most > 0:
        return np.zeros(image.shape, np.uint16), 1.0
    by = most / _MOST_U16
    return (image * (1.0 / by) + 0.5).astype(np.uint16), by


@lru_cache(maxsize=64)
def _inside(begin_mm: float, pixel_mm: float, count: int, side_mm: float) -> slice:
    """Return the pixels whose middle lies inside of a field that is `side_mm` long; all where none does."""
    middles = begin_mm + (np.arange(count) + 0.5) * pixel_mm
    inside = np.flatnonzero(np.abs(middles) < side_mm / 2)
    return slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, count)
