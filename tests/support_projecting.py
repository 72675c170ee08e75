"""A patient with one feature in each octant, seen by a gamma camera through gantry axes alone.

Nothing here uses the table of orientations, or angles about the patient: sources are put into the room by the way the
patient lies, and a head sees them as the room has it. Pictures are turned by half a turn where feet go in first.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from support_framed import framed, head, slots

from daq.model.framed import Framed, HeadSeen, ImageKind, Pixels
from daq.model.geometry import PatientOrientation, Rotation, gantry_to_lps, patient_angle_deg, patient_rotation

Floats = npt.NDArray[np.float64]
PIXEL_MM = 6.0
PIXELS = Pixels.centred(64 * PIXEL_MM, 64 * PIXEL_MM, PIXEL_MM)
BLUR_MM = 8.0
RADIUS_MM = 180.0

OCTANTS_MM: Floats = np.array([
    (left * (50.0 + 6 * i), back * (38.0 + 4 * i), up * (75.0 - 5 * i))
    for i, (left, back, up) in enumerate(product((-1.0, 1.0), repeat=3))
])  # fmt: skip
"""Sources [8, 3] in LPS: no two are mirror images of each other in any plane."""
STRENGTHS: Floats = np.arange(1.0, 9.0)


def as_built(lps_mm: Floats, gantry_deg: float, orientation: PatientOrientation, bed_mm: float = 0.0) -> Floats:
    """Return x across and y into the gantry [n, 2] of sources, as a head at `gantry_deg` about the gantry has them.

    Gantry axes: x to the right of who faces it, y down, z into it; 0 degrees is below the table, 90 to the right. The
    bed's position grows into the gantry, and the patient's origin is under the detector while it stands at 0.
    """
    room = lps_mm @ gantry_to_lps(orientation) + np.array([0.0, 0.0, bed_mm])  # the inverse of a rotation
    angle = np.radians(gantry_deg)
    x_mm = room[:, :2] @ np.array([-np.cos(angle), np.sin(angle)])  # to the right of who looks towards the axis
    return np.stack([x_mm, room[:, 2]], axis=1)


def seen_in_room(lps_mm: Floats, gantry_deg: float, orientation: PatientOrientation, bed_mm: float = 0.0) -> Floats:
    """Return x to the right and y up [n, 2] of sources on the picture, head up."""
    built = as_built(lps_mm, gantry_deg, orientation, bed_mm)
    return built if orientation.startswith("H") else -built


def picture(
    gantry_deg: float, orientation: PatientOrientation, bed_mm: float = 0.0, pixels: Pixels = PIXELS
) -> npt.NDArray[np.uint32]:
    """Return counts [rows, columns] of the sources, blurred, the lowest row first."""
    places = seen_in_room(OCTANTS_MM, gantry_deg, orientation, bed_mm)
    across = pixels.x0_mm + (np.arange(pixels.columns) + 0.5) * pixels.pixel_mm
    up = pixels.y0_mm + (np.arange(pixels.rows) + 0.5) * pixels.pixel_mm
    of_x = np.exp(-(((across - places[:, :1]) / BLUR_MM) ** 2) / 2)
    of_y = np.exp(-(((up - places[:, 1:]) / BLUR_MM) ** 2) / 2)
    return np.rint(np.einsum("n,ny,nx->yx", 200 * STRENGTHS, of_y, of_x)).astype(np.uint32)


def rotation_of(
    orientation: PatientOrientation, gantry: Rotation, *, views: int = 32, arc_deg: float = 360.0,
    starts_deg: tuple[float, ...] = (180.0,), bed_mm: float = 0.0, **given: Any,
) -> Framed:  # fmt: skip
    """Return the projections of a rotation of the gantry, one head for each place where one begins."""
    sign = 1.0 if gantry is Rotation.CC else -1.0
    turned = sign * arc_deg / views * np.arange(views)
    counts = np.array([[[picture(start + each, orientation, bed_mm) for each in turned]] for start in starts_deg])
    heads = tuple(_head(number, start, orientation) for number, start in enumerate(starts_deg))
    of = slots(views, each_s=20.0, view=np.arange(views), gantry_deg=turned, bed_mm=np.full(views, bed_mm))
    return framed(
        ImageKind.TOMO, of, heads=heads, pixels=PIXELS, counts=counts, orientation=orientation, arc_deg=arc_deg,
        rotation=str(patient_rotation(gantry, orientation)), **given,
    )  # fmt: skip


def planar_of(orientation: PatientOrientation, gantry_deg: float, *, bed_mm: float = 0.0) -> Framed:
    """Return a static view of one head."""
    counts = picture(gantry_deg, orientation, bed_mm)[None, None, None]
    of = slots(1, bed_mm=[bed_mm])
    return framed(
        ImageKind.STATIC, of, heads=(_head(0, gantry_deg, orientation),), pixels=PIXELS, counts=counts,
        orientation=orientation,
    )  # fmt: skip


def _head(number: int, gantry_deg: float, orientation: PatientOrientation) -> HeadSeen:
    of = head(number, patient_angle_deg(gantry_deg, orientation))
    return replace(of, width_mm=384.0, height_mm=384.0, radius_mm=(RADIUS_MM,))
