"""What a head sees of a patient: which view, what is left, right, up and down of its picture, and DICOM's words for it.

One table for all: how the patient lies x where the head stands x what the protocol calls the view. Pictures are as the
detector sees the patient, head up; none is mirrored. Codes are those of DICOM PS3.16, context groups 19 to 21, 26 and
4014. Axes are the patient's: L to the left, P to the back, H to the head (DICOM's LPS).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from daq.model.geometry import (
    TURN_DEG,
    VIEW_ANGLE_DEG,
    Laterality,
    PatientOrientation,
    View,
    patient_angle_deg,
    picture_axes,
    require_laterality,
)

Axis = tuple[float, float, float]

CARDINAL_DEG = 15.0
"""So far a head may be off the nominal angle of ANT, POST, LLAT or RLAT; a rule of ours, no standard has one."""
OBLIQUE_DEG = 40.0
"""Likewise for an oblique view: LAO is anything from 5 to 85 degrees off ANT. Its angle is in the picture's caption."""

_CARDINALS = (View.ANT, View.POST, View.LLAT, View.RLAT)
_SHOWN_FROM = 0.17
"""A side is named where it makes up so much of a direction: sine of 10 degrees."""
_HALF = 2.0**-0.5
NO_LETTERS = ("", "", "", "")


@dataclass(frozen=True, slots=True)
class Code:
    """A coded entry: DICOM's Code Value, Coding Scheme Designator and Code Meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Letters:
    """Which side of the patient each edge of a picture is: L, R, A, P, H (head), F (feet), the larger part first."""

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True, slots=True)
class Aspect:
    """How one head sees the patient. `right` and `down` are unit vectors in LPS: a picture's columns and rows grow so.

    `angle_deg` is DICOM's about the patient; None for a breast view, which has none about the trunk.
    """

    view: View
    angle_deg: float | None
    right: Axis
    down: Axis

    @property
    def towards(self) -> Axis:
        """Return the unit vector from the patient to the detector."""
        back = np.cross(self.down, self.right)
        return _axis(back)

    @property
    def letters(self) -> Letters:
        """Return the letters for the four edges."""
        left, up = (_axis(-np.asarray(way)) for way in (self.right, self.down))
        return Letters(_letters(left), _letters(self.right), _letters(up), _letters(self.down))

    @property
    def code(self) -> Code:
        """Return DICOM's code of the view (CID 26; the breast's cranio-caudal view of CID 4014)."""
        return VIEW_CODES[self.view]

    @property
    def image_orientation(self) -> tuple[float, ...]:
        """Return DICOM's Image Orientation (Patient) of a picture whose first row is the uppermost."""
        return (*self.right, *self.down)


@dataclass(frozen=True, slots=True)
class Lying:
    """How a patient lies, in DICOM's codes: orientation (CID 19), its modifier (CID 20), way in (CID 21)."""

    orientation: Code
    modifier: Code
    gantry: Code
    words: str


VIEW_CODES = MappingProxyType({
    View.ANT: Code("399321004", "SCT", "Anterior projection"),
    View.POST: Code("399001007", "SCT", "Posterior projection"),
    View.LLAT: Code("399118008", "SCT", "Left lateral projection"),
    View.RLAT: Code("399297009", "SCT", "Right lateral projection"),
    View.LAO: Code("399074003", "SCT", "Left anterior oblique"),
    View.RAO: Code("399108003", "SCT", "Right anterior oblique"),
    View.LPO: Code("399136008", "SCT", "Left posterior oblique"),
    View.RPO: Code("399075002", "SCT", "Right posterior oblique"),
    View.CC: Code("399162004", "SCT", "cranio-caudal"),
    View.MLO: Code("399268006", "SCT", "Medio-lateral oblique"),
})  # fmt: skip

_RECUMBENT = Code("102538003", "SCT", "recumbent")
_HEAD_FIRST, _FEET_FIRST = Code("102540008", "SCT", "headfirst"), Code("102541007", "SCT", "feet-first")
_POSTURES = {
    "S": (Code("40199007", "SCT", "supine"), "supine"),
    "P": (Code("1240000", "SCT", "prone"), "prone"),
    "DL": (Code("102536004", "SCT", "left lateral decubitus"), "on the left side"),
    "DR": (Code("102535000", "SCT", "right lateral decubitus"), "on the right side"),
}

# Breast views, as the protocols ask for them. CC: seen from below, the chest wall at the lower edge. MLO: seen from the
# outer side, 45 degrees from below, the arm-pit up. The patient is put so in front of the head, whatever the gantry.
_BREAST: dict[tuple[View, Laterality], tuple[Axis, Axis]] = {
    (View.CC, Laterality.LEFT): ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    (View.CC, Laterality.RIGHT): ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    (View.MLO, Laterality.LEFT): ((0.0, 1.0, 0.0), (-_HALF, 0.0, -_HALF)),
    (View.MLO, Laterality.RIGHT): ((0.0, -1.0, 0.0), (_HALF, 0.0, -_HALF)),
}


def lying(orientation: PatientOrientation) -> Lying:
    """Return how that is said in DICOM and in words."""
    modifier, words = _POSTURES[orientation[2:]]
    first, gantry = ("head first", _HEAD_FIRST) if orientation.startswith("H") else ("feet first", _FEET_FIRST)
    return Lying(_RECUMBENT, modifier, gantry, f"{first}, {words}")


def aspect_at(angle_deg: float, view: View | None = None) -> Aspect:
    """Return what a head at DICOM's angle about the patient sees. `view`: what the protocol calls it, else the nearest.

    A view's name does not turn the picture: the angle decides what is where.
    """
    right, up = picture_axes(angle_deg)
    return Aspect(view or nearest_view(angle_deg), angle_deg % TURN_DEG, _axis(right), _axis(-up))


def aspect_of(gantry_deg: float, orientation: PatientOrientation, view: View | None = None) -> Aspect:
    """Return what a head at an angle about the gantry sees of a patient who lies so."""
    return aspect_at(patient_angle_deg(gantry_deg, orientation), view)


def breast_aspect(view: View, laterality: Laterality | None) -> Aspect:
    """Return how a breast view is seen. Raises `RefusedError` without laterality."""
    require_laterality(view, laterality)
    right, down = _BREAST[view, laterality or Laterality.LEFT]
    return Aspect(view, None, right, down)


def seen(angle_deg: float | None, view: View | None, laterality: Laterality | None = None) -> Aspect | None:
    """Return what a head sees by what is known of it: its view of a breast, else its angle, else its view's; or None.

    Raises `RefusedError` for a breast view without laterality.
    """
    if view in (View.CC, View.MLO):
        return breast_aspect(view, laterality)
    if angle_deg is not None:
        return aspect_at(angle_deg, view)
    return None if view is None else aspect_at(VIEW_ANGLE_DEG[view], view)


def letters_seen(
    angle_deg: float | None, view: View | None, laterality: Laterality | None = None, *, patient: bool = True
) -> tuple[str, str, str, str]:
    """Return the letters at left, right, top and bottom of what a head sees, by what is known of it.

    They are empty where nobody said which breast it is, or how the head stood, and without a `patient` on the bed.
    """
    if not patient or (view in (View.CC, View.MLO) and laterality is None):
        return NO_LETTERS
    aspect = seen(angle_deg, view, laterality)
    if aspect is None:
        return NO_LETTERS
    letters = aspect.letters
    return (letters.left, letters.right, letters.top, letters.bottom)


def nearest_view(angle_deg: float) -> View:
    """Return the view of the trunk whose nominal angle is nearest; between two of them the cardinal one."""
    return min(VIEW_ANGLE_DEG, key=lambda view: (round(_apart_deg(angle_deg, view), 6), view not in _CARDINALS))


def view_check(view: View, *, head: str, gantry_deg: float, orientation: PatientOrientation) -> str | None:
    """Return in words why a head that stands at `gantry_deg` about the gantry does not see `view`; None where it does.

    `gantry_deg` is the head's own angle plus that of the gantry. A breast view is a matter of how the patient stands in
    front of the head, and no angle speaks against it.
    """
    if view not in VIEW_ANGLE_DEG:
        return None
    angle_deg = patient_angle_deg(gantry_deg, orientation)
    if _apart_deg(angle_deg, view) <= (CARDINAL_DEG if view in _CARDINALS else OBLIQUE_DEG):
        return None
    return (
        f"head {head} stands at {gantry_deg % TURN_DEG:g} deg of the gantry; a patient {lying(orientation).words} "
        f"({orientation}) faces it with {nearest_view(angle_deg)} ({angle_deg:g} deg), not with {view}"
    )


def views_check(
    views: Sequence[View], heads: Iterable[tuple[str, float]], orientation: PatientOrientation
) -> tuple[str, ...]:
    """Return what is wrong with the views of a step, one for each head in the order of their numbers.

    `heads`: name and angle about the gantry of each. A single view is that of the first head.
    """
    wrong = (
        view_check(view, head=name, gantry_deg=gantry_deg, orientation=orientation)
        for view, (name, gantry_deg) in zip(views, heads, strict=False)
    )
    return tuple(sentence for sentence in wrong if sentence is not None)


def orientation_table(step_deg: int = 45) -> Iterator[tuple[PatientOrientation, int, Aspect]]:
    """Yield the table: how the patient lies, where the head stands about the gantry, what it sees."""
    for orientation in PatientOrientation:
        for gantry_deg in range(0, int(TURN_DEG), step_deg):
            yield orientation, gantry_deg, aspect_of(gantry_deg, orientation)


def _apart_deg(angle_deg: float, view: View) -> float:
    """Return how far an angle is from the nominal one of a view, the shorter way round."""
    apart = abs(angle_deg - VIEW_ANGLE_DEG[view]) % TURN_DEG
    return min(apart, TURN_DEG - apart)


def _axis(vector: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Axis:
    """Return a vector without rounding of the last digits and without minus zero."""
    x, y, z = (round(float(part), 12) + 0.0 for part in vector)
    return x, y, z


def _letters(way: Axis) -> str:
    """Return the sides of the patient a direction points to, the larger part first."""
    named = zip(way, ("RL", "AP", "FH"), strict=True)
    parts = [(abs(part), sides[part > 0]) for part, sides in named if abs(part) > _SHOWN_FROM]
    return "".join(letter for _, letter in sorted(parts, key=lambda each: -round(each[0], 9)))
