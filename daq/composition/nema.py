"""What NEMA NU 1 asks of a head, as a table: energy resolution, intrinsic resolution, linearity, uniformity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daq.composition.calibrating import flood_of, head_spectrum, slits
from daq.composition.headbench import HeadBench
from daq.errors import UsageError
from daq.model.headcalibration import HeadCorrections
from daq.qc.fields import FieldOfView
from daq.qc.slits import NEMA_COUNTS_PER_PEAK, STRIP_MM, Lines, SlitMask, resolution_and_linearity
from daq.qc.spectra import NEMA_COUNTS_IN_PEAK, Spectrum, photopeak
from daq.qc.uniformity import FloodUniformity

FIELDS = ("UFOV", "CFOV")


@dataclass(frozen=True, slots=True)
class Number:
    """One number of the table. `noise`: what counting alone would give; `enough`: the counts NEMA NU 1 asks for."""

    name: str
    value: float
    unit: str
    noise: float | None = None
    enough: bool = True


@dataclass(slots=True)
class Report:
    """Numbers, and what they were taken of, to be drawn."""

    numbers: list[Number] = field(default_factory=list)
    flood: Any = None
    spectrum: Spectrum | None = None
    used: tuple[str, ...] = ()


def report(
    bench: HeadBench, used: HeadCorrections, *, floods: Sequence[Path] = (), slits_x: Sequence[Path] = (),
    slits_y: Sequence[Path] = (), pitch_mm: float = 30.0,
) -> Report:  # fmt: skip
    """Return the numbers that the recordings allow, with the corrections `used`."""
    if not (floods or slits_x or slits_y):
        raise UsageError("nothing to judge: give --flood, or --slits-x and --slits-y")
    made = Report(used=tuple(one.id for one in used.used))
    if floods:
        made.spectrum = head_spectrum(bench, floods, used)
        made.numbers += _energy(made.spectrum, bench.line_kev)
        made.flood, judged, plain = flood_of(bench, floods, used)
        made.numbers += _uniformity(judged, plain)
    masks = [(SlitMask("x", pitch_mm), slits_x), (SlitMask("y", pitch_mm), slits_y)]
    peaks = [slits(bench, recorded, used, mask, strip_mm=STRIP_MM) for mask, recorded in masks if recorded]
    for name, of in zip(FIELDS, (bench.field, bench.field.central), strict=True):
        lines = [(each.mask.across, resolution_and_linearity(each, of)) for each in peaks]
        made.numbers += _lines(name, lines)
    return made


def field_named(bench: HeadBench, name: str) -> FieldOfView:
    """Return the useful or the central field."""
    return bench.field if name == FIELDS[0] else bench.field.central


def _energy(of: Spectrum, line_kev: float) -> Iterator[Number]:
    peak = photopeak(of, line_kev)
    enough = peak.height >= NEMA_COUNTS_IN_PEAK
    yield Number("photopeak", peak.at, "keV", enough=enough)
    yield Number("energy resolution, FWHM", peak.fwhm_percent, "%", enough=enough)


def _uniformity(judged: FloodUniformity, plain: FloodUniformity) -> Iterator[Number]:
    noise, enough = plain.noise_percent, plain.is_nema_grade
    yield Number("counts per pixel of 6.4 mm", plain.counts_per_pixel, "1", enough=enough)
    for name, of in (("UFOV", judged.ufov), ("CFOV", judged.cfov)):
        low = name.lower()
        yield Number(f"integral uniformity, {name}", of.integral_percent, "%", noise[f"{low}_integral"], enough)
        yield Number(
            f"differential uniformity, {name}", of.differential_percent, "%", noise[f"{low}_differential"], enough
        )


def _lines(name: str, lines: Sequence[tuple[str, Lines]]) -> Iterator[Number]:
    """Yield means over both directions, but the larger one of absolute linearity."""
    if not lines:
        return
    enough = all(each.counts_per_peak >= NEMA_COUNTS_PER_PEAK for _, each in lines)
    each = [one for _, one in lines]
    yield Number(f"intrinsic FWHM, {name}", sum(one.fwhm_mm for one in each) / len(each), "mm", enough=enough)
    yield Number(f"intrinsic FWTM, {name}", sum(one.fwtm_mm for one in each) / len(each), "mm", enough=enough)
    spread = sum(one.differential_mm for one in each) / len(each)
    yield Number(f"differential linearity, {name}", spread, "mm", enough=enough)
    yield Number(f"absolute linearity, {name}", max(one.absolute_mm for one in each), "mm", enough=enough)
    for across, one in lines:
        yield Number(f"scale of {across}, {name}", one.scale_percent, "%", enough=enough)
