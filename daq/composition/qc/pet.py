"""The daily scan of a PET ring: a cylinder in its middle, block by block, after a background without it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.composition.qc.petfigures import block_names, by_subject, plane_names, spectrum_curve, times_curve
from daq.composition.qc.petscan import (
    MOST_SINGLES,
    Scan,
    Spectra,
    background_and_blank,
    pairs_alone,
    ring_tables,
    scanned,
)
from daq.composition.qc.ringframes import Frame, filled, frames_of, ring_of
from daq.errors import RefusedError
from daq.model.qc.figures import Curve, Figure, Findings, Picture
from daq.qc.pet import daily
from daq.qc.pet.energy import ANNIHILATION_KEV, peak_rows, resolution_noise_percent, whole_peak
from daq.qc.pet.randoms import randoms_cps
from daq.qc.pet.timing import block_times

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.qc.peaks import Peak

SILENT_MOST = 0.25
"""Where more of the ring than that sees nothing, nothing is said of the rest: it has no partners."""
FEWEST_IN_PEAK = 500


@dataclass(slots=True)
class _Found:
    """What is found, bit by bit."""

    figures: list[Figure] = field(default_factory=list)
    obstacles: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def one(self, name: str, value: float | None, unit: str, noise: float | None = None, counts: float = 0.0) -> None:
        """Add a figure of the whole ring; what is no number could not be determined."""
        known = value if value is not None and math.isfinite(value) else None
        sure = noise if noise is not None and math.isfinite(noise) else None
        self.figures.append(Figure.of(name, known, unit, noise=sure, counts=counts))

    def findings(self) -> Findings:
        """Return it whole."""
        return Findings(
            tuple(self.figures), tuple(self.obstacles), tuple(dict.fromkeys(self.remarks)), tuple(self.pictures),
            tuple(self.curves),
        )  # fmt: skip


def measure_daily(material: Material) -> Findings:
    """Return what the daily scan shows. Raises what reading the recordings raises, and `RefusedError` for no ring."""
    frames = frames_of(material)
    background, blank = background_and_blank(frames)
    of, _ = ring_tables(ring_of(frames))
    scan = scanned(
        blank, of, radius_mm=_needed(material, "cylinder_radius_mm"), group=of.block,
        most_singles=int(material.number("spectrum_singles", MOST_SINGLES)),
    )  # fmt: skip
    found = _Found(remarks=list(scan.remarks))
    _rates(found, material, scan, pairs_alone(background, of).net if background else None, background)
    enough = not _silent(found, scan) and _enough(found, material, scan)
    _energies(found, scan)
    if not enough:
        return found.findings()
    centre = _centre(found, material, scan)
    _sensitivity(found, material, scan, frames)
    _efficiencies(found, scan)
    _times(found, scan, centre)
    return found.findings()


def _needed(material: Material, name: str) -> float:
    value = material.test.parameters.get(name)
    if not isinstance(value, int | float):
        raise RefusedError(f"test {material.name}: the scanner profile does not say its parameter {name}")
    return float(value)


def _rates(found: _Found, material: Material, scan: Scan, dark: int | None, background: Frame | None) -> None:
    """Add prompts, trues, randoms and the background."""
    pairs, seconds = scan.pairs, scan.seconds
    prompts, delayeds = pairs.prompts, pairs.delayeds
    both = math.sqrt(prompts + delayeds)
    found.one("prompts_rate", prompts / seconds, "cps", math.sqrt(prompts) / seconds, prompts)
    found.one("trues_rate", pairs.net / seconds, "cps", both / seconds, pairs.net)
    if scan.frame.has_delayeds and prompts:
        fraction = 100.0 * delayeds / prompts
        noise = fraction * math.sqrt(1.0 / max(delayeds, 1) + 1.0 / prompts)
        found.one("randoms_fraction", fraction, "%", noise, delayeds)
        _randoms_of_singles(found, scan)
    else:
        found.remarks.append("no delayed window was recorded: randoms are among the trues")
    if pairs.strangers:
        found.remarks.append(f"{pairs.strangers:,} pairs name a detector that the ring does not have")
    if dark is None or background is None:
        found.remarks.append("no step is named background: how much of the counts is not of the source is not known")
    elif pairs.net > 0:
        share = 100.0 * (dark / background.seconds) / (pairs.net / seconds)
        noise = 100.0 * math.sqrt(max(dark, 1)) / background.seconds / (pairs.net / seconds)
        found.one("background_share", share, "%", noise, dark)
        most = _needed(material, "background_most_percent")
        if share > most:
            found.obstacles.append(
                f"without the source there are {share:.2f} % of the trues with it; the limit is {most:g} %"
            )


def _randoms_of_singles(found: _Found, scan: Scan) -> None:
    processing = scan.frame.pairs.processing
    rule = processing.pairing if processing else None
    if scan.singles is None or rule is None:
        found.remarks.append("no singles are stored: randoms are not compared with their rates")
        return
    expected = randoms_cps(
        scan.singles.window_cps, scan.pairs.ring, half_window_ps=rule.half_window_ps,
        minimum_sector_difference=rule.minimum_sector_difference, max_ring_difference=rule.max_ring_difference,
    )  # fmt: skip
    if expected > 0.0:
        counted = scan.pairs.delayeds
        scale = 100.0 / (expected * scan.seconds)
        found.one("randoms_of_singles", counted * scale, "%", math.sqrt(max(counted, 1)) * scale, counted)
        found.remarks.append(f"coincidences by policy {rule.policy}: under takeAllGoods alone are delayeds 2 W S S")


def _silent(found: _Found, scan: Scan) -> bool:
    """Return whether a good part of the ring sees nothing, by singles where they are stored, and add the obstacle."""
    of = scan.pairs.ring
    rate = of.of_blocks(scan.singles.cps if scan.singles else scan.pairs.crystals[0])
    nothing = daily.silent(rate, of)
    if nothing.share > SILENT_MOST:
        found.obstacles.append(
            f"{len(nothing.blocks)} of {of.blocks} blocks see nothing, {_listed(nothing.blocks)}: of the others nothing"
            " can be said, for they have no partners"
        )
    return nothing.share > SILENT_MOST


def _enough(found: _Found, material: Material, scan: Scan) -> bool:
    """Return whether there are prompts enough to go on; add the obstacle where there are not."""
    needed = _needed(material, "prompts_needed")
    if scan.pairs.prompts < needed:
        found.obstacles.append(f"{scan.pairs.prompts:,} prompts; the test needs {needed:,.0f}")
    if scan.pairs.net <= 0:
        found.obstacles.append("no more prompts than delayeds: nothing in the ring gives pairs of photons")
    return scan.pairs.net > 0


def _energies(found: _Found, scan: Scan) -> None:
    """Add the photopeak of all and of every block."""
    spectra = scan.spectra
    if spectra is None:
        found.remarks.append("no energies are recorded: nothing is said of the photopeak")
        return
    if spectra.unit != "keV":
        found.obstacles.append("energies are ADC codes: the ring was recorded without a calibration of energies")
        return
    total = spectra.counts.sum(axis=0)
    try:
        whole = whole_peak(spectra.axis, total, line=ANNIHILATION_KEV)
    except RefusedError as why:
        found.obstacles.append(f"no photopeak of 511 keV, as of another nuclide or without a source: {why}")
        return
    rows = peak_rows(spectra.axis, spectra.counts, whole, fewest=FEWEST_IN_PEAK)
    names = block_names(scan.pairs.ring)
    (at,), (sigma,) = (each.tolist() for each in of_all(spectra, whole))
    found.one("peak", at, "keV", sigma, whole.counts)
    found.one("resolution", whole.fwhm_percent, "%", 2.5 * whole.fwhm_percent / math.sqrt(whole.counts), whole.counts)
    found.figures += [
        by_subject("block_peak", "keV", names, rows.at, rows.noise, rows.counts),
        by_subject("block_resolution", "%", names, rows.fwhm_percent, resolution_noise_percent(rows), rows.counts),
    ]
    found.curves.append(spectrum_curve(spectra, whole))
    if spectra.of == "coincidences":
        found.remarks.append("spectra are those of photons in coincidence: what lies outside their window is not seen")


def of_all(spectra: Spectra, whole: Peak) -> tuple[Any, Any]:
    """Return the photopeak of all, found as that of each block is, and its noise; arrays of one."""
    rows = peak_rows(spectra.axis, spectra.counts.sum(axis=0)[None, :], whole, fewest=1)
    return rows.at, rows.noise


def _centre(found: _Found, material: Material, scan: Scan) -> tuple[float, float]:
    """Add where the cylinder is, and return it; 0, 0 where it cannot be told."""
    centre = scan.pairs.centre_mm()
    if centre is None:
        found.remarks.append("where the cylinder is cannot be told by the lines of response")
        return 0.0, 0.0
    noise = scan.pairs.centre_noise_mm(_needed(material, "cylinder_radius_mm") / 2.0)
    for name, value in zip(("phantom_x_mm", "phantom_y_mm"), centre, strict=True):
        found.one(name, value, "mm", noise, scan.pairs.net)
    most = _needed(material, "centre_most_mm")
    if math.hypot(*centre) > most:
        found.obstacles.append(
            f"the cylinder is {math.hypot(*centre):.1f} mm off the axis, x {centre[0]:.1f}, y {centre[1]:.1f} mm; the"
            f" limit is {most:g} mm: lay it in the middle"
        )
    return centre


def _sensitivity(found: _Found, material: Material, scan: Scan, frames: list[Frame]) -> None:
    """Add trues a second per MBq, of all and of each block, and against the reference."""
    names = block_names(scan.pairs.ring)
    fans = scan.pairs.ring.of_blocks(scan.pairs.net_crystals)
    try:
        mbq = filled(material, frames).mean_mbq(scan.frame)
    except RefusedError as why:
        found.remarks.append(f"no sensitivity: {why}")
        found.one("sensitivity", None, "cps/MBq")
        return
    scale = 1.0 / (scan.seconds * mbq)
    both = scan.pairs.prompts + scan.pairs.delayeds
    found.one("sensitivity", scan.pairs.net * scale, "cps/MBq", math.sqrt(both) * scale, scan.pairs.net)
    noise = np.sqrt(scan.pairs.ring.of_blocks(scan.pairs.crystals.sum(axis=0)))
    found.figures.append(by_subject("block_sensitivity", "cps/MBq", names, fans * scale, noise * scale, fans))
    found.figures += _of_reference(material, dict(zip(names, fans * scale, strict=True)), noise * scale, fans)


def _of_reference(material: Material, now: dict[str, float], noise: Any, counts: Any) -> Iterator[Figure]:
    if material.reference is None:
        return
    was = next((each for each in material.reference.figures if each.name == "block_sensitivity"), None)
    if was is None:
        return
    before = dict(zip(was.subjects, was.values, strict=True))
    scale = np.array([100.0 / value if (value := before.get(name)) else math.nan for name in now])
    yield by_subject("block_of_reference", "%", tuple(now), np.array(list(now.values())) * scale, noise * scale, counts)


def _efficiencies(found: _Found, scan: Scan) -> None:
    """Add efficiencies of blocks and planes, what is dead and what is noisy."""
    of = scan.pairs.ring
    blocks, crystals = daily.block_efficiencies(scan.pairs), daily.crystal_efficiencies(scan.pairs)
    fans = of.of_blocks(scan.pairs.net_crystals)
    names = block_names(of)
    shown, sure = 100.0 * blocks.value.ravel(), 100.0 * blocks.noise.ravel()
    found.figures.append(by_subject("block_efficiency", "%", names, shown, sure, fans))
    fan, both = of.grid(scan.pairs.net_crystals), of.grid(scan.pairs.crystals.sum(axis=0))
    mean, noise = daily.planes(crystals, fan, both, of.grid(of.real).astype(np.bool_))
    found.figures.append(
        by_subject("plane_efficiency", "%", plane_names(of), 100.0 * mean, 100.0 * noise, fan.sum(axis=1))
    )
    dead = tuple(np.flatnonzero(blocks.dead.ravel()).tolist())
    found.one("dead_blocks", len(dead), "1")
    if dead:
        found.remarks.append(f"dead: {_listed(dead)}")
    _noisy(found, scan)
    found.pictures.append(Picture("Efficiency of blocks, rows along the axis", 100.0 * blocks.value, "%"))
    found.pictures.append(Picture("Efficiency of crystals, planes along the axis", 100.0 * crystals.value, "%"))


def _noisy(found: _Found, scan: Scan) -> None:
    of = scan.pairs.ring
    if scan.singles is not None:
        counts = of.of_blocks(scan.singles.counts)
        rate = of.of_blocks(scan.singles.cps)
        noise = np.where(counts > 0, rate / np.sqrt(np.maximum(counts, 1)), 0.0)
        found.figures.append(by_subject("block_singles", "cps", block_names(of), rate, noise, counts))
    else:
        counts = rate = of.of_blocks(scan.pairs.crystals[1])
        found.remarks.append("no singles are stored: noisy blocks are told by delayeds")
    loud = daily.noisy(rate, counts, of)
    found.one("noisy_blocks", len(loud), "1")
    if loud:
        found.remarks.append(f"noisy: {_listed(loud)}")


def _times(found: _Found, scan: Scan, centre: tuple[float, float]) -> None:
    """Add offsets and widths of blocks, and the width of all."""
    if scan.times is None:
        found.remarks.append("no differences of time are recorded: nothing is said of timing")
        return
    try:
        times = block_times(scan.times, centre)
    except RefusedError as why:
        found.remarks.append(f"no timing: {why}")
        return
    names = block_names(scan.pairs.ring)
    found.one("ctr", times.ctr_ps, "ps", times.ctr_noise_ps, scan.pairs.net)
    found.one("ctr_measured", times.measured_ps, "ps", None, scan.pairs.net)
    found.figures += [
        by_subject("block_time_offset", "ps", names, times.offset_ps, times.offset_noise_ps, times.trues),
        by_subject("block_time_width", "ps", names, times.width_ps, times.width_noise_ps, times.trues),
    ]
    found.curves.append(times_curve(times))
    if scan.times.beyond:
        found.remarks.append(f"{scan.times.beyond:,} differences of time lie outside of the coincidence window")


def _listed(blocks: tuple[int, ...]) -> str:
    shown = ", ".join(f"block {number}" for number in blocks[:10])
    return shown if len(blocks) <= 10 else f"{shown} and {len(blocks) - 10} more"  # noqa: PLR2004
