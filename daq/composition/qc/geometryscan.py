"""The speed of the bed in a whole-body scan, by the marks of its encoder, and a length in the picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from daq.composition.qc.geometrysheet import Sheet, lit, number, recordings, series, window_place
from daq.errors import RefusedError
from daq.model.framed import Framed, ImageKind
from daq.model.qc.analyses_spect import SCAN
from daq.qc.camera.points import REACH_MM, point_sources
from daq.storage.manifestfacts import recorded_protocol

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.model.qc.figures import Findings
    from daq.storage.manifest import Manifest


def scan_speed(material: Material) -> Findings:
    """Return how fast and how evenly the bed went in whole-body scans, and how long it was by two sources."""
    sheet = Sheet(SCAN)
    for directory in recordings(material):
        found, manifest = series(directory, ImageKind.WHOLE_BODY)
        for made in found:
            with sheet.judging(made.name):
                _speed(sheet, made, manifest, directory)
                if "distance_mm" in material.test.parameters:
                    _length(sheet, material, made)
    return sheet.findings()


def _speed(sheet: Sheet, made: Framed, manifest: Manifest, directory: Path) -> None:
    strip = made.strip
    if strip is None or strip.mean_speed_mm_per_s <= 0.0:
        raise RefusedError("how fast the bed went is not told by its encoder")
    sheet.add("mean_speed", made.name, strip.mean_speed_mm_per_s)
    spread = strip.fastest_mm_per_s - strip.slowest_mm_per_s
    sheet.add("speed_range", made.name, 100.0 * spread / strip.mean_speed_mm_per_s)
    protocol = recorded_protocol(manifest, directory)
    sweeps = [step.sweep for step in protocol.steps if step.sweep is not None] if protocol else []
    if len(sweeps) == 1:
        sheet.add("speed_off", made.name, 100.0 * (strip.mean_speed_mm_per_s / sweeps[0].speed - 1.0))
    else:
        sheet.remarks.append(f"{made.name}: the speed that was asked for is not known")


def _length(sheet: Sheet, material: Material, made: Framed) -> None:
    distance, pixel = number(material, "distance_mm"), made.pixels.pixel_mm
    for place in lit(material, made):
        counts = made.counts[place, window_place(material, made)].sum(axis=0, dtype=np.float64)
        found = point_sources(counts, pixel, reach_mm=material.number("reach_mm", REACH_MM))
        if len(found) != 2:  # noqa: PLR2004 - a distance
            raise RefusedError(f"{len(found)} sources are seen; the length is measured by two")
        first, second = found
        apart = float(np.hypot(first.x_mm - second.x_mm, first.y_mm - second.y_mm))
        noise = 100.0 * float(np.hypot(first.noise_y_mm, second.noise_y_mm)) / distance
        subject = f"{made.name}, head {made.heads[place].number}"
        sheet.add(
            "length_off",
            subject,
            100.0 * (apart / distance - 1.0),
            noise=noise,
            counts=min(first.counts, second.counts),
        )
