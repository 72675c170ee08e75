"""Calibrations of a PET ring by recordings of a cylinder: efficiencies, time offsets and gains of crystals.

Each gives what it found with the figures of its test. What is written of it are candidates (`petcandidates`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.composition.qc.petfigures import spectrum_curve
from daq.composition.qc.petscan import (
    BIN_KEV,
    BINS,
    Spectra,
    energy_unit,
    has_codes,
    highest_code,
    pair_spectra,
    pairs_alone,
    read_singles,
    ring_tables,
)
from daq.composition.qc.ringframes import Frame, ring_of
from daq.errors import RefusedError
from daq.model.events import PROMPT
from daq.model.qc.figures import Curve, Figure, Picture
from daq.qc.pet import daily
from daq.qc.pet.efficiency import Efficiencies
from daq.qc.pet.energy import ANNIHILATION_KEV, PeakRows, highest_line, peak_rows, whole_peak
from daq.qc.pet.kernels import LIGHT_MM_PER_PS
from daq.qc.pet.ringmap import Floats, RingMap
from daq.qc.pet.tally import PairTally, TimeTally
from daq.qc.pet.timing import CrystalTimes, block_times, crystal_times, flight_ps, width_as_it_is

if TYPE_CHECKING:
    from daq.model.calibration import Calibration
    from daq.qc.peaks import Peak

MOST_PAIRS = 40_000_000
"""Pairs that offsets of crystals are taken of: 16 bytes each in memory."""
MOST_SINGLES = 100_000_000
GAIN_SEARCH = 0.35
"""Gains of crystals are looked for within that share of the ring's."""


@dataclass(slots=True, eq=False)
class Measured:
    """What every calibration gives beside its table."""

    figures: list[Figure] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def one(self, name: str, value: float, unit: str, noise: float | None = None, counts: float = 0.0) -> None:
        """Add a figure of the whole ring."""
        self.figures.append(Figure.of(name, value if math.isfinite(value) else None, unit, noise=noise, counts=counts))


@dataclass(frozen=True, slots=True, eq=False)
class NormalisationFound:
    """Efficiencies of crystals, and what goes with their place in a block."""

    of: RingMap
    pairs: PairTally
    crystals: Efficiencies
    by_position: Floats
    measured: Measured


def find_normalisation(frame: Frame, *, trues_needed: float) -> NormalisationFound:
    """Return the efficiencies of crystals by a cylinder; raise `RefusedError` where there is nothing to go by."""
    of, _ = ring_tables(ring_of([frame]))
    pairs = pairs_alone(frame, of)
    found, out = daily.crystal_efficiencies(pairs), Measured()
    real = of.grid(of.real).astype(np.bool_)
    live = real & ~found.dead
    fans = of.grid(pairs.net_crystals)[live]
    places = daily.by_position(found, of)
    weak = daily.weak_blocks(found.dead, of)
    out.one("efficiency_spread", daily.spread_percent(found, real), "%", None, float(np.median(fans)))
    out.one("efficiency_noise", 100.0 * float(np.median(found.noise[live])), "%", None, float(np.median(fans)))
    out.one("dead_crystals", float(found.dead.sum()), "1")
    out.one("weak_blocks", float(len(weak)), "1")
    out.one("position_spread", 100.0 * float(np.nanmax(places) - np.nanmin(places)), "%")
    out.one("misfit", daily.misfit(pairs, daily.block_efficiencies(pairs)), "1", None, pairs.net)
    if float(np.median(fans)) < trues_needed:
        out.obstacles.append(f"the middle crystal has {np.median(fans):,.0f} trues; {trues_needed:,.0f} are needed")
    if found.dead.any():
        out.remarks.append(f"dead: {_named(_numbers(of, found.dead))}")
    if len(weak):
        out.remarks.append(f"more than a quarter of their crystals dead: blocks {', '.join(map(str, weak.tolist()))}")
    out.pictures.append(Picture("Efficiency of crystals, planes along the axis", 100.0 * found.value, "%"))
    return NormalisationFound(of, pairs, found, places, out)


@dataclass(frozen=True, slots=True, eq=False)
class TimingFound:
    """Offsets of crystals, to be taken off beside those that were recorded with; CTR before and after, with noise."""

    of: RingMap
    crystals: CrystalTimes
    before: tuple[float, float]
    after: tuple[float, float]
    measured: Measured


def find_timing(frame: Frame, *, radius_mm: float, trues_needed: float) -> TimingFound:
    """Return the time offsets of crystals by a cylinder or line source (`radius_mm` 0) in the middle of the ring.

    Raises `RefusedError` for a recording without differences of time, and for one without trues.
    """
    if not frame.pairs.has_tof:
        raise RefusedError(f"{frame.directory}: no differences of time are recorded, so no offset can be told")
    of, _ = ring_tables(ring_of([frame]))
    reach_ps = float(frame.pairs.half_window_ps or frame.pairs.survey().widest_tof_ps) + 1.0
    whole = PairTally(of)
    raw = TimeTally(of, reach_ps, radius_mm)
    for part in frame.pairs.runs():
        whole.add(part["detector_a"], part["detector_b"], part["kind"])
        raw.add(part["detector_a"], part["detector_b"], part["kind"], part["tof_ps"])
    centre = whole.centre_mm() or (0.0, 0.0)
    blocks = block_times(raw, centre)
    first, second, left = _prompts(frame, of, centre)
    within = 2.0 * radius_mm / LIGHT_MM_PER_PS + 3.0 * (blocks.ctr_ps if math.isfinite(blocks.ctr_ps) else reach_ps)
    start = np.where(of.real, np.nan_to_num(blocks.offset_ps)[np.maximum(of.block, 0)], 0.0)
    crystals = crystal_times(first, second, left, start, within_ps=min(within, reach_ps), fewest=trues_needed)
    before = _width_with(frame, of, reach_ps, radius_mm, centre, np.zeros(of.size))
    after = _width_with(frame, of, reach_ps, radius_mm, centre, np.nan_to_num(crystals.offset_ps))
    found = TimingFound(of, crystals, before, after, Measured())
    _timing_figures(found, whole, centre)
    return found


def _prompts(
    frame: Frame, of: RingMap, centre: tuple[float, float]
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
    """Return prompts, at most 40 M, and their differences of time less what flight makes on average."""
    flight = flight_ps(of, centre)
    parts, total = [], 0
    for part in frame.pairs.runs():
        chosen = part["kind"] == PROMPT
        a, b = part["detector_a"][chosen], part["detector_b"][chosen]
        inside = (a < of.size) & (b < of.size)
        a, b, tof = a[inside], b[inside], part["tof_ps"][chosen][inside]
        both = of.real[a] & of.real[b]
        a, b = a[both], b[both]
        parts.append((a, b, (tof[both] - flight[of.block[a], of.block[b]]).astype(np.float32)))
        total += len(a)
        if total >= MOST_PAIRS:
            break
    first, second, left = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return first.astype(np.uint32), second.astype(np.uint32), left


def _width_with(
    frame: Frame, of: RingMap, reach_ps: float, radius_mm: float, centre: tuple[float, float], offset_ps: Floats
) -> tuple[float, float]:
    """Return the coincidence resolving time, and its noise, once `offset_ps` are taken off."""
    tally = TimeTally(of, reach_ps, radius_mm)
    for part in frame.pairs.runs():
        a, b = part["detector_a"], part["detector_b"]
        known = (a < of.size) & (b < of.size)
        a, b, tof = a[known], b[known], part["tof_ps"][known]
        left = np.rint(tof - (offset_ps[b] - offset_ps[a])).astype(np.int32)
        tally.add(a, b, part["kind"][known], left)
    return width_as_it_is(tally, centre)


def _timing_figures(found: TimingFound, whole: PairTally, centre: tuple[float, float]) -> None:
    out, crystals, of = found.measured, found.crystals, found.of
    known = of.real & np.isfinite(crystals.offset_ps)
    offsets = crystals.offset_ps[known]
    counts = float(np.median(crystals.counts[of.real]))
    out.one("ctr_before", found.before[0], "ps", found.before[1], whole.net)
    out.one("ctr_after", found.after[0], "ps", found.after[1], whole.net)
    out.one("offset_spread", float(offsets.std()) if len(offsets) else math.nan, "ps", None, counts)
    out.one(
        "offset_noise", float(np.median(crystals.noise_ps[known])) if len(offsets) else math.nan, "ps", None, counts
    )
    out.one("largest_offset", float(np.abs(offsets).max()) if len(offsets) else math.nan, "ps")
    without = np.flatnonzero(of.real & ~known)
    out.one("crystals_without_offset", float(len(without)), "1")
    if len(without):
        out.remarks.append(f"too few counts for an offset: {_named(without)}")
    out.remarks.append(
        f"the source was taken to be at x {centre[0]:.1f}, y {centre[1]:.1f} mm, by its lines of response"
    )


@dataclass(frozen=True, slots=True, eq=False)
class EnergyFound:
    """Peaks of crystals by detector number, in the unit that was recorded, and what to multiply gains with."""

    of: RingMap
    unit: str
    peaks: PeakRows
    factor: Floats
    measured: Measured


def find_energy(frames: Sequence[Frame], *, peak_needed: float) -> EnergyFound:
    """Return the photopeaks of 511 keV of crystals; raise `RefusedError` for a recording without energies or a peak.

    `factor` [size]: true energy over recorded, NaN where there were too few counts or no peak.
    """
    of, group = ring_tables(ring_of(list(frames)))
    spectra = _spectra(frames, of, group)
    total = spectra.counts.sum(axis=0)
    line = ANNIHILATION_KEV if spectra.unit == "keV" else highest_line(spectra.axis, total)
    whole = whole_peak(spectra.axis, total, line=line, search=GAIN_SEARCH)
    peaks = peak_rows(spectra.axis, spectra.counts, whole, fewest=peak_needed, search=GAIN_SEARCH)
    factor = ANNIHILATION_KEV / peaks.at
    out = Measured()
    _energy_figures(out, of, spectra, whole, peaks)
    return EnergyFound(of, spectra.unit, peaks, factor, out)


def _spectra(frames: Sequence[Frame], of: RingMap, group: npt.NDArray[np.int32]) -> Spectra:
    """Return the spectra of crystals over all frames, of singles where they are stored, else of coincidences."""
    width = _bin_width(frames)
    total: Spectra | None = None
    for frame in frames:
        found = read_singles(frame, of, most=MOST_SINGLES // len(frames), group=group, bin_width=width)
        made = found[1] if found else None
        if made is None:
            made = _of_pairs(frame, group, width)
        if total is None:
            total = made
        elif total.unit != made.unit:
            raise RefusedError(f"{frame.directory}: its energies are {made.unit}, those of others {total.unit}")
        else:
            total.counts += made.counts
    if total is None:
        raise RefusedError("no recording was given")
    return total


def _of_pairs(frame: Frame, group: npt.NDArray[np.int32], width: float) -> Spectra:
    if not frame.pairs.has_energies:
        raise RefusedError(f"{frame.directory}: no energies are recorded, neither of singles nor of coincidences")
    made = Spectra(np.zeros((int(group.max()) + 1, BINS), np.int64), width, energy_unit(frame), "coincidences")
    pair_spectra(frame, made, group)
    return made


def _bin_width(frames: Sequence[Frame]) -> float:
    """Return 2.5 keV; of codes what makes as many bins up to the highest."""
    if all(energy_unit(frame) == "keV" for frame in frames) and not any(map(has_codes, frames)):
        return BIN_KEV
    return max(highest_code(frame) for frame in frames) / BINS


def _energy_figures(out: Measured, of: RingMap, spectra: Spectra, whole: Peak, peaks: PeakRows) -> None:
    known = np.isfinite(peaks.at)
    at = peaks.at[known]
    counts = float(np.median(peaks.counts[of.real]))
    out.one("peak", whole.at, "keV" if spectra.unit == "keV" else "1", None, whole.counts)
    out.one("resolution_before", whole.fwhm_percent, "%", None, whole.counts)
    after = whole_peak(spectra.axis, _aligned(spectra.counts, whole.at / peaks.at), line=whole.at)
    out.one("resolution_after", after.fwhm_percent, "%", None, after.counts)
    spread = (float(at.var()) - float((peaks.noise[known] ** 2).mean())) if len(at) else math.nan
    out.one("gain_spread", 100.0 * math.sqrt(max(spread, 0.0)) / whole.at, "%", None, counts)
    out.one("gain_noise", 100.0 * float(np.nanmedian(peaks.noise / peaks.at)), "%", None, counts)
    without = np.flatnonzero(of.real & ~known)
    out.one("crystals_without_gain", float(len(without)), "1")
    if len(without):
        out.remarks.append(f"too few counts for a gain, or no peak: {_named(without)}")
    if spectra.of == "coincidences":
        out.remarks.append("spectra are those of photons in coincidence: a peak beyond their window is not seen")
    out.curves.append(spectrum_curve(spectra, whole))


def _aligned(counts: npt.NDArray[np.int64], factor: Floats) -> Floats:
    """Return the sum of spectra, each stretched by its factor; those without one are left out."""
    rows = np.flatnonzero(np.isfinite(factor))
    at = np.arange(counts.shape[1])[None, :] * factor[rows][:, None]
    low = np.floor(at).astype(np.int64)
    share, size = at - low, counts.shape[1] + 2
    inside = low < counts.shape[1]
    values = counts[rows]
    total = np.bincount(low[inside], (values * (1.0 - share))[inside], minlength=size)
    return np.asarray(
        (total + np.bincount(low[inside] + 1, (values * share)[inside], minlength=size))[: counts.shape[1]]
    )


def carried_over(frame: Frame) -> Calibration | None:
    """Return the calibration that a frame was recorded with; None where it had none but the identity."""
    processing = frame.pairs.processing
    calibration = processing.calibration if processing else None
    return None if calibration is None or calibration.identity else calibration


def _numbers(of: RingMap, grid: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    at = of.detectors
    return at[grid[of.plane[at], of.around[at]]]


def _named(detectors: npt.NDArray[np.int64]) -> str:
    shown = ", ".join(f"crystal {number}" for number in detectors[:20].tolist())
    return shown if len(detectors) <= 20 else f"{shown} and {len(detectors) - 20:,} more"  # noqa: PLR2004
