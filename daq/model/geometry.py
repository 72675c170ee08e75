"""Where things are: views, angles, patient and gantry axes, pixels, lines of response.

Patient axes are DICOM's LPS: x to the patient's left, y to the back, z to the head; millimetres. Gantry axes, seen by
an observer who faces the side where the table enters: x to the right, y down, z into the gantry (ACR-NEMA 300-1985,
section 5.2.5). Angles are DICOM's (PS3.3 C.8.4.11, Start Angle): 0 degrees is a detector at the patient's back, and
the angle grows counter-clockwise as seen from the feet: 90 is the left side, 180 anterior, 270 the right side.
"""

from __future__ import annotations

import math
from enum import StrEnum
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError

FloatArray = npt.NDArray[np.float64]

LIGHT_MM_PER_PS = 0.299792458
"""Speed of light, exact by the definition of the metre."""

TURN_DEG = 360.0


class View(StrEnum):
    """A planar view, named by the side of the patient that faces the detector. CC and MLO are views of one breast."""

    ANT = "ANT"
    POST = "POST"
    LLAT = "LLAT"
    RLAT = "RLAT"
    LAO = "LAO"
    RAO = "RAO"
    LPO = "LPO"
    RPO = "RPO"
    CC = "CC"
    MLO = "MLO"


class Laterality(StrEnum):
    """Side of the body. Mandatory for breasts and limbs."""

    LEFT = "L"
    RIGHT = "R"


class Rotation(StrEnum):
    """Direction of rotation, DICOM (0018,1140): counter-clockwise lets the angle grow, clockwise lets it fall."""

    CC = "CC"
    CW = "CW"


class PatientOrientation(StrEnum):
    """How the patient lies: head or feet first; supine, prone, or on the left or right side (decubitus)."""

    HFS = "HFS"
    HFP = "HFP"
    HFDL = "HFDL"
    HFDR = "HFDR"
    FFS = "FFS"
    FFP = "FFP"
    FFDL = "FFDL"
    FFDR = "FFDR"


VIEW_ANGLE_DEG = MappingProxyType({
    View.POST: 0.0, View.LPO: 45.0, View.LLAT: 90.0, View.LAO: 135.0,
    View.ANT: 180.0, View.RAO: 225.0, View.RLAT: 270.0, View.RPO: 315.0,
})  # fmt: skip
"""Nominal angle of each view of the trunk; obliques are at 45 degrees unless the protocol says otherwise."""

# Where the gantry's x, y and z axes point, in the patient's L, P, S. The side that is lain on points down, along y.
_GANTRY_TO_LPS: dict[PatientOrientation, tuple[tuple[int, int, int], ...]] = {
    PatientOrientation.HFS: ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    PatientOrientation.HFP: ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    PatientOrientation.HFDL: ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    PatientOrientation.HFDR: ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
    PatientOrientation.FFS: ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    PatientOrientation.FFP: ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    PatientOrientation.FFDL: ((0, 1, 0), (1, 0, 0), (0, 0, -1)),
    PatientOrientation.FFDR: ((0, -1, 0), (-1, 0, 0), (0, 0, -1)),
}


def require_laterality(view: View, laterality: Laterality | None) -> None:
    """Raise `RefusedError` when a breast view does not say which breast."""
    if view in (View.CC, View.MLO) and laterality is None:
        raise RefusedError(f"view {view}: a breast view needs its laterality, L or R")


def view_angle_deg(view: View) -> float:
    """Return the nominal angle of `view`, or raise `RefusedError` for a breast view, which has none."""
    if view not in VIEW_ANGLE_DEG:
        raise RefusedError(f"view {view}: it has no angle about the trunk")
    return VIEW_ANGLE_DEG[view]


def detector_direction(angle_deg: float) -> FloatArray:
    """Return the unit vector [3] in LPS from the rotation axis to a detector at `angle_deg`."""
    angle = math.radians(angle_deg)
    return np.array([math.sin(angle), math.cos(angle), 0.0])


def picture_axes(angle_deg: float) -> tuple[FloatArray, FloatArray]:
    """Return the unit vectors [3] in LPS of a picture's right and up, as the detector sees it, head up.

    ANT has the patient's left at the viewer's right, POST the patient's right; no picture is mirrored.
    """
    up = np.array([0.0, 0.0, 1.0])
    return np.cross(-detector_direction(angle_deg), up), up


def step_angle_deg(start_deg: float, step_deg: float, index: int, rotation: Rotation) -> float:
    """Return the angle of step `index`, 0 <= angle < 360. `step_deg` is positive, as in DICOM (0018,1144)."""
    if step_deg <= 0:
        raise RefusedError(f"angular step {step_deg:g} deg: it must be above zero; the direction is CC or CW")
    sign = 1.0 if rotation is Rotation.CC else -1.0
    return _one_turn(start_deg + sign * step_deg * index)


def gantry_to_lps(orientation: PatientOrientation) -> FloatArray:
    """Return the rotation matrix [3, 3] that turns gantry axes into patient axes: `lps = matrix @ gantry`."""
    return np.array(_GANTRY_TO_LPS[orientation], np.float64).T


def patient_angle_deg(gantry_deg: float, orientation: PatientOrientation) -> float:
    """Return the DICOM angle about the patient of a detector at `gantry_deg` about the gantry, 0 <= angle < 360.

    The gantry's angle is measured alike: 0 is below the table, 90 at the right of an observer facing the gantry.
    """
    left, posterior, _ = _GANTRY_TO_LPS[orientation][1]
    below_deg = math.degrees(math.atan2(left, posterior))
    same = patient_rotation(Rotation.CC, orientation) is Rotation.CC
    return _one_turn(below_deg + (gantry_deg if same else -gantry_deg))


def patient_rotation(gantry: Rotation, orientation: PatientOrientation) -> Rotation:
    """Return the direction about the patient: feet first turns it round, for it is seen from the other end."""
    if orientation.startswith("H"):
        return gantry
    return Rotation.CW if gantry is Rotation.CC else Rotation.CC


def index_to_mm(index: npt.ArrayLike, count: int, pixel_mm: float) -> FloatArray:
    """Return the position of pixel centres along one axis; the middle of the field, (count - 1) / 2, is 0 mm."""
    return (np.asarray(index, np.float64) - (count - 1) / 2.0) * pixel_mm


def mm_to_index(position_mm: npt.ArrayLike, count: int, pixel_mm: float) -> FloatArray:
    """Return fractional pixel indices: a pixel i reaches from i - 0.5 to i + 0.5. The inverse of `index_to_mm`."""
    return np.asarray(position_mm, np.float64) / pixel_mm + (count - 1) / 2.0


def line_length_mm(a_mm: npt.ArrayLike, b_mm: npt.ArrayLike) -> FloatArray:
    """Return the lengths [...] of lines of response between points [..., 3]."""
    return np.asarray(np.linalg.norm(np.asarray(b_mm, np.float64) - np.asarray(a_mm, np.float64), axis=-1))


def light_time_ps(length_mm: npt.ArrayLike) -> FloatArray:
    """Return how long light takes over each length."""
    return np.asarray(length_mm, np.float64) / LIGHT_MM_PER_PS


def minimum_half_window_ps(longest_line_mm: float, *, timing_sigma_ps: float = 0.0) -> int:
    """Return the smallest coincidence half window that loses no true pair, rounded up.

    Two photons of one annihilation differ at most by the light time of the longest accepted line inside the field of
    view, plus three standard deviations of the timing between two detectors. A field of 70 cm needs 2335 ps.
    """
    return math.ceil(longest_line_mm / LIGHT_MM_PER_PS + 3.0 * timing_sigma_ps)


def tof_to_mm(tof_ps: npt.ArrayLike) -> FloatArray:
    """Return how far from the middle of its line an annihilation lies, towards `detector_a`.

    `tof_ps` is t_b - t_a: positive means that a was hit first. 1 ps is 0.1499 mm.
    """
    return np.asarray(tof_ps, np.float64) * (LIGHT_MM_PER_PS / 2.0)


def mm_to_tof_ps(offset_mm: npt.ArrayLike) -> FloatArray:
    """Return `tof_ps` of an annihilation `offset_mm` from the middle towards `detector_a`."""
    return np.asarray(offset_mm, np.float64) * (2.0 / LIGHT_MM_PER_PS)


def _one_turn(angle_deg: float) -> float:
    turned = angle_deg % TURN_DEG
    return 0.0 if turned == TURN_DEG else turned  # what is left of a tiny negative angle rounds to a whole turn
