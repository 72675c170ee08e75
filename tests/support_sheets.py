"""Series whose counts are those of discs at known places of a patient: what a page of pictures is held against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from support_framed import FRONT, S_PS, beats, framed, head, slots

from daq.model.framed import Framed, ImageKind, Pixels
from daq.model.geometry import View, picture_axes

Spot = tuple[float, float, float, float, float]
"""x (left), y (back), z (head) of the patient in mm, radius in mm, counts a second."""
BODY: tuple[Spot, ...] = (
    (60.0, -40.0, 50.0, 25.0, 3000.0),
    (-70.0, 30.0, -60.0, 15.0, 2000.0),
    (0.0, 60.0, 0.0, 12.0, 1500.0),
)
PIXELS = Pixels(-128.0, -128.0, 4.0, 64, 64)


def seen_from(
    spots: Sequence[Spot], angle_deg: float, pixels: Pixels, live_s: float, *, up_mm: float = 0.0
) -> npt.NDArray[np.float64]:
    """Return expected counts [rows, columns] by parallel rays, nothing in the way, of a patient moved up so far."""
    right, _ = picture_axes(angle_deg)
    across = pixels.x0_mm + (np.arange(pixels.columns) + 0.5) * pixels.pixel_mm
    up = pixels.y0_mm + (np.arange(pixels.rows) + 0.5) * pixels.pixel_mm - up_mm
    made = np.zeros((pixels.rows, pixels.columns))
    for x, y, z, radius, rate in spots:
        centre = x * right[0] + y * right[1]
        shape = np.exp(-((across[None, :] - centre) ** 2 + (up[:, None] - z) ** 2) / (2 * (radius / 2) ** 2))
        made += shape * rate * live_s / shape.sum()
    return made


def rotation(
    spots: Sequence[Spot] = BODY, *, views: int = 30, moved_mm: float = 0.0, live_s: Sequence[float] | None = None,
    pixels: Pixels = PIXELS,
) -> Framed:  # fmt: skip
    """Return projections of two heads that turn by 180 degrees; the patient moves up in the middle."""
    turn, lasts = np.arange(views) * 180.0 / views, live_s or [10.0] * views
    counts = np.array([
        [seen_from(spots, start + turn[n], pixels, lasts[n], up_mm=moved_mm * (2 * n >= views)) for n in range(views)]
        for start in (180.0, 0.0)
    ])  # fmt: skip
    of = slots(views, view=np.arange(views), gantry_deg=turn)
    of = replace(of, live_ps=(np.array(lasts) * S_PS).astype(np.int64))
    return framed(
        ImageKind.TOMO, of, counts=np.rint(counts)[:, None].astype(np.uint32), pixels=pixels, rotation="CC",
        arc_deg=180.0, heads=(head(0, 180.0), head(1, 0.0)),
    )  # fmt: skip


def beating(*, bins: int = 16, ejection: float = 0.6, noise: int | None = None) -> Framed:
    """Return a gated view of a disc whose counts fall by `ejection` and come back, before a body that stays."""
    volume = 1.0 - ejection * 0.5 * (1.0 - np.cos(2 * math.pi * (np.arange(bins) + 0.5) / bins))
    heart = seen_from([(40.0, -40.0, 20.0, 30.0, 4000.0)], 135.0, PIXELS, 15.0)
    still = seen_from([(-40.0, 0.0, -60.0, 50.0, 3000.0), (0.0, 0.0, 0.0, 200.0, 4000.0)], 135.0, PIXELS, 15.0)
    expected = heart[None] * volume[:, None, None] + still[None]
    counts = np.rint(expected) if noise is None else np.random.default_rng(noise).poisson(expected)
    return framed(
        ImageKind.GATED, slots(bins, each_s=240.0, live_s=15.0, time_slot=np.arange(bins)), pixels=PIXELS,
        counts=counts[None, None].astype(np.uint32), heads=(head(0, 135.0, View.LAO),), beats=beats(bins),
    )  # fmt: skip


def transmission(radius_mm: float = 80.0) -> Framed:
    """Return a transmission of a disc that lets a fifth through, its middle 20 mm to the right and 30 mm down."""
    at_mm = PIXELS.x0_mm + (np.arange(64) + 0.5) * PIXELS.pixel_mm
    inside = np.hypot(at_mm[None, :] - 20.0, at_mm[:, None] + 30.0) < radius_mm
    counts = np.random.default_rng(1).poisson(np.where(inside, 8.0, 40.0))
    return framed(
        ImageKind.STATIC, slots(1), pixels=PIXELS, heads=(FRONT,), role="transmission",
        counts=counts[None, None, None].astype(np.uint32),
    )  # fmt: skip
