"""Centre of rotation: the axis on each head, head against head, and angles, by point sources seen all the way round."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from daq.composition.qc.geometrysheet import Sheet, collimator, recordings, series, window_place
from daq.errors import RefusedError
from daq.model.framed import Framed, HeadSeen, ImageKind, head_first
from daq.model.qc.analyses_spect import ROTATION
from daq.model.qc.figures import Curve
from daq.pipeline.tomography import angles_deg
from daq.qc.camera.alignment import HeadAlignment, HeadsApart, arc_deg, head_alignment, heads_apart, tracks
from daq.qc.camera.angles import angle_scale, even_steps
from daq.qc.camera.points import REACH_MM
from daq.qc.fields import Floats

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.model.qc.figures import Findings

_WHOLE_TURN_DEG = 355.0
_SCATTERED = 3.0
"""Chi squared per degree of freedom beyond which what remains is no noise."""


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    head: HeadSeen
    angle_deg: Floats
    found: HeadAlignment


def centre_of_rotation(material: Material) -> Findings:
    """Return offsets, residuals and axial shifts of heads, and how heads differ, for each series of projections."""
    sheet = Sheet(ROTATION)
    for directory in recordings(material):
        found, manifest = series(directory, ImageKind.TOMO)
        for made in found:
            _series(sheet, material, made, collimator(manifest))
    return sheet.findings()


def _series(sheet: Sheet, material: Material, made: Framed, mounted: str) -> None:
    angles = angles_deg(made)
    if not made.completed:
        sheet.obstacles.append(f"{made.name}: not all of its views were taken")
    about = f"{mounted}, {_arrangement(made)}"
    heads = []
    for place, head in enumerate(made.heads):
        subject = f"head {head.number}, {about}"
        with sheet.judging(subject):
            heads.append(_head(sheet, material, made, place, angles[place]))
            _told(sheet, subject, made, heads[-1])
    for first, second in combinations(heads, 2):
        subject = f"heads {first.head.number} and {second.head.number}, {about}"
        with sheet.judging(subject):
            _apart(sheet, subject, heads_apart(first.found, second.found), made, [first.found, second.found])
    if heads:
        _angles(sheet, about, made, heads)


def _arrangement(made: Framed) -> str:
    """Return how heads stand to each other: a part of the subject, for the axis may differ with it."""
    angles = [head.angle_deg for head in made.heads]
    if len(angles) < 2 or any(angle is None for angle in angles):  # noqa: PLR2004 - a pair
        return "one head"
    first = angles[0] or 0.0
    apart = [min((each - first) % 360.0, (first - each) % 360.0) for each in angles[1:] if each is not None]
    return f"heads at {', '.join(f'{each:.0f}' for each in apart)} degrees"


def _head(sheet: Sheet, material: Material, made: Framed, place: int, angle_deg: Floats) -> _Head:
    head = made.heads[place]
    if not np.isfinite(angle_deg).all():
        raise RefusedError("at which angles its projections were taken is not known")
    counts = made.counts[place, window_place(material, made)].astype(np.float64)
    pixels = made.pixels
    width, height = head.width_mm or np.inf, head.height_mm or np.inf
    found = tracks(
        counts, pixels.pixel_mm, width_mm=min(width, pixels.columns * pixels.pixel_mm),
        height_mm=min(height, pixels.rows * pixels.pixel_mm), reach_mm=material.number("reach_mm", REACH_MM),
    )  # fmt: skip
    aligned = head_alignment(angle_deg, found)
    sheet.curves.append(_curve(head.number, angle_deg, aligned, found[0].x_mm))
    return _Head(head, angle_deg, aligned)


def _told(sheet: Sheet, subject: str, made: Framed, of: _Head) -> None:
    """Write the figures of a head. Pictures are head up; the detector itself is upside down where feet go first."""
    found = of.found
    way = 1.0 if head_first(made.orientation) else -1.0
    counts = found.fewest_counts
    sheet.add("offset", subject, way * found.offset_mm, noise=found.offset_noise_mm, counts=counts)
    sheet.add("residual", subject, found.residual_mm, noise=found.residual_noise_mm, counts=counts)
    sheet.add("axial_shift", subject, found.axial_mm, noise=found.axial_noise_mm, counts=counts)
    if len(found.sources) > 1:
        noise = math.hypot(found.sources[0].offset_noise_mm, found.sources[-1].offset_noise_mm)
        sheet.add("offset_range", subject, found.offset_range_mm, noise=noise, counts=counts)
    arc = arc_deg(of.angle_deg)
    if arc < _WHOLE_TURN_DEG:
        sheet.remarks.append(
            f"{subject}: its views cover {arc:.0f} degrees; a whole turn tells the axis from a source that moves"
        )
    worst = max(one.chi2_per_freedom for one in found.sources)
    if worst > _SCATTERED:
        sheet.remarks.append(
            f"{subject}: what remains is {worst**0.5:.1f} times what counting gives: the head or the source does not "
            "hold its place"
        )


def _apart(sheet: Sheet, subject: str, found: HeadsApart, made: Framed, heads: list[HeadAlignment]) -> None:
    way = 1.0 if head_first(made.orientation) else -1.0
    counts = min(each.fewest_counts for each in heads)
    sheet.add("offset_difference", subject, way * found.offset_mm, noise=found.offset_noise_mm, counts=counts)
    sheet.add("transverse_difference", subject, found.transverse_mm, noise=found.transverse_noise_mm, counts=counts)
    sheet.add("axial_difference", subject, way * found.axial_mm, noise=found.axial_noise_mm, counts=counts)


def _angles(sheet: Sheet, about: str, made: Framed, heads: list[_Head]) -> None:
    """Write how even the steps of the encoder are, and whether pictures turn as much as the encoder says."""
    told = made.slots.gantry_deg
    if np.isfinite(told).all():
        sheet.add("angle_step", about, even_steps(told))
    else:
        sheet.remarks.append(f"{about}: where the gantry stood was not recorded; angles are those of the protocol")
    for each in heads:
        subject = f"head {each.head.number}, {about}"
        scales = [angle_scale(each.angle_deg, fit) for fit in each.found.sources if fit.radius_mm > REACH_MM]
        if not scales:
            sheet.remarks.append(
                f"{subject}: no source is more than {REACH_MM:g} mm off the axis: angles are not checked"
            )
            continue
        value, noise = min(scales, key=lambda one: one[1])
        sheet.add("angle_scale", subject, value, noise=noise, counts=each.found.fewest_counts)


def _curve(number: int, angle_deg: Floats, aligned: HeadAlignment, x_mm: Floats) -> Curve:
    order = np.argsort(angle_deg)
    fit = aligned.sources[0]
    return Curve(
        f"Point source, head {number}", angle_deg[order], x_mm[order], "angle about the patient, degrees",
        "x on the picture, mm", (x_mm - fit.off_mm)[order], {},
    )  # fmt: skip
