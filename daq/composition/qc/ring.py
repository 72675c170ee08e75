"""NEMA NU 2 of a PET ring: sensitivity, scatter fraction and count rates, from recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.composition.qc.ringframes import Filled, Frame, filled, frames_of, ring_of
from daq.errors import RefusedError, UsageError
from daq.model.qc.figures import Curve, Figure, Findings
from daq.qc.pet import nemascatter as scatter
from daq.qc.pet.nemalines import LorTable, SourceLine, find_line
from daq.qc.pet.nemanecr import losses_percent, necr_of, peak_necr
from daq.qc.pet.nemasensitivity import (
    SLEEVE_WALL_MM,
    Sensitivity,
    SleeveRate,
    axial_profile,
    sensitivity,
)

if TYPE_CHECKING:
    from daq.composition.qc.material import Material

_FOR_LINE = 200_000
_STANDARD_SLEEVES = 5
_FAR_OFF_MM = 100.0
_HIGH_RANDOMS = 0.05
_LOW_RANDOMS = 0.01
_NEMA_COUNTS = 500_000
_AXIAL_MM = 325.0
"""Half of the 650 mm that are looked at of a longer field of view (section 4.4)."""
_OFF_LINE_SIGMA = 5.0
Counts = npt.NDArray[np.int64]


def measure_sensitivity(material: Material) -> Findings:
    """Return the sensitivity of each distance from the axis, from one frame for each number of sleeves."""
    frames = frames_of(material)
    try:
        table, source = LorTable(ring_of(frames)), filled(material, frames)
        sleeves, offsets = _arrangement(material, len(frames))
        counted = [_by_slice(frame, table) for frame in frames]
        wall = material.number("sleeve_wall_mm", SLEEVE_WALL_MM)
        rates = [
            SleeveRate(
                wall * worn, int(prompts.sum()), int(delayeds.sum()), frame.seconds, source.mean_mbq(frame) / source.mbq
            )
            for worn, frame, (prompts, delayeds) in zip(sleeves, frames, counted, strict=True)
        ]
        found = {
            at: sensitivity([rate for rate, off in zip(rates, offsets, strict=True) if off == at], source.mbq * 1e3)
            for at in dict.fromkeys(offsets)
        }
    except (RefusedError, UsageError) as why:
        return Findings(obstacles=(str(why),))
    first = min(range(len(frames)), key=lambda at: (sleeves[at], offsets[at]))
    trues = counted[first][0] - counted[first][1]
    profile = axial_profile(np.maximum(trues, 0), rates[first].per_s / source.mbq / 1e3)
    return Findings(
        obstacles=tuple(_grows(found)),
        figures=_sensitivities(found, rates, offsets, profile, trues),
        remarks=(*_sensitivity_remarks(found, rates), *_delayeds_missing(frames)),
        curves=(Curve("Axial sensitivity, one sleeve", table.slice_z_mm(), profile, "z, mm", "cps/kBq"),),
    )


def _arrangement(material: Material, frames: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return sleeves and distance from the axis of each frame; raise `UsageError` where they do not fit."""
    told = material.test.parameters.get("sleeves")
    standard = tuple(range(1, _STANDARD_SLEEVES + 1))
    twice = frames == 2 * _STANDARD_SLEEVES
    sleeves = tuple(round(each) for each in told) if isinstance(told, tuple) else standard * (2 if twice else 1)
    away = material.test.parameters.get("offsets_mm")
    usual = tuple(0.0 if at < _STANDARD_SLEEVES else _FAR_OFF_MM for at in range(frames)) if twice else (0.0,) * frames
    offsets = away if isinstance(away, tuple) else usual
    if len(sleeves) != frames or len(offsets) != frames:
        raise UsageError(
            f"{frames} frames, {len(sleeves)} numbers of sleeves and {len(offsets)} distances from the axis: "
            "each frame needs both; a frame is missing, or `sleeves` and `offsets_mm` say something else"
        )
    return sleeves, offsets


def _by_slice(frame: Frame, table: LorTable) -> tuple[Counts, Counts]:
    """Return prompts and delayeds of each slice."""
    found = []
    for runs in (frame.prompts(), frame.delayeds()):
        counts = np.zeros(table.slices, np.int64)
        for part in runs:
            at = table.lors(part["detector_a"], part["detector_b"]).slice
            counts += np.bincount(at, minlength=table.slices)
        found.append(counts)
    return found[0], found[1]


def _sensitivities(
    found: dict[float, Sensitivity], rates: list[SleeveRate], offsets: tuple[float, ...],
    profile: npt.NDArray[np.float64], trues: Counts,
) -> tuple[Figure, ...]:  # fmt: skip
    subjects = tuple(f"line at {at:g} mm" for at in found)
    counts = tuple(
        float(sum(rate.prompts - rate.delayeds for rate, off in zip(rates, offsets, strict=True) if off == at))
        for at in found
    )
    made = found.values()
    top = int(profile.argmax())
    of_top = float(trues[top])
    return (
        Figure("sensitivity", "cps/kBq", subjects, tuple(one.cps_per_kbq for one in made),
               tuple(one.error_cps_per_kbq for one in made), counts),
        Figure("attenuation", "1/mm", subjects, tuple(one.attenuation_per_mm for one in made),
               tuple(one.attenuation_error_per_mm for one in made), counts),
        Figure.of("peak_slice", float(profile[top]), "cps/kBq", noise=float(profile[top] / np.sqrt(max(of_top, 1.0))),
                  counts=of_top),
    )  # fmt: skip


def _sensitivity_remarks(found: dict[float, Sensitivity], rates: list[SleeveRate]) -> list[str]:
    said = [
        f"line at {at:g} mm: a frame lies {one.worst_sigma:.1f} standard deviations off the straight line of the others"
        for at, one in found.items()
        if one.worst_sigma > _OFF_LINE_SIGMA
    ]
    high = [rate.delayeds / (rate.prompts - rate.delayeds) for rate in rates]
    if max(high) > _HIGH_RANDOMS:
        said.append(f"randoms are {100 * max(high):.1f} % of trues; NEMA NU 2 wants less than 5 %: the line is too hot")
    return said


def _grows(found: dict[float, Sensitivity]) -> list[str]:
    """Say where more metal lets more through: the frames were measured in another order than is said."""
    return [
        f"line at {at:g} mm: the rate grows with metal, {-one.attenuation_per_mm:.3g} 1/mm: sleeves in the wrong order"
        for at, one in found.items()
        if one.attenuation_per_mm < -2.0 * one.attenuation_error_per_mm
    ]


def _delayeds_missing(frames: list[Frame]) -> list[str]:
    bare = [frame.name for frame in frames if not frame.has_delayeds]
    return [f"no delayed window in {', '.join(bare)}: randoms are not taken off"] if bare else []


def measure_necr(material: Material) -> Findings:
    """Return scatter fraction, noise-equivalent rates and losses of frames over decay."""
    frames = frames_of(material)
    k = round(material.number("k", 0.0))
    try:
        table, source = LorTable(ring_of(frames)), filled(material, frames)
        bins = scatter.Bins.near(material.number("bin_mm", table.pitch_mm))
        binned = _binned(frames, table, bins, source)
        low, remarks = _of_low_activity(binned, bins)
        share = scatter.scatter_of(low, bins)
        phantom_ml = material.number("phantom_ml", scatter.PHANTOM_ML)
        rates = [scatter.rates_of(frame, bins, share, phantom_ml) for frame in binned]
        made = [necr_of(each, k) for each in rates]
    except (RefusedError, UsageError) as why:
        return Findings(obstacles=(str(why),))
    figures = [Figure.of("scatter_fraction", 100 * share.value, "%", noise=100 * share.error, counts=share.counts)]
    more_figures, more = _necr_figures(rates, made, k)
    per_slice = 100.0 * scatter.by_slice(low, bins)
    return Findings(
        figures=(*figures, *more_figures), remarks=(*remarks, *more, *_few(binned)),
        curves=(*_rate_curves(rates, made, k),
                Curve("Scatter fraction by slice", table.slice_z_mm(), per_slice, "z, mm", "%")),
    )  # fmt: skip


def _binned(frames: list[Frame], table: LorTable, bins: scatter.Bins, source: Filled) -> list[scatter.Frame]:
    """Return counts by slice and distance from the line, which is found in the frame of least activity."""
    last = frames[-1].first_prompts(_FOR_LINE)
    line = find_line(table.lors(last["detector_a"], last["detector_b"]))
    made = []
    for frame in frames:
        prompts = _profiles(frame.prompts(), table, bins, line)
        delayeds = _profiles(frame.delayeds(), table, bins, line) if frame.has_delayeds else None
        made.append(scatter.Frame(prompts, delayeds, frame.seconds, source.mean_mbq(frame)))
    return made


def _profiles(runs: object, table: LorTable, bins: scatter.Bins, line: SourceLine) -> Counts:
    counts = np.zeros((table.slices, bins.number), np.int64)
    seen = np.abs(table.slice_z_mm()) <= _AXIAL_MM
    for part in runs:  # type: ignore[attr-defined]
        lors = table.lors(part["detector_a"], part["detector_b"])
        lors = lors.chosen((np.abs(lors.s_mm) <= scatter.FIELD_MM) & seen[lors.slice])
        counts += bins.profiles(line.away_mm(lors), lors.slice, table.slices)
    return counts


def _of_low_activity(frames: list[scatter.Frame], bins: scatter.Bins) -> tuple[list[scatter.Frame], list[str]]:
    """Return the frames whose randoms are below 1 % of their trues; that of least activity where none is."""
    least = min(frames, key=lambda frame: frame.mean_activity_mbq)
    if least.delayeds is None:
        return [least], [
            "no delayed window: the scatter fraction is that of the frame of least activity, its randoms counted in"
        ]
    low = [
        frame for frame in frames
        if frame.delayeds is not None
        and frame.delayeds.sum() < _LOW_RANDOMS * float(bins.weights @ frame.prompts.sum(axis=0))
    ]  # fmt: skip
    if low:
        return low, []
    return [least], ["no frame has randoms below 1 % of its trues: the scatter fraction is that of least activity"]


def _necr_figures(
    rates: list[scatter.Rates], made: list[tuple[float, float]], k: int
) -> tuple[list[Figure], list[str]]:
    peak = peak_necr(rates, k)
    value, error, at = (
        (None,) * 3 if peak is None else (peak.value / 1e3, peak.error / 1e3, peak.concentration_kbq_per_ml)
    )
    top = max(made)
    figures = [
        Figure.of("peak_necr", value, "kcps", noise=error),
        Figure.of("peak_necr_at", at, "kBq/mL"),
        Figure.of("highest_necr", top[0] / 1e3, "kcps", noise=top[1] / 1e3),
    ]
    remarks = [f"NECR is T^2 / (T + S + k R) with k = {k}"]
    if peak is None:
        most = max(each.concentration_kbq_per_ml for each in rates)
        remarks.append(f"the maximum of NECR was not reached up to {most:.3g} kBq/mL; nothing is extrapolated")
    try:
        lost, noise = losses_percent(rates)
        hottest = int(np.argmax([each.concentration_kbq_per_ml for each in rates]))
        figures.append(Figure.of("loss", float(lost[hottest]), "%", noise=float(noise[hottest])))
    except RefusedError as why:
        remarks.append(str(why))
    return figures, remarks


def _few(frames: list[scatter.Frame]) -> list[str]:
    few = [number for number, frame in enumerate(frames, 1) if frame.prompts.sum() < _NEMA_COUNTS]
    if not few:
        return []
    return [f"{len(few)} of {len(frames)} frames have fewer prompts than the {_NEMA_COUNTS:,} that NEMA NU 2 wants"]


def _rate_curves(rates: list[scatter.Rates], made: list[tuple[float, float]], k: int) -> list[Curve]:
    at = np.array([each.concentration_kbq_per_ml for each in rates])
    order = np.argsort(at)
    courses = (
        ("Trues", [each.trues for each in rates]), ("Scatter", [each.scatter for each in rates]),
        ("Randoms", [each.randoms for each in rates]), (f"NECR, k = {k}", [value for value, _ in made]),
    )  # fmt: skip
    return [Curve(name, at[order], np.array(values)[order] / 1e3, "kBq/mL", "kcps") for name, values in courses]
