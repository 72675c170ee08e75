"""Figures, pictures and curves that the analyses of a camera have in common."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from daq.composition.qc.cameraread import HeadPicture
from daq.errors import MissingError, RefusedError
from daq.model.qc.figures import Curve, Figure, Picture
from daq.qc.camera.flood import FloodFound
from daq.qc.camera.floodpeak import FloodPeak, flood_peak
from daq.qc.uniformity import FloodUniformity


def uniformity_figures(found: FloodFound) -> Iterator[Figure]:
    """Yield uniformity of what is judged and of plain counts. Counts and noise are those of the plain counts."""
    per_pixel = found.uncorrected.counts_per_pixel
    yield from _uniformity("", found.judged, found.uncorrected, per_pixel)
    yield from _uniformity("uncorrected_", found.uncorrected, found.uncorrected, per_pixel)
    yield Figure.of("counts_per_pixel", per_pixel, "1", noise=float(np.sqrt(per_pixel)), counts=per_pixel)


def _uniformity(before: str, of: FloodUniformity, plain: FloodUniformity, per_pixel: float) -> Iterator[Figure]:
    for name, noise in plain.noise_percent.items():
        yield Figure.of(f"{before}{name}", of.percent(name), "%", noise=noise, counts=per_pixel)


def shape_figures(found: FloodFound) -> Iterator[Figure]:
    """Yield the worst spot, that of plain counts, and the slope; None where they were not looked for."""
    plain = found.uncorrected_spots or found.spots
    for name, spots in (("worst_spot_percent", found.spots), ("uncorrected_worst_spot_percent", plain)):
        if spots is None or spots.worst is None:
            yield Figure.of(name, None, "%")
            continue
        pixels = (spots.worst.diameter_mm / found.flood.pixel_mm) ** 2 * np.pi / 4.0
        counts = float(found.uncorrected.counts_per_pixel * pixels)
        yield Figure.of(name, spots.worst.percent, "%", noise=spots.noise_percent, counts=counts)
    shape = found.shape
    yield Figure.of(
        "tilt_percent", shape.tilt_percent if shape else None, "%",
        noise=shape.tilt_noise_percent if shape else None, counts=found.uncorrected.counts,
    )  # fmt: skip


def region_figures(found: FloodFound) -> Iterator[Figure]:
    """Yield the squares of plain counts, each a subject; none where they were not looked for."""
    regions = found.regions
    if regions is not None:
        yield Figure(
            "uncorrected_region_percent", "%", regions.names, regions.percent, regions.sigma_percent, regions.counts
        )


def peak_figures(found: FloodPeak | None) -> Iterator[Figure]:
    """Yield where the photopeak is and how wide; None where there is none."""
    peaked = found.peaked if found else None
    if found is None or peaked is None:
        for name, unit in (("peak_kev", "keV"), ("peak_off_percent", "%"), ("energy_resolution_percent", "%")):
            yield Figure.of(name, None, unit)
        return
    counts = peaked.peak.counts
    yield Figure.of("peak_kev", peaked.peak.at, "keV", noise=found.sigma_kev, counts=counts)
    yield Figure.of("peak_off_percent", peaked.off_percent, "%", noise=peaked.sigma_percent, counts=counts)
    width = peaked.peak.fwhm_percent
    yield Figure.of("energy_resolution_percent", width, "%", noise=peaked.fwhm_sigma_percent, counts=counts)


def rate_figures(picture: HeadPicture) -> Iterator[Figure]:
    """Yield the rate in the useful field of view, and the dead time where the front end says it."""
    counts, rate = picture.in_field, picture.rate_cps
    noise = float(np.sqrt(max(counts, 1.0))) / picture.seconds if rate is not None else None
    yield Figure.of("count_rate_cps", rate, "1/s", noise=noise, counts=counts)
    dead = 100.0 * (1.0 - picture.head.live_share) if picture.head.live_told else None
    if dead is not None:
        yield Figure.of("dead_time_percent", dead, "%")


def peak_of(picture: HeadPicture, nuclide: str | None) -> tuple[FloodPeak | None, str]:
    """Return the photopeak of a head, and why it is not known; empty where it is."""
    if picture.seen is None:
        return None, "its energies were not recorded, so nobody knows where the photopeak is"
    if nuclide is None:
        return None, "neither test, source nor protocol says the nuclide, so nobody knows where the photopeak should be"
    try:
        return flood_peak(picture.seen, nuclide), ""
    except (MissingError, RefusedError) as why:
        return None, str(why)


def flood_pictures(found: FloodFound, subject: str) -> Iterator[Picture]:
    """Yield the flood that is judged and, where it is another one, that of plain counts."""
    field = found.flood.field
    outlines = {"UFOV": (field.width_mm, field.height_mm), "CFOV": (field.central.width_mm, field.central.height_mm)}
    shown = [("corrected flood", found.flood.shown)] if found.flood.is_corrected else []
    for title, values in (*shown, ("flood as counted", found.flood.plain)):
        yield Picture(f"{title}, {subject}", values, "counts", found.flood.pixel_mm, outlines)


def flood_curves(found: FloodFound, subject: str) -> Iterator[Curve]:
    """Yield the profiles through the useful field, mean counts per pixel along each axis."""
    flood = found.flood
    for axis, at, along in (("x", flood.x_mm, 0), ("y", flood.y_mm, 1)):
        pixels = flood.useful.sum(axis=along)
        lit = pixels > 0
        mean = np.where(flood.useful, flood.shown, 0.0).sum(axis=along)[lit] / pixels[lit]
        yield Curve(f"profile along {axis}, {subject}", at[lit], mean, f"{axis} in mm", "counts per pixel")


def spectrum_curve(picture: HeadPicture, found: FloodPeak | None) -> Iterator[Curve]:
    """Yield the spectrum of the field, the line and the peak marked."""
    if picture.seen is None:
        return
    upper = 2.0 * found.line_kev if found else float(picture.seen.centres_kev[-1])
    shown = picture.seen.centres_kev <= upper
    marks = {} if found is None else {found.nuclide: found.line_kev}
    if found is not None and found.peaked is not None:
        marks["photopeak"] = found.peaked.peak.at
    yield Curve(
        f"spectrum, {picture.subject}", picture.seen.centres_kev[shown],
        picture.seen.counts[shown].astype(np.float64), "energy in keV", "counts", marks=marks,
    )  # fmt: skip
