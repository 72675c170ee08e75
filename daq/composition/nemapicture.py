"""The picture of a NEMA report: floods, masks and spectra before and after calibration, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.composition.headbench import HeadBench, summed
from daq.composition.nema import Report
from daq.qc.fields import picture
from daq.qc.uniformity import NEMA_PIXEL_MM, pixels_for
from daq.storage.drawing import Shown, image_panel, page
from daq.storage.drawingspectrum import Marked, Spectrum, spectrum_panel

if TYPE_CHECKING:
    from PIL.Image import Image

    from daq.model.headcalibration import HeadCorrections

_MASK_PIXEL_MM = 1.6


def drawn(
    bench: HeadBench, columns: Sequence[tuple[str, Report, HeadCorrections]],
    masks: Sequence[tuple[str, Sequence[Path]]], lines: Sequence[str], *, simulated: bool,
) -> Image:  # fmt: skip
    """Return a page: a row for floods, one for each mask, the spectra below; a column for each report."""
    rows: list[list[Any]] = []
    floods = [(name, made) for name, made, _ in columns if made.flood is not None]
    if floods:
        rows.append([_flood(made, name) for name, made in floods])
    for what, directories in masks:
        if directories:
            rows.append([_mask(bench, directories, used, f"{what}, {name}") for name, _, used in columns])
    rows += [[_spectrum(bench, made, name)] for name, made, _ in columns if made.spectrum is not None]
    return page(rows, lines, warning="SIMULATED" if simulated else "")


def _flood(made: Report, name: str) -> Image:
    """Draw a flood from half to one and a half of its middle pixel, so that what is uneven can be seen."""
    middle = float(np.median(made.flood[made.flood > 0]))
    base, upper = 0.5 * middle, 1.5 * middle
    shown = np.clip(made.flood - base, 0.0, upper - base)
    words = [
        f"flood, {name}: colours from {base:.0f} to {upper:.0f} counts, half to one and a half of the middle pixel"
    ]
    return image_panel(
        Shown(shown, NEMA_PIXEL_MM, words, upper=upper - base, unit=f"counts above {base:.0f}", colours="grey")
    )


def _mask(bench: HeadBench, directories: Sequence[Path], used: HeadCorrections, name: str) -> Image:
    rows, columns = pixels_for(bench.field, _MASK_PIXEL_MM)
    pieces = (
        picture(x, y, rows=rows, columns=columns, pixel_mm=_MASK_PIXEL_MM)
        for x, y in bench.in_window(directories, used)
    )
    return image_panel(Shown(summed(pieces, (rows, columns)), _MASK_PIXEL_MM, [name]))


def _spectrum(bench: HeadBench, made: Report, name: str) -> Image:
    window = bench.window
    peak = next((one.value for one in made.numbers if one.name == "photopeak"), None)
    found = made.spectrum
    if found is None:
        raise ValueError("a report without a spectrum has none to draw")
    marked = (Marked(window.name, window.lower_kev, window.upper_kev, peak),)
    return spectrum_panel(Spectrum(found.centres_kev, found.counts, [f"spectrum of the field, {name}"], marked))
