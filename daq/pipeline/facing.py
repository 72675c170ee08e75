"""What a head faced: by where it is on the scanner and where the gantry was, or nothing that anybody knows.

A gantry that was not told anywhere is nowhere: it is never taken to stand at 0.
"""

from __future__ import annotations

import math

from daq.model.geometry import TURN_DEG, VIEW_ANGLE_DEG, PatientOrientation, View, patient_angle_deg
from daq.model.orientation import view_check
from daq.pipeline.seriesrule import HeadFacts

GANTRY, BED = "gantry", "bed"
_NEAR_DEG = 22.5
NOT_RECORDED = "gantry angle not recorded"
BREAST_VIEWS = frozenset(View) - VIEW_ANGLE_DEG.keys()
"""Those for which the patient is put before the head, whatever its angle."""


def faced(
    head: HeadFacts, gantry_deg: float, wanted: View | None, *, orientation: PatientOrientation, turns: bool
) -> tuple[float | None, View | None, str]:
    """Return the angle about the patient, the view, and what a person must know of both, "" where all is well.

    `gantry_deg`: NaN where that is not known. `wanted`: the view by the protocol. `turns`: a gantry turns the head.
    Geometry decides: a view that the angle contradicts is not that view. Heads that nothing turns stand as the scanner
    profile has them; one that the protocol has elsewhere was put there by hand, and its view is the protocol's.
    """
    if head.angle_deg is None:
        return None, wanted, ""
    if math.isnan(gantry_deg) and turns:
        return _nowhere(head, wanted)
    at_deg = head.angle_deg + (0.0 if math.isnan(gantry_deg) else gantry_deg)
    angle_deg = patient_angle_deg(at_deg % TURN_DEG, orientation)
    wrong = wanted and view_check(wanted, head=head.name, gantry_deg=at_deg, orientation=orientation)
    if not wrong:
        return angle_deg, wanted or _view_at(angle_deg), ""
    if math.isnan(gantry_deg):
        return None, wanted, f"{wrong}: it is taken to have been put by hand where the protocol says"
    return angle_deg, _view_at(angle_deg), wrong


def _nowhere(head: HeadFacts, wanted: View | None) -> tuple[None, View | None, str]:
    """Return what is known without the gantry: a breast view, for which the patient is put before the head."""
    if wanted in BREAST_VIEWS:
        return None, wanted, ""
    asked = f"; the protocol asks for {wanted}" if wanted is not None else ""
    return None, None, f"head {head.name or head.number}: {NOT_RECORDED}, so what it faced is not known{asked}"


def _view_at(angle_deg: float) -> View | None:
    """Return the view whose nominal angle is nearest."""
    for view, nominal in VIEW_ANGLE_DEG.items():
        away = abs((angle_deg - nominal + TURN_DEG / 2) % TURN_DEG - TURN_DEG / 2)
        if away < _NEAR_DEG:
            return view
    return None
