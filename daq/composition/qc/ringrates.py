"""NEMA NU 2 of a PET ring: scatter fraction, noise-equivalent count rates and losses, from frames over decay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.composition.qc.ringframes import Columns, Filled, Frame, filled, frames_of, ring_of
from daq.errors import RefusedError, UsageError
from daq.model.qc.figures import Curve, Figure, Findings
from daq.qc.pet import nemascatter as scatter
from daq.qc.pet.nemalines import LorTable, SourceLine, find_line
from daq.qc.pet.nemanecr import grows_faster, losses_percent, necr_of, peak_necr

if TYPE_CHECKING:
    from daq.composition.qc.material import Material

_FOR_LINE = 200_000
_LOW_RANDOMS = 0.01
_NEMA_COUNTS = 500_000
_AXIAL_MM = 325.0
"""Half of the 650 mm that are looked at of a longer field of view (section 4.4)."""
_OFF_AXIS_MM, _ASTRAY_MM = 45.0, 5.0
"""Where the line of the phantom is, and how far off it may be before it is remarked on."""
Counts = npt.NDArray[np.int64]


def measure_necr(material: Material) -> Findings:
    """Return scatter fraction, noise-equivalent rates and losses of frames over decay."""
    frames = frames_of(material)
    k = round(material.number("k", 0.0))
    try:
        table, source = LorTable(ring_of(frames)), filled(material, frames)
        bins = scatter.Bins.near(material.number("bin_mm", table.pitch_mm))
        line = _line(frames, table)
        binned = _binned(frames, table, bins, source, line)
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
        figures=(*figures, *more_figures), remarks=(_place(line), *remarks, *more, *_few(binned)),
        curves=(*_rate_curves(rates, made, k),
                Curve("Scatter fraction by slice", table.slice_z_mm(), per_slice, "z, mm", "%")),
    )  # fmt: skip


def _line(frames: list[Frame], table: LorTable) -> SourceLine:
    """Return the line source, found in the frame of least activity, which has the fewest randoms."""
    last = frames[-1].first_prompts(_FOR_LINE)
    return find_line(table.lors(last["detector_a"], last["detector_b"]))


def _binned(
    frames: list[Frame], table: LorTable, bins: scatter.Bins, source: Filled, line: SourceLine
) -> list[scatter.Frame]:
    """Return counts by slice and distance from the line."""
    made = []
    for frame in frames:
        prompts = _profiles(frame.prompts(), table, bins, line)
        delayeds = _profiles(frame.delayeds(), table, bins, line) if frame.has_delayeds else None
        made.append(scatter.Frame(prompts, delayeds, frame.seconds, source.mean_mbq(frame)))
    return made


def _profiles(runs: Iterator[Columns], table: LorTable, bins: scatter.Bins, line: SourceLine) -> Counts:
    counts = np.zeros((table.slices, bins.number), np.int64)
    seen = np.abs(table.slice_z_mm()) <= _AXIAL_MM
    for part in runs:
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
    if grows_faster(rates):
        remarks.append("rates grow faster than activity: another nuclide, or times or activity are wrong")
    return figures, remarks


def _place(line: SourceLine) -> str:
    away = float(np.hypot(line.x_mm, line.y_mm))
    text = f"the line is at x {line.x_mm:.1f}, y {line.y_mm:.1f} mm"
    if abs(away - _OFF_AXIS_MM) <= _ASTRAY_MM:
        return text
    return f"{text}, {away:.0f} mm from the axis: that of the phantom is at {_OFF_AXIS_MM:.0f} mm; is it in its place?"


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
