"""Analyses of slices: uniformity of a cylinder, contrast of cold spheres, resolution of sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daq.composition.qc.geometrysheet import Sheet, number, numbers, recordings, series, window_place, word
from daq.errors import RefusedError, UsageError
from daq.model.framed import ImageKind
from daq.model.qc.analyses_spect import CONTRAST, RECONSTRUCTED, UNIFORMITY
from daq.model.qc.figures import Curve, Picture
from daq.pipeline.tomography import projections
from daq.qc.camera.cylinder import CylinderSlices, cylinder_slices, rows_of
from daq.qc.camera.points import REACH_MM
from daq.qc.camera.reconstructed import source_widths
from daq.qc.camera.spheres import cold_spheres
from daq.qc.camera.tomography import Views, Window

if TYPE_CHECKING:
    from pathlib import Path

    from daq.composition.qc.material import Material
    from daq.model.qc.figures import Findings

_UNLIKE = 0.02
_PER_CM = 0.1


def tomographic_uniformity(material: Material) -> Findings:
    """Return uniformity, rings and the deficit of the middle of an even cylinder's slices."""
    sheet = Sheet(UNIFORMITY)
    per_mm = number(material, "attenuation_per_cm") * _PER_CM
    for directory in recordings(material):
        with sheet.judging(""):
            views = _views(sheet, material, directory)
            rows = _rows(material, views)
            found = cylinder_slices(views, rows, per_mm=per_mm, window=_window(material))
            _uniformity(sheet, found, views.pixel_mm)
            _say(sheet, rows, per_mm, material)
    return sheet.findings()


def tomographic_contrast(material: Material) -> Findings:
    """Return the contrast of each cold sphere."""
    sheet = Sheet(CONTRAST)
    per_mm = number(material, "attenuation_per_cm") * _PER_CM
    diameters, circle = numbers(material, "sphere_diameters_mm"), number(material, "circle_mm")
    for directory in recordings(material):
        with sheet.judging(""):
            views = _views(sheet, material, directory)
            rows = _rows(material, views)
            found = cold_spheres(
                views, rows, diameters_mm=diameters, circle_mm=circle, per_mm=per_mm, window=_window(material)
            )  # fmt: skip
            for each in found.spheres:
                subject = f"sphere {each.diameter_mm:g} mm"
                sheet.add("contrast", subject, each.contrast, noise=each.noise, counts=found.counts)
            sheet.remarks.append(
                f"spheres at slice {found.row + 1:.1f}, turned by {found.turn_deg:.0f} degrees; cylinder of "
                f"{found.cylinder.radius_mm:.0f} mm, {found.cylinder.x_mm:.1f} mm to the left and "
                f"{found.cylinder.y_mm:.1f} mm to the back of the axis"
            )
            sheet.pictures.append(Picture("Slice through the spheres", found.picture, "counts/mm²", views.pixel_mm))
            _say(sheet, rows, per_mm, material)
    return sheet.findings()


def tomographic_resolution(material: Material) -> Findings:
    """Return the widths of point or line sources in slices."""
    sheet = Sheet(RECONSTRUCTED)
    line = bool(material.test.parameters.get("line", False))
    for directory in recordings(material):
        with sheet.judging(""):
            views = _views(sheet, material, directory)
            for each in source_widths(views, line=line, reach_mm=material.number("reach_mm", REACH_MM)):
                subject = f"source at {each.up_mm:.0f} mm"
                ways = (("radial", each.radial_mm, each.radial_noise_mm),
                        ("tangential", each.tangential_mm, each.tangential_noise_mm))  # fmt: skip
                for way, value, noise in ways:
                    sheet.add(f"{way}_fwhm", subject, value, noise=noise, counts=each.counts)
                if not line:
                    sheet.add("axial_fwhm", subject, each.axial_mm, counts=each.counts)
                sheet.remarks.append(
                    f"{subject}: {each.x_mm:.1f} mm to the left and {each.y_mm:.1f} mm to the back of the axis; "
                    f"pixels of {views.pixel_mm:.2f} mm are in its widths"
                )
    return sheet.findings()


def _views(sheet: Sheet, material: Material, directory: Path) -> Views:
    """Return the projections of the one series of a recording, all as if they had lasted alike."""
    made, _ = series(directory, ImageKind.TOMO)
    if len(made) != 1:
        raise RefusedError(f"{directory.name}: it holds {len(made)} series of projections; one is looked at")
    one = made[0]
    if not one.completed:
        sheet.obstacles.append(f"{one.name}: not all of its views were taken")
    if one.pixels.rows * one.pixels.columns == 0:
        raise RefusedError(f"{one.name}: it has no pixels")
    taken = projections(one, window_place(material, one))
    if taken.live_s.min() <= 0.0:
        raise RefusedError(f"{one.name}: a view lasted no time")
    if np.ptp(taken.live_s) > _UNLIKE * taken.live_s.mean():
        sheet.remarks.append(
            f"{one.name}: views lasted {taken.live_s.min():.1f} to {taken.live_s.max():.1f} s and are scaled"
        )
    return Views(taken.scaled(), taken.angle_deg, taken.pixel_mm)


def _rows(material: Material, views: Views) -> tuple[int, ...]:
    """Return the rows looked at: those that the test names, the last one included, else those that are filled."""
    if ("first_slice" in material.test.parameters) != ("last_slice" in material.test.parameters):
        raise UsageError(f"test {material.name}: first_slice and last_slice are said together, or neither")
    if "first_slice" not in material.test.parameters:
        return rows_of(views.counts)
    first, last = (round(number(material, name)) for name in ("first_slice", "last_slice"))
    if not 1 <= first <= last <= views.counts.shape[1]:
        raise UsageError(f"test {material.name}: slices {first} to {last}; there are 1 to {views.counts.shape[1]}")
    return tuple(range(first - 1, last))


def _window(material: Material) -> Window:
    return "ramp" if word(material, "filter", "hann", "ramp") == "ramp" else "hann"


def _uniformity(sheet: Sheet, found: CylinderSlices, pixel_mm: float) -> None:
    every = found.counts_per_slice * len(found.rows)
    sheet.add("integral_uniformity", "", found.mean.integral, noise=found.mean_noise.integral, counts=every)
    sheet.add("ring", "", found.mean.ring, noise=found.mean_noise.ring, counts=every)
    sheet.add("central_deficit", "", found.mean.deficit, noise=found.mean_noise.deficit, counts=every)
    for row, each in zip(found.rows, found.slices, strict=True):
        sheet.add(
            "slice_integral_uniformity", f"slice {row + 1}", each.integral, noise=found.slice_noise.integral,
            counts=found.counts_per_slice,
        )  # fmt: skip
    sheet.pictures.append(Picture("Mean slice", found.mean_slice, "counts/mm²", pixel_mm))
    sheet.curves.append(Curve("Rings about the axis", found.radii_mm, found.rings, "radius, mm", "counts/mm²"))
    cylinder = found.cylinder
    sheet.remarks.append(
        f"cylinder of {cylinder.radius_mm:.0f} mm, {cylinder.x_mm:.1f} mm to the left and {cylinder.y_mm:.1f} mm to "
        f"the back of the axis; of a perfect one this reconstruction makes a deficit of {found.perfect_deficit:.1f} %"
    )


def _say(sheet: Sheet, rows: tuple[int, ...], per_mm: float, material: Material) -> None:
    how = f"attenuation of {per_mm / _PER_CM:g} /cm corrected by Chang's first order" if per_mm else (
        "attenuation is not corrected: the middle lacks counts by that alone"
    )  # fmt: skip
    sheet.remarks.append(
        f"slices {rows[0] + 1} to {rows[-1] + 1}, both included, from 1 at the feet; filter {_window(material)}; {how};"
        " no scatter correction"
    )
