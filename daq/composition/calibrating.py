"""Make calibrations of a gamma-camera head of recordings: energy map, linearity, uniformity, rotation, registration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from daq.composition.headbench import HeadBench, summed
from daq.errors import RefusedError, UsageError
from daq.model.cameracalibration import (
    CameraCalibration,
    CentreOfRotation,
    EnergyMap,
    Figure,
    Linearity,
    Uniformity,
    Window,
    WindowRegistration,
)
from daq.model.headcalibration import HeadCorrections
from daq.model.windows import EnergyWindow
from daq.qc.fields import FieldOfView, Floats, picture
from daq.qc.linearity import linearity_map, of_holes, of_slits
from daq.qc.maps import Cells, CellSpectra, energy_map, uniformity_map
from daq.qc.rotation import centre_of_rotation, point_source, registration
from daq.qc.slits import SlitMask, SlitPeaks, profiles, resolution_and_linearity, slit_peaks
from daq.qc.spectra import Spectrum, photopeak, spectrum
from daq.qc.uniformity import NEMA_PIXEL_MM, FloodUniformity, flood_uniformity, pixels_for

MAP_PITCH_MM = 4.0
ENERGY_PITCH_MM = 10.0
HOLE_PIXELS = 10
_BEYOND_LINE = 1.6
_EDGE_MM = 4.0


def measure_energy_map(
    bench: HeadBench, floods: Sequence[Path], *, pitch_mm: float = ENERGY_PITCH_MM
) -> CameraCalibration:
    """Return the energy map by a flood of one line. Raises what the recordings and too few counts raise."""
    used = bench.corrections(up_to="energy-map")
    spectra = CellSpectra(Cells.over(_crystal(bench), pitch_mm), bench.line_kev)
    for events in bench.events(floods, used):
        spectra.add(events.x_mm, events.y_mm, events.energy_kev)
    before = photopeak(head_spectrum(bench, floods, used), bench.line_kev)
    ratio = energy_map(spectra, fwhm_percent=before.fwhm_percent)
    after = photopeak(head_spectrum(bench, floods, used.model_copy(update={"energy": ratio})), bench.line_kev)
    values = ratio.values()
    return bench.calibration(
        "energy-map", floods, used, f"flood, photopeak of {bench.line_kev:g} keV in cells of {pitch_mm:g} mm",
        energy_map=EnergyMap(ratio=ratio),
        figures={
            "counts": _figure(float(spectra.counts.sum()), "1"),
            "spread_before": _figure(100.0 * float(values.std()), "%"),
            "resolution_before": _figure(before.fwhm_percent, "%"), "peak_before": _figure(before.at, "keV"),
            "resolution_after": _figure(after.fwhm_percent, "%"), "peak_after": _figure(after.at, "keV"),
        },
    )  # fmt: skip


def measure_linearity(
    bench: HeadBench, *, slits_x: Sequence[Path] = (), slits_y: Sequence[Path] = (), holes: Sequence[Path] = (),
    pitch_mm: float,
) -> CameraCalibration:  # fmt: skip
    """Return the linearity map by masks: lines across x and lines across y, or a grid of holes.

    Raises `UsageError` for another choice of recordings.
    """
    if bool(holes) == bool(slits_x or slits_y) or bool(slits_x) != bool(slits_y):
        raise UsageError("linearity is measured by --slits-x and --slits-y together, or by --holes alone")
    used = bench.corrections(up_to="linearity")
    cells = Cells.over(_crystal(bench), MAP_PITCH_MM)
    figures: dict[str, Figure] = {}
    if holes:
        across_x, across_y, known = _holes(bench, holes, used, pitch_mm)
        figures["holes"] = _figure(float(known.sum()), "1")
        shift_x, shift_y = linearity_map(across_x, across_y, cells)
    else:
        masks = [(SlitMask("x", pitch_mm), slits_x), (SlitMask("y", pitch_mm), slits_y)]
        before = [
            slits(bench, recorded, used, mask, strip_mm=pitch_mm / 2, field=_inner(bench)) for mask, recorded in masks
        ]
        shift_x, shift_y = linearity_map(of_slits(before[0]), of_slits(before[1]), cells)
        corrected = used.model_copy(update={"shift_x": shift_x, "shift_y": shift_y})
        after = [slits(bench, directories, corrected, mask, strip_mm=pitch_mm / 2) for mask, directories in masks]
        for name, peaks in (("before", before), ("after", after)):
            found = [resolution_and_linearity(each, bench.field) for each in peaks]
            figures[f"absolute_{name}"] = _figure(max(one.absolute_mm for one in found), "mm")
            figures[f"differential_{name}"] = _figure(float(np.mean([one.differential_mm for one in found])), "mm")
    mask_name = "grid of holes" if holes else "slit masks across x and y"
    return bench.calibration(
        "linearity", [*slits_x, *slits_y, *holes], used, f"{mask_name}, every {pitch_mm:g} mm",
        linearity=Linearity(shift_x=shift_x, shift_y=shift_y), figures=figures,
    )  # fmt: skip


def measure_uniformity(
    bench: HeadBench, floods: Sequence[Path], *, pitch_mm: float = NEMA_PIXEL_MM
) -> CameraCalibration:
    """Return the uniformity weights of a window by a flood, energies and positions corrected before."""
    used = bench.corrections(up_to="uniformity")
    cells = Cells.over(_crystal(bench), pitch_mm)
    size = cells.rows * cells.columns
    pieces = (_in_cells(cells, x, y, size) for x, y in bench.in_window(floods, used))
    flood = summed(pieces, (size,)).reshape(cells.rows, cells.columns)
    weight = uniformity_map(flood, cells, bench.field)
    before = flood_uniformity(flood, pixel_mm=pitch_mm, field=bench.field)
    return bench.calibration(
        "uniformity", floods, used, f"flood in window {bench.window}, cells of {pitch_mm:g} mm",
        uniformity=Uniformity(weight={bench.window.name: weight}),
        figures={
            "counts": _figure(before.counts, "1"), "counts_per_pixel": _figure(before.counts_per_pixel, "1"),
            "integral_before": _figure(before.ufov.integral_percent, "%"),
            "integral_of_noise": _figure(before.noise_percent["ufov_integral"], "%"),
        },
    )  # fmt: skip


def measure_rotation(bench: HeadBench, views: Sequence[tuple[float, Path]]) -> CameraCalibration:
    """Return the centre of rotation by a point source seen at angles (degrees), a recording each."""
    used = bench.corrections(up_to="centre-of-rotation")
    places = np.array([_point(bench, [directory], used) for _, directory in views]).reshape(-1, 2)
    found = centre_of_rotation(np.array([angle for angle, _ in views]), places[:, 0], places[:, 1])
    return bench.calibration(
        "centre-of-rotation", [directory for _, directory in views], used, f"point source in {len(views)} views",
        centre_of_rotation=CentreOfRotation(
            offset_mm=found.offset_mm, residual_mm=found.residual_mm, axial_shift_mm=found.axial_shift_mm
        ),
        figures={"radius": _figure(found.radius_mm, "mm")},
    )  # fmt: skip


def measure_registration(
    bench: HeadBench, sources: Sequence[Path], windows: Sequence[EnergyWindow]
) -> CameraCalibration:
    """Return how far pictures of several windows lie apart, by a point source at several places, a recording each."""
    if len(windows) < 2:  # noqa: PLR2004 - two are compared
        raise RefusedError(f"{bench.nuclide_name} has {len(windows)} usual window; two or more are registered")
    used = bench.corrections(up_to="window-registration")
    places: dict[str, Floats] = {}
    for window in windows:
        at = [_point(bench, [directory], used, window) for directory in sources]
        places[window.name] = np.array(at, np.float64)
    shifts, worst = registration(places)
    made = bench.calibration(
        "window-registration", sources, used, f"{bench.nuclide_name} point source at {len(sources)} places",
        window_registration=WindowRegistration(shift_mm=shifts), figures={"worst": _figure(worst, "mm")},
    )  # fmt: skip
    named = tuple(Window(name=each.name, lower_kev=each.lower_kev, upper_kev=each.upper_kev) for each in windows)
    return made.model_copy(update={"windows": named})


def head_spectrum(bench: HeadBench, directories: Sequence[Path], used: HeadCorrections) -> Spectrum:
    """Return the spectrum of what lies in the useful field of view."""
    upper_kev = _BEYOND_LINE * bench.line_kev
    whole = spectrum(np.empty(0), upper_kev=upper_kev)
    for events in bench.events(directories, used):
        inside = bench.field.holds(events.x_mm, events.y_mm)
        whole.counts[:] += spectrum(events.energy_kev[inside], upper_kev=upper_kev).counts
    if not whole.counts.any():
        where = ", ".join(map(str, directories))
        raise RefusedError(
            f"head {bench.head.number}: no event up to {upper_kev:.5g} keV in its field of view in {where}"
        )
    return whole


def slits(
    bench: HeadBench, directories: Sequence[Path], used: HeadCorrections, mask: SlitMask, *, strip_mm: float,
    field: FieldOfView | None = None,
) -> SlitPeaks:  # fmt: skip
    """Return the peaks of a slit mask in strips of `strip_mm`, over the useful field of view or another one."""
    field = field or bench.field
    axes = profiles(np.empty(0), np.empty(0), across=mask.across, field=field, strip_mm=strip_mm)
    counts = axes[2]
    for x, y in bench.in_window(directories, used):
        counts += profiles(x, y, across=mask.across, field=field, strip_mm=strip_mm)[2]
    return slit_peaks(axes[0], axes[1], counts, mask=mask, field=field)


def flood_of(
    bench: HeadBench, directories: Sequence[Path], used: HeadCorrections
) -> tuple[Any, FloodUniformity, FloodUniformity]:
    """Return a flood weighted for uniformity, what NEMA NU 1 says of it, and of its plain counts, which make noise."""
    from daq.qc.maps import looked_up

    rows, columns = pixels_for(bench.field)
    plain, weighted = np.zeros((rows, columns), np.int64), np.zeros((rows, columns))
    weights = used.uniformity.get(bench.window.name)
    cells = Cells(rows, columns, NEMA_PIXEL_MM)
    for x, y in bench.in_window(directories, used):
        plain += picture(x, y, rows=rows, columns=columns, pixel_mm=NEMA_PIXEL_MM)
        if weights is not None:
            at = cells.index(x, y)
            inside = at >= 0
            each = looked_up(weights, x[inside], y[inside])
            weighted += np.bincount(at[inside], each, minlength=rows * columns).reshape(rows, columns)
    shown = plain if weights is None else weighted
    judged = flood_uniformity(shown, pixel_mm=NEMA_PIXEL_MM, field=bench.field)
    return shown, judged, flood_uniformity(plain, pixel_mm=NEMA_PIXEL_MM, field=bench.field)


def _holes(bench: HeadBench, directories: Sequence[Path], used: HeadCorrections, pitch_mm: float) -> Any:
    """Return the displacements of a grid of holes, the middle one in the middle of the head."""
    pixel_mm, field = pitch_mm / HOLE_PIXELS, _crystal(bench)
    rows, columns = pixels_for(field, pixel_mm)
    pieces = (
        picture(x, y, rows=rows, columns=columns, pixel_mm=pixel_mm) for x, y in bench.in_window(directories, used)
    )
    seen = summed(pieces, (rows, columns))
    each_way = [2 * int(size / 2 / pitch_mm) + 1 for size in (bench.field.height_mm, bench.field.width_mm)]
    return of_holes(seen, pixel_mm, pitch_mm=pitch_mm, rows=each_way[0], columns=each_way[1])


def _in_cells(cells: Cells, x: Any, y: Any, size: int) -> Any:
    at = cells.index(x, y)
    return np.bincount(at[at >= 0], minlength=size)


def _point(
    bench: HeadBench, directories: Sequence[Path], used: HeadCorrections, window: EnergyWindow | None = None
) -> tuple[float, float]:
    from dataclasses import replace

    of = bench if window is None else replace(bench, window=window)
    parts = list(of.in_window(directories, used))
    x = np.concatenate([part[0] for part in parts]) if parts else np.empty(0)
    y = np.concatenate([part[1] for part in parts]) if parts else np.empty(0)
    return point_source(x, y)


def _inner(bench: HeadBench) -> FieldOfView:
    """Return where lines are whole: not nearer to the edge of the crystal than a line is wide in a picture."""
    of = _crystal(bench)
    return FieldOfView(of.width_mm - 2 * _EDGE_MM, of.height_mm - 2 * _EDGE_MM)


def _crystal(bench: HeadBench) -> FieldOfView:
    """Return what maps cover: the whole crystal where it is known, else the useful field of view."""
    crystal = bench.head.crystal
    return bench.field if crystal is None else FieldOfView(crystal.width_mm, crystal.height_mm)


def _figure(value: float, unit: str) -> Figure:
    return Figure(value=value, unit=unit)
