"""Planar uniformity, photopeak, background and whole-body uniformity of a gamma camera, from recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from daq.composition.qc import camerafigures as figures
from daq.composition.qc.cameraread import HeadPicture, Seen, nuclide_of, seen_in, window_of
from daq.errors import RefusedError, UsageError
from daq.model.framed import ImageKind
from daq.model.qc.figures import Curve, Figure, Findings, Picture, joined
from daq.qc.camera.flood import MOST_TILT_PERCENT, FloodRule, analysed_flood
from daq.qc.camera.floodhot import SPOT_MM, SURE_SIGMA, Hottest, hottest
from daq.qc.camera.floodspots import LEAST_PERCENT, PMT_MM
from daq.qc.camera.floodsweep import SweepFound, swept

if TYPE_CHECKING:
    from daq.composition.qc.material import Material

_LEAST_COUNTS = 1.0


@dataclass(slots=True)
class _Made:
    """Findings while they are collected; figures by subject."""

    figures: dict[str, tuple[Figure, ...]] = field(default_factory=dict)
    obstacles: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def add(self, subject: str, of: Iterator[Figure]) -> None:
        if subject in self.figures:
            self.obstacles.append(f"{subject} is in two recordings of the test")
        else:
            self.figures[subject] = tuple(of)

    def findings(self) -> Findings:
        return Findings(
            joined(self.figures), tuple(dict.fromkeys(self.obstacles)), tuple(dict.fromkeys(self.remarks)),
            tuple(self.pictures), tuple(self.curves),
        )  # fmt: skip


def planar_uniformity(material: Material) -> Findings:
    """Return what floods say, head by head: uniformity with weights and without, shape, spots, photopeak, rate."""
    made = _Made()
    for directory in _recordings(material):
        seen = seen_in(directory, window=window_of(material))
        _dark(seen, made)
        if seen.collimator is not None and _rule(material, seen).bare:
            made.obstacles.append(f"{seen.collimator} was mounted, and a bare source is looked at without a collimator")
        for picture in seen.pictures:
            _flood(material, seen, picture, made)
    return made.findings()


def _flood(material: Material, seen: Seen, picture: HeadPicture, made: _Made) -> None:
    subject = picture.subject
    peak, unknown = figures.peak_of(picture, nuclide_of(material, seen))
    shared = [*figures.peak_figures(peak), *figures.rate_figures(picture)]
    made.remarks += [f"{subject}: {text}" for text in (unknown, peak.remark if peak else "") if text]
    made.obstacles += [f"{subject}: {peak.wrong}"] if peak and peak.wrong else []
    made.curves += figures.spectrum_curve(picture, peak)
    try:
        found = analysed_flood(
            picture.counts, pixel_mm=picture.pixel_mm, field=picture.field, weighted=picture.weighted,
            rule=_rule(material, seen),
        )  # fmt: skip
    except RefusedError as why:
        made.obstacles.append(f"{subject}: {why}")
        made.add(subject, iter(shared))
        return
    made.add(
        subject,
        iter(
            [*figures.uniformity_figures(found), *figures.shape_figures(found), *figures.region_figures(found), *shared]
        ),
    )
    made.obstacles += [f"{subject}: {text}" for text in found.obstacles]
    made.remarks += [f"{subject}: {text}" for text in found.remarks]
    if picture.weighted is None:
        made.remarks.append(f"{subject}: no uniformity map was recorded with it: what is judged are plain counts")
    made.pictures += figures.flood_pictures(found, subject)
    made.curves += figures.flood_curves(found, subject)


def _rule(material: Material, seen: Seen) -> FloodRule:
    said = material.test.parameters.get("bare")
    return FloodRule(
        bare=said if isinstance(said, bool) else seen.bare,
        pmt_mm=material.number("pmt_mm", PMT_MM),
        least_spot_percent=material.number("least_spot_percent", LEAST_PERCENT),
        most_tilt_percent=material.number("most_tilt_percent", MOST_TILT_PERCENT),
    )


def energy_peak(material: Material) -> Findings:
    """Return where the photopeak of each head is, and how wide."""
    made = _Made()
    for directory in _recordings(material):
        seen = seen_in(directory, window=window_of(material))
        _dark(seen, made)
        for picture in seen.pictures:
            peak, unknown = figures.peak_of(picture, nuclide_of(material, seen))
            why = unknown or (peak.wrong if peak else "") or (peak.remark if peak and peak.peaked is None else "")
            made.obstacles += [f"{picture.subject}: {why}"] if why else []
            made.remarks += [f"{picture.subject}: {peak.remark}"] if peak and peak.remark else []
            made.add(picture.subject, iter([*figures.peak_figures(peak), *figures.rate_figures(picture)]))
            made.curves += figures.spectrum_curve(picture, peak)
    return made.findings()


def background(material: Material) -> Findings:
    """Return what each head counts in each window without a source, and the hottest place of each."""
    made = _Made()
    diameter_mm = material.number("spot_mm", SPOT_MM)
    for directory in _recordings(material):
        for picture in seen_in(directory, every_window=True, every_head=True, spectra=False).pictures:
            found = hottest(picture.counts, pixel_mm=picture.pixel_mm, field=picture.field, diameter_mm=diameter_mm)
            subject = f"{picture.subject}, window {picture.window}"
            made.add(subject, _background(picture, found))
            made.remarks += [_contaminated(subject, picture, found)] if found and found.sigma > SURE_SIGMA else []
            made.pictures.append(
                Picture(
                    f"background, {subject}", picture.counts, "counts", picture.pixel_mm,
                    {"UFOV": (picture.field.width_mm, picture.field.height_mm)},
                )
            )  # fmt: skip
    return made.findings()


def _background(picture: HeadPicture, found: Hottest | None) -> Iterator[Figure]:
    counts, rate, seconds = picture.in_field, picture.rate_cps, picture.seconds
    noise = float(np.sqrt(max(counts, _LEAST_COUNTS))) / seconds if seconds > 0.0 else None
    yield Figure.of("background_cps", rate, "1/s", noise=noise, counts=counts)
    yield Figure.of("hottest_sigma", found.sigma if found else 0.0, "sigma", noise=1.0, counts=counts)
    above = (found.counts - found.expected) / seconds if found and seconds > 0.0 else None
    spread = float(np.sqrt(max(found.counts, _LEAST_COUNTS))) / seconds if found and seconds > 0.0 else None
    yield Figure.of("hottest_cps", above, "1/s", noise=spread, counts=found.counts if found else 0.0)


def _contaminated(subject: str, picture: HeadPicture, found: Hottest) -> str:
    return (
        f"{subject}: a hot place of {found.diameter_mm:.0f} mm at x {found.x_mm:.0f} mm, y {found.y_mm:.0f} mm: "
        f"{found.counts:.0f} counts where {found.expected:.1f} are expected, {found.sigma:.1f} sigma after all places "
        f"that were tried, {(found.counts - found.expected) / picture.seconds:.2f} cps: look for a contamination"
    )


def whole_body_uniformity(material: Material) -> Findings:
    """Return how even a scan of a sheet source is along the way of the bed, head by head."""
    made = _Made()
    for directory in _recordings(material):
        seen = seen_in(directory, kind=ImageKind.WHOLE_BODY, window=window_of(material), spectra=False)
        _dark(seen, made)
        for picture in seen.pictures:
            _sweep(seen, picture, made)
    return made.findings()


def _sweep(seen: Seen, picture: HeadPicture, made: _Made) -> None:
    strip, subject = seen.framed.strip, picture.subject
    if strip is None:
        made.obstacles.append(f"{subject}: the scan has no account of where the bed was")
        return
    try:
        found = swept(
            picture.counts, np.array(strip.exposure_ps, np.float64), full=float(strip.full_ps),
            pixel_mm=picture.pixel_mm, width_mm=picture.field.width_mm, y0_mm=seen.framed.pixels.y0_mm,
        )  # fmt: skip
    except RefusedError as why:
        made.obstacles.append(f"{subject}: {why}")
        return
    slowest, fastest = strip.slowest_mm_per_s, strip.fastest_mm_per_s
    speed = [
        Figure.of("speed_mean_mm_per_s", strip.mean_speed_mm_per_s, "mm/s"),
        Figure.of("speed_spread_percent", 100.0 * (fastest - slowest) / (fastest + slowest), "%"),
    ]
    made.add(subject, iter([*_along(found), *speed, Figure.of("judged_length_mm", found.length_mm, "mm")]))
    made.remarks.append(
        f"{subject}: rows of {found.pixel_mm:.2f} mm; the most uneven one is at {found.stripe_mm:.0f} mm of the scan"
    )
    made.pictures.append(Picture(f"scan, {subject}", picture.counts, "counts", picture.pixel_mm))
    made.curves.append(
        Curve(
            f"along the scan, {subject}", found.y_mm, found.rows, "place along the scan in mm",
            "counts per row of full exposure", found.line,
        )
    )  # fmt: skip


def _along(found: SweepFound) -> Iterator[Figure]:
    counts = found.counts_per_row
    yield Figure.of("scan_integral", found.integral, "%", noise=found.integral_noise, counts=counts)
    yield Figure.of("scan_slope_percent", found.slope, "%", noise=found.slope_sigma, counts=float(found.rows.sum()))
    yield Figure.of("worst_stripe_percent", found.stripe, "%", noise=found.stripe_noise, counts=counts)
    across = float(found.columns.mean())
    yield Figure.of("across_integral", found.across, "%", noise=found.across_noise, counts=across)


def _recordings(material: Material) -> tuple[Path, ...]:
    if not material.recordings:
        raise UsageError(f"test {material.name}: there is no recording to analyse")
    return material.recordings


def _dark(seen: Seen, made: _Made) -> None:
    why = "or less than a tenth of what another head did" if seen.pictures else "or it is of another nuclide"
    made.obstacles += [f"head {number}: it saw no source in its window, {why}" for number in seen.dark]
