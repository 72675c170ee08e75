"""Analyses of masks, bars and point sources before a head that stands still: what is sharp and straight, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.composition.qc.geometryevents import Exposure, chosen_window, events, exposures, fields, pictures
from daq.composition.qc.geometrysheet import Sheet, number, numbers
from daq.errors import RefusedError, UsageError
from daq.model.qc.analyses_spect import BARS, PIXELS, REGISTRATION, RESOLUTION
from daq.model.qc.figures import Picture
from daq.qc.camera.bars import BarPhantom, bar_phantom
from daq.qc.camera.masks import MaskFigures, lines_across, mask_figures
from daq.qc.camera.points import REACH_MM, PointSource, near_edge, point_sources, refined
from daq.qc.camera.sensitivity import worst_distance_noise_mm
from daq.qc.fields import FieldOfView, Floats
from daq.qc.rotation import registration
from daq.qc.slits import NEMA_COUNTS_PER_PEAK, SlitMask, profiles

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.model.qc.figures import Findings
    from daq.model.windows import EnergyWindow

_POINT_PIXEL_MM = 2.0
_FINE_MM = 1.0
_TWO = 2


def intrinsic_resolution(material: Material) -> Findings:
    """Return widths and linearity by slit masks: one direction in each step, which one is seen by itself."""
    sheet = Sheet(RESOLUTION)
    pitch, first = number(material, "pitch_mm"), material.number("first_mm", 0.0)
    seen: set[tuple[int, str]] = set()
    for exposure in exposures(material):
        with sheet.judging(exposure.name):
            for head, (xs, ys) in _by_head(material, exposure).items():
                with sheet.judging(f"head {head}, {exposure.name}"):
                    field = fields(material)[head]
                    across = lines_across(xs, ys, pitch, field)
                    counts = profiles(xs, ys, across=across, field=field)
                    found = mask_figures(counts, SlitMask(across, pitch, first), field)
                    _of_mask(sheet, f"head {head}, across {across}", found)
                    seen.add((head, across))
    for head in sorted({head for head, _ in seen}):
        missing = {"x", "y"} - {across for number_, across in seen if number_ == head}
        sheet.remarks += [f"head {head}: no mask across {across} was seen" for across in missing]
    sheet.remarks.append("widths are as measured: the width of the slits is not taken off (NEMA NU 1)")
    return sheet.findings()


def bar_resolution(material: Material) -> Findings:
    """Return which bars are told apart, and the resolution by moments of each quadrant."""
    sheet = Sheet(BARS)
    widths = numbers(material, "bars_mm")
    pixel = material.number("pixel_mm", min(widths) / 2.0)
    if not 0.0 < pixel < max(widths):
        raise UsageError(
            f"test {material.name}: pixel_mm = {pixel:g}: above 0, and less than bars of {max(widths):g} mm"
        )
    for exposure in exposures(material):
        with sheet.judging(exposure.name):
            window = chosen_window(material, exposure, _nuclide(material))
            for head, made in pictures(material, exposure, [window], pixel).items():
                with sheet.judging(f"head {head}"):
                    found = bar_phantom(
                        made[0], pixel, bars_mm=widths, field=fields(material)[head],
                        margin_mm=material.number("margin_mm", 15.0), transmission=material.number("transmission", 0.0),
                    )  # fmt: skip
                    _of_bars(sheet, f"head {head}", found)
                    sheet.pictures.append(Picture(f"Bars, head {head}", made[0].astype(np.float64), "counts", pixel))
    return sheet.findings()


def window_registration(material: Material) -> Findings:
    """Return how far apart windows show the same sources; all steps together, a step for a place or one for all."""
    sheet = Sheet(REGISTRATION)
    reach = material.number("reach_mm", REACH_MM)
    places: dict[int, dict[str, list[PointSource]]] = {}
    for exposure in exposures(material):
        with sheet.judging(exposure.name):
            windows = _windows(material, exposure)
            for head, made in pictures(material, exposure, windows, _FINE_MM).items():
                with sheet.judging(f"head {head}, {exposure.name}"):
                    for name, found in _in_windows(made, windows, reach, fields(material)[head]).items():
                        places.setdefault(head, {}).setdefault(name, []).extend(found)
    for head, of_windows in places.items():
        number_seen = len(next(iter(of_windows.values())))
        wanted = material.number("sources", number_seen)
        if number_seen != wanted:
            sheet.obstacles.append(f"head {head}: {number_seen} sources are seen, not {wanted:g}")
        _of_windows(sheet, head, of_windows)
    return sheet.findings()


def pixel_size(material: Material) -> Findings:
    """Return the scale along x and y by two sources at a known distance: steps with them along x, and along y."""
    sheet = Sheet(PIXELS)
    distance, reach = number(material, "distance_mm"), material.number("reach_mm", REACH_MM)
    for exposure in exposures(material):
        with sheet.judging(exposure.name):
            window = chosen_window(material, exposure, _nuclide(material))
            for head, made in pictures(material, exposure, [window], _POINT_PIXEL_MM).items():
                with sheet.judging(f"head {head}, {exposure.name}"):
                    _scale(sheet, head, made[0].astype(np.float64), distance, reach, fields(material)[head])
    return sheet.findings()


def _by_head(material: Material, exposure: Exposure) -> dict[int, tuple[Floats, Floats]]:
    """Return positions of events by head, in the window, of heads that saw the source."""
    window, place = chosen_window(material, exposure, _nuclide(material))
    parts: dict[int, list[tuple[Floats, Floats]]] = {head.number: [] for head in material.scanner.heads}
    for spots in events(exposure):
        inside = spots.inside(window, place)
        for head, into in parts.items():
            mine = inside & (spots.head == head)
            into.append((spots.x_mm[mine], spots.y_mm[mine]))
    found = {
        head: (np.concatenate([x for x, _ in into]), np.concatenate([y for _, y in into]))
        for head, into in parts.items() if into
    }  # fmt: skip
    most = max((len(x) for x, _ in found.values()), default=0)
    if not most:
        raise RefusedError(f"{exposure.directory}: step {exposure.name!r} holds no event of a head in the window")
    return {head: each for head, each in found.items() if len(each[0]) > 0.1 * most}


def _of_mask(sheet: Sheet, subject: str, found: MaskFigures) -> None:
    for field, lines, noise in (
        ("ufov", found.useful, found.useful_noise),
        ("cfov", found.central, found.central_noise),
    ):
        for name, value, of_noise in (
            ("fwhm", lines.fwhm_mm, noise.fwhm_mm), ("fwtm", lines.fwtm_mm, noise.fwtm_mm),
            ("differential_linearity", lines.differential_mm, noise.differential_mm),
            ("absolute_linearity", lines.absolute_mm, noise.absolute_mm),
        ):  # fmt: skip
            told = value if np.isfinite(value) else None
            sheet.add(f"{field}_{name}", subject, told, noise=of_noise, counts=lines.counts_per_peak)
    if found.useful.counts_per_peak < NEMA_COUNTS_PER_PEAK:
        sheet.remarks.append(
            f"{subject}: {found.useful.counts_per_peak:.0f} counts in the faintest peak; NEMA NU 1 wants "
            f"{NEMA_COUNTS_PER_PEAK}"
        )


def _of_bars(sheet: Sheet, subject: str, found: BarPhantom) -> None:
    counts = sum(each.counts for each in found.quadrants)
    fwhm = found.fwhm
    sheet.add("fwhm", subject, fwhm and fwhm[0], noise=fwhm and fwhm[1], counts=counts)
    sheet.add("finest_resolved", subject, found.finest_resolved_mm, counts=counts)
    sheet.add("unresolved", subject, float(sum(not each.resolved for each in found.quadrants)), counts=counts)
    for each in sorted(found.quadrants, key=lambda one: one.bars_mm):
        name = f"{subject}, bars {each.bars_mm:g} mm"
        sheet.add("quadrant_fwhm", name, each.fwhm_mm, noise=each.noise_mm, counts=each.counts)
        shown = None if each.modulation is None else 100.0 * each.modulation
        sheet.add("modulation", name, shown, noise=100.0 * each.modulation_noise, counts=each.counts)
        sheet.remarks += [f"{name}: {each.why}"] if each.why else []
    if found.finest_resolved_mm is None:
        sheet.remarks.append(f"{subject}: no bars are told apart")


def _windows(material: Material, exposure: Exposure) -> list[tuple[EnergyWindow, int | None]]:
    """Return the recorded windows, else the usual ones of the nuclide. Raise `RefusedError` for fewer than two."""
    from daq.model.window_sets import photopeaks

    if len(exposure.windows) >= _TWO:
        return [(window, place) for place, window in enumerate(exposure.windows)]
    nuclide = _nuclide(material) or "Ga-67"
    usual = photopeaks(nuclide)
    if len(usual) < _TWO:
        raise RefusedError(f"one window was recorded, and {nuclide} has one: two or more are registered")
    return [(each.window, None) for each in usual]


def _in_windows(
    made: npt.NDArray[np.int64], windows: list[tuple[EnergyWindow, int | None]], reach_mm: float, field: FieldOfView
) -> dict[str, list[PointSource]]:
    """Return the sources of each window in one order: found where all windows together have them."""
    sources = sorted(point_sources(made.sum(axis=0), _FINE_MM, reach_mm=reach_mm), key=lambda one: (one.y_mm, one.x_mm))
    if cut := [one for one in sources if near_edge(one, field.width_mm, field.height_mm)]:
        raise RefusedError(
            f"the source at ({cut[0].x_mm:.0f}, {cut[0].y_mm:.0f}) mm is cut off by the edge of the field"
        )
    return {
        window.name: [
            refined(one.astype(np.float64), _FINE_MM, (source.x_mm, source.y_mm), reach_mm=reach_mm)
            for source in sources
        ]
        for (window, _), one in zip(windows, made, strict=True)
    }  # fmt: skip


def _of_windows(sheet: Sheet, head: int, found: dict[str, list[PointSource]]) -> None:
    places = {name: np.array([(one.x_mm, one.y_mm) for one in sources]) for name, sources in found.items()}
    first = next(iter(found))
    for name in list(found)[1:]:
        shifts, worst = registration({first: places[first], name: places[name]})
        pairs = list(zip(found[first], found[name], strict=True))
        each = [float(np.hypot(a.noise_x_mm, b.noise_x_mm)) for a, b in pairs]
        counts = min(one.counts for pair in pairs for one in pair)
        subject = f"head {head}, window {name} to {first}"
        sheet.add("displacement", subject, worst, noise=worst_distance_noise_mm(each), counts=counts)
        mean = float(np.sqrt(np.mean(np.square(each)) / len(each)))
        sheet.add("shift_x", subject, shifts[name][0], noise=mean, counts=counts)
        sheet.add("shift_y", subject, shifts[name][1], noise=mean, counts=counts)


def _scale(sheet: Sheet, head: int, made: Floats, distance_mm: float, reach_mm: float, field: FieldOfView) -> None:
    found = point_sources(made, _POINT_PIXEL_MM, reach_mm=reach_mm)
    if len(found) != _TWO:
        raise RefusedError(f"{len(found)} sources are seen; the scale is measured by two")
    first, second = found
    if near_edge(first, field.width_mm, field.height_mm) or near_edge(second, field.width_mm, field.height_mm):
        raise RefusedError("a source is cut off by the edge of the field")
    apart = float(np.hypot(first.x_mm - second.x_mm, first.y_mm - second.y_mm))
    along = "x" if abs(first.x_mm - second.x_mm) > abs(first.y_mm - second.y_mm) else "y"
    noise = (
        np.hypot(first.noise_x_mm, second.noise_x_mm) if along == "x" else np.hypot(first.noise_y_mm, second.noise_y_mm)
    )
    sheet.add(
        f"scale_{along}", f"head {head}", 100.0 * (apart / distance_mm - 1.0), noise=100.0 * float(noise) / distance_mm,
        counts=min(first.counts, second.counts),
    )  # fmt: skip


def _nuclide(material: Material) -> str | None:
    said = material.test.parameters.get("nuclide") or material.source.get("nuclide")
    return None if said is None else str(said)
