"""All that a flood picture says of a head: uniformity of what is corrected and of what is not, shape, spots, lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from daq.errors import RefusedError
from daq.qc.camera.floodnoise import dispersion
from daq.qc.camera.floodrebin import Flood, rebinned
from daq.qc.camera.floodregions import Regions, regions_of
from daq.qc.camera.floodshape import Region, Shape, shape_of
from daq.qc.camera.floodspots import LEAST_PERCENT, PMT_MM, Line, Spots, lines_in, spots_in
from daq.qc.fields import FieldOfView, Mask
from daq.qc.uniformity import NEMA_COUNTS_PER_PIXEL, FloodUniformity, uniformity_within

MOST_TILT_PERCENT = 2.5
"""Of a bare source: half of a usual limit of 5 % would be its slope. scandaq's own number: unverified."""
_NOT_COUNTS = 0.2
LARGE_PMTS = 3.0
"""A cold region of so many photomultipliers is no defect of one."""


@dataclass(frozen=True, slots=True)
class FloodRule:
    """How a flood is looked at. `bare`: a point source without a collimator.

    `pmt_mm`: diameter of a photomultiplier, or of what else shares a gain.
    """

    bare: bool = False
    pmt_mm: float = PMT_MM
    least_spot_percent: float = LEAST_PERCENT
    most_tilt_percent: float = MOST_TILT_PERCENT

    @property
    def large_cm2(self) -> float:
        """Return from which area on a cold region is large."""
        return float(LARGE_PMTS * np.pi * (self.pmt_mm / 20.0) ** 2)


@dataclass(frozen=True, slots=True, eq=False)
class FloodFound:
    """What was found. `judged`: with weights, where events have them; `uncorrected`: of plain counts.

    `uncorrected_spots`: those of plain counts, which a uniformity map hides. `unjudged`: why shape and spots are not
    known; they are None and empty then.
    """

    flood: Flood
    judged: FloodUniformity
    uncorrected: FloodUniformity
    shape: Shape | None
    spots: Spots | None
    uncorrected_spots: Spots | None
    lines: tuple[Line, ...]
    rule: FloodRule
    dispersion: float
    """How much more neighbouring pixels differ than counting lets them, as variances."""
    regions: Regions | None
    """Squares as large as a photomultiplier, of plain counts."""
    unjudged: str = ""

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Return why the flood says nothing of the head, in sentences."""
        return tuple(_obstacles(self))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return what a reader must know, in sentences."""
        return tuple(_remarks(self))


def analysed_flood(
    counts: npt.NDArray[Any], *, pixel_mm: float, field: FieldOfView, weighted: npt.NDArray[Any] | None = None,
    rule: FloodRule | None = None,
) -> FloodFound:  # fmt: skip
    """Return all that a flood picture [rows, columns] says; `weighted`: the same events, each with its weight.

    Raises `RefusedError` for a picture that is none, does not hold the field, or whose pixels do not add up to near
    6.4 mm.
    """
    rule = rule or FloodRule()
    flood = rebinned(counts, pixel_mm=pixel_mm, field=field, weighted=weighted)
    judged, plain = (
        uniformity_within(each, flood.useful, flood.central, pixel_mm=flood.pixel_mm)
        for each in (flood.shown, flood.plain)
    )
    rows, columns = counts.shape
    inside = field.pixels(rows, columns, pixel_mm)
    lines = lines_in(counts, inside, pixel_mm=pixel_mm, least_percent=rule.least_spot_percent)
    spread = dispersion(np.asarray(counts, np.float64), inside)
    touched = _touched(flood, lines)
    try:
        shape = shape_of(flood, bare=rule.bare, least_cold_cm2=rule.large_cm2, without=touched)
        plain_shape = _plain_shape(flood, shape, touched, rule)
    except RefusedError as why:
        return FloodFound(flood, judged, plain, None, None, None, lines, rule, spread, None, str(why))
    hidden = _spots(replace(flood, shown=flood.plain), plain_shape, rule) if flood.is_corrected else None
    regions = regions_of(flood, plain_shape.expected, plain_shape.judged, size_mm=rule.pmt_mm)
    return FloodFound(flood, judged, plain, shape, _spots(flood, shape, rule), hidden, lines, rule, spread, regions)


def _plain_shape(flood: Flood, shape: Shape, touched: Mask, rule: FloodRule) -> Shape:
    """Return the shape of plain counts, which have no weights."""
    if not flood.is_corrected:
        return shape
    plain = replace(flood, shown=flood.plain)
    return shape_of(plain, bare=False, least_cold_cm2=rule.large_cm2, without=touched)


def _touched(flood: Flood, lines: tuple[Line, ...]) -> Mask:
    """Return the pixels through which lines run."""
    touched = np.zeros(flood.useful.shape, bool)
    for line in lines:
        at = flood.y_mm if line.along == "row" else flood.x_mm
        near = np.abs(at - line.at_mm) <= flood.pixel_mm
        touched |= near[:, None] if line.along == "row" else near[None, :]
    return touched


def _spots(flood: Flood, shape: Shape, rule: FloodRule) -> Spots:
    """Return the spots, none in the outermost pixels.

    These may lie in part beyond the field, and what is detected there smears over the edge.
    """
    inside = shape.judged & ndimage.binary_erosion(flood.useful)
    return spots_in(flood, shape.expected, inside, pmt_mm=rule.pmt_mm, least_percent=rule.least_spot_percent)


def _obstacles(found: FloodFound) -> Iterator[str]:
    shape, rule = found.shape, found.rule
    if shape is None:
        return
    if shape.missing is not None:
        yield (
            f"the flood does not cover the field: {100 * shape.missing.share:.0f} % of it, {shape.missing.place}, "
            f"holds {shape.missing.deficit_percent:.0f} % less than the rest: the source was not there, or it is dead"
        )
    if shape.cold is not None:
        yield _cold(shape.cold)
    if rule.bare and shape.tilt_percent > rule.most_tilt_percent and shape.tilt_chance < 1e-3:  # noqa: PLR2004
        yield f"{_slope(shape)}: {_stands(shape)}"


def _cold(region: Region) -> str:
    if region.deficit_percent > 0:
        return (
            f"a cold region of {region.area_cm2:.0f} cm2, {region.place}, holds {region.deficit_percent:.1f} % less "
            "than the rest: a patient, the bed or something else lay before the head, or much of the head is weak"
        )
    return (
        f"a region of {region.area_cm2:.0f} cm2, {region.place}, holds {-region.deficit_percent:.1f} % more than the "
        "rest: something lay before the rest, or source or head is uneven"
    )


def _slope(shape: Shape) -> str:
    return (
        f"the flood slopes by {shape.tilt_percent:.1f} % over the field (noise alone: {shape.tilt_noise_percent:.1f} %)"
    )


def _stands(shape: Shape) -> str:
    source = shape.source
    if source is None or not np.isfinite(source.away_mm):
        return "that is not the slope of a point source"
    off = float(np.hypot(source.x_mm, source.y_mm))
    return (
        f"as of a point source {source.away_mm:.0f} mm away and {off:.0f} mm off the axis (x {source.x_mm:.0f} mm, "
        f"y {source.y_mm:.0f} mm)"
    )


def _counted(found: FloodFound) -> Iterator[str]:
    per_pixel = found.uncorrected.counts_per_pixel
    if per_pixel < NEMA_COUNTS_PER_PIXEL:
        yield f"{per_pixel:.0f} counts per pixel; NEMA NU 1 asks for {NEMA_COUNTS_PER_PIXEL}"
    if not found.obstacles and abs(found.dispersion - 1.0) > _NOT_COUNTS:
        yield (
            f"neighbouring pixels differ {found.dispersion:.2f} times as much as counting lets them (as variances): "
            "noise and significance are those of counts, and this picture is scaled, smoothed or combed"
        )


def _remarks(found: FloodFound) -> Iterator[str]:
    yield found.flood.binning
    yield from _counted(found)
    if found.unjudged:
        yield f"shape and spots were not looked for: {found.unjudged}"
    for spot in found.spots.found if found.spots else ():
        yield f"{'hot' if spot.percent > 0 else 'weak'} spot: {spot}"
    for line in found.lines:
        yield f"line: {line}"
    shape = found.shape
    if (
        shape is not None
        and shape.missing is None
        and not found.rule.bare
        and shape.tilt_percent > found.rule.most_tilt_percent
    ):
        yield f"{_slope(shape)}: source or head"
    hidden = found.uncorrected_spots.found if found.uncorrected_spots else ()
    if hidden and not (found.spots and found.spots.found):
        yield f"hidden by the uniformity map: {hidden[0]}" + (f", and {len(hidden) - 1} more" if hidden[1:] else "")
