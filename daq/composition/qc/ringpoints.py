"""NEMA NU 2 of a PET ring: resolution in space of point sources, and in time of flight of a line, from recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.composition.qc.ringframes import Columns, Frame, frames_of, ring_of
from daq.errors import RefusedError
from daq.model.qc.figures import Curve, Figure, Findings, Picture, joined
from daq.qc.pet import nemaresolution as resolution
from daq.qc.pet.nemalines import LorTable, SourceLine, find_line
from daq.qc.pet.nematof import BIN_PS, MM_PER_PS, TimeHistogram, TimeWidth, time_errors_ps

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.qc.peaks import Peak

_FOR_PLACE = 200_000
_MOST_PROMPTS = 5_000_000
"""No more of a frame are reconstructed: the noise is far below any limit then, and memory stays bounded."""
_PARTS = 4
"""A frame's prompts are also reconstructed in as many parts; how far these differ is the noise of the whole."""
_ASTRAY_MM = 5.0
_COORDINATES = 3
_MARGIN_PS = 500.0
_USUAL_HALF_PS = 2500.0
_AXES = ("radial", "tangential", "axial")


def measure_resolution(material: Material) -> Findings:
    """Return the widths of the response to a point source, one frame each."""
    frames = frames_of(material)
    ring_difference = round(material.number("ring_difference", resolution.RING_DIFFERENCE))
    try:
        table = LorTable(ring_of(frames))
        wanted = _positions(material, len(frames))
        found = {
            f"point {number}": _one_point(frame, table, ring_difference, place)
            for number, (frame, place) in enumerate(zip(frames, wanted, strict=True), 1)
        }
    except RefusedError as why:
        return Findings(obstacles=(str(why),))
    return Findings(
        figures=joined({name: figures for name, (figures, _, _) in found.items()}),
        remarks=tuple(f"{name}: {text}" for name, (_, said, _) in found.items() for text in said),
        pictures=tuple(picture for _, _, picture in found.values()),
    )


def _positions(material: Material, frames: int) -> list[tuple[float, float, float] | None]:
    told = material.test.parameters.get("positions_mm")
    if not isinstance(told, tuple):
        return [None] * frames
    if len(told) != _COORDINATES * frames:
        raise RefusedError(
            f"{frames} frames, and positions_mm has {len(told)} numbers: wanted are x, y, z of each, {3 * frames}"
        )
    return [(told[at], told[at + 1], told[at + 2]) for at in range(0, len(told), _COORDINATES)]


def _one_point(
    frame: Frame, table: LorTable, ring_difference: int, wanted: tuple[float, float, float] | None
) -> tuple[tuple[Figure, ...], list[str], Picture]:
    columns = frame.first_prompts(_MOST_PROMPTS)
    a, b = columns["detector_a"], columns["detector_b"]
    lors = table.lors(a[:_FOR_PLACE], b[:_FOR_PLACE])
    line = find_line(lors, tilted=False)
    point = resolution.Point(line.x_mm, line.y_mm, resolution.find_z(lors, line.x_mm, line.y_mm))
    if wanted is not None and np.linalg.norm(np.subtract(wanted, (point.x_mm, point.y_mm, point.z_mm))) > _ASTRAY_MM:
        raise RefusedError(
            f"{frame.name}: the source is at {point.x_mm:.0f}, {point.y_mm:.0f}, {point.z_mm:.0f} mm, and should be at "
            f"{wanted[0]:g}, {wanted[1]:g}, {wanted[2]:g} mm"
        )
    made = resolution.widths(table, a, b, point, ring_difference=ring_difference)
    parts = [
        resolution.widths(table, a[part::_PARTS], b[part::_PARTS], point, ring_difference=ring_difference)
        for part in range(_PARTS)
    ]
    figures = tuple(figure for name in _AXES for figure in _of_axis(name, made, parts))
    return figures, _said(point, made, columns), _picture(table, a, b, point, ring_difference)


def _of_axis(name: str, made: resolution.Widths, parts: list[resolution.Widths]) -> list[Figure]:
    figures = []
    for width in ("fwhm", "fwtm"):
        value = getattr(_peak(made, name), width)
        each = np.array([getattr(_peak(part, name), width) for part in parts])
        noise = float(each.std(ddof=1) / np.sqrt(_PARTS)) if np.isfinite(each).all() else None
        shown = float(value) if np.isfinite(value) else None
        figures.append(Figure.of(f"{name}_{width}", shown, "mm", noise=noise, counts=float(made.counts)))
    return figures


def _peak(made: resolution.Widths, name: str) -> Peak:
    peak: Peak = getattr(made, name)
    return peak


def _said(point: resolution.Point, made: resolution.Widths, columns: Columns) -> list[str]:
    said = [
        f"at x {point.x_mm:.1f}, y {point.y_mm:.1f}, z {point.z_mm:.1f} mm, {point.radius_mm:.1f} mm from the axis; "
        f"ramp filter alone, pixels of {made.pixel_mm:.2f} mm"
    ]
    if len(columns["time_ps"]) < resolution.NEMA_COUNTS:
        said.append(f"{len(columns['time_ps']):,} prompts; NEMA NU 2 wants {resolution.NEMA_COUNTS:,}")
    widest = min(_peak(made, name).fwhm for name in _AXES[:2])
    if made.pixel_mm > widest / 3.0:
        said.append("pixels are larger than a third of the width")
    return said


def _picture(
    table: LorTable, a: npt.NDArray[np.uint32], b: npt.NDArray[np.uint32], point: resolution.Point, apart: int
) -> Picture:
    volume, _, pixel, _ = resolution.reconstruct(table, a, b, point, ring_difference=apart)
    title = f"Point source {point.radius_mm:.0f} mm from the axis: tangential over radial"
    return Picture(title, np.asarray(volume.sum(axis=0), np.float64), "1", pixel)


def measure_tof(material: Material) -> Findings:
    """Return the width of time errors of each frame, and how it goes with the rate."""
    frames = frames_of(material)
    bare = next((frame for frame in frames if not frame.pairs.has_tof), None)
    if bare is not None:
        return Findings(obstacles=(f"{bare.name}: no differences of time were recorded",))
    try:
        table = LorTable(ring_of(frames))
        columns = frames[-1].first_prompts(_FOR_PLACE)
        line = find_line(table.lors(columns["detector_a"], columns["detector_b"]))
        made = [_histogram(frame, table, line, material.number("bin_ps", BIN_PS)) for frame in frames]
        widths = [histogram.width() for histogram, _ in made]
    except RefusedError as why:
        return Findings(obstacles=(str(why),))
    rates = np.array([prompts / frame.seconds / 1e3 for frame, (_, prompts) in zip(frames, made, strict=True)])
    order = np.argsort(rates)
    course = np.array([width.peak.fwhm for width in widths])
    hist = made[-1][0]
    bare_names = [frame.name for frame in frames if not frame.has_delayeds]
    return Findings(
        figures=_tof_figures(widths),
        remarks=(f"no delayed window in {', '.join(bare_names)}: randoms are not taken off",) if bare_names else (),
        curves=(
            Curve("Time-of-flight resolution", rates[order], course[order], "prompts, kcps", "FWHM, ps"),
            Curve("Time errors, last frame", hist.axis_ps, hist.counts(), "ps", "trues"),
        ),
    )


def _histogram(frame: Frame, table: LorTable, line: SourceLine, bin_ps: float) -> tuple[TimeHistogram, int]:
    """Return the time errors of a frame, and its prompts."""
    histogram = TimeHistogram((frame.pairs.half_window_ps or _USUAL_HALF_PS) + _MARGIN_PS, bin_ps)
    prompts = 0
    for runs, sign in ((frame.prompts(), 1.0), (frame.delayeds(), -1.0)):
        for part in runs:
            lors = table.lors(part["detector_a"], part["detector_b"])
            histogram.add(time_errors_ps(lors, part["tof_ps"], line), line.away_mm(lors), sign=sign)
            prompts += len(part["time_ps"]) if sign > 0 else 0
    return histogram, prompts


def _tof_figures(widths: list[TimeWidth]) -> tuple[Figure, ...]:
    subjects = tuple(f"frame {number}" for number in range(1, len(widths) + 1))
    noise, counts = tuple(one.error_ps for one in widths), tuple(one.peak.counts for one in widths)
    per_mm = tuple(each * MM_PER_PS for each in noise)
    offset = tuple(one.middle_error_ps for one in widths)
    return (
        Figure("tof_fwhm", "ps", subjects, tuple(one.peak.fwhm for one in widths), noise, counts),
        Figure("tof_fwhm_mm", "mm", subjects, tuple(one.fwhm_mm for one in widths), per_mm, counts),
        Figure("tof_offset", "ps", subjects, tuple(one.middle_ps for one in widths), offset, counts),
    )
