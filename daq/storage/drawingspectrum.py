"""A panel of a picture file: a spectrum with its axes, windows and peaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from daq.storage.drawing import INK, LINE, MARGIN, PALE, PAPER, TEXT, WARNING, Shade, font, number_text

WINDOW_SHADES: tuple[Shade, ...] = ((205, 225, 245), (250, 225, 195), (215, 240, 210), (240, 215, 240))
_TICKS = 12


@dataclass(frozen=True, slots=True)
class Marked:
    """A range of energies of a spectrum, with its name, and a line where a peak was found."""

    name: str
    lower_kev: float
    upper_kev: float
    peak_kev: float | None = None


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Counts per bin at energies [bins] and what is written above."""

    kev: npt.NDArray[Any]
    counts: npt.NDArray[Any]
    lines: Sequence[str]
    marked: Sequence[Marked] = field(default=())


def spectrum_panel(spectrum: Spectrum, *, width: int = 900, height: int = 220) -> Image.Image:
    """Return the spectrum with axes, its ranges in colours, and its lines of words above."""
    top = 10 + LINE * (len(spectrum.lines) + 1)
    left, right, bottom = 2 * MARGIN, 2 * MARGIN + width, top + height
    panel = Image.new("RGB", (right + MARGIN, bottom + MARGIN + LINE), PAPER)
    draw = ImageDraw.Draw(panel)
    for number, line in enumerate(spectrum.lines):
        draw.text((left, 6 + LINE * number), line, INK, font(TEXT))
    step_kev = float(spectrum.kev[1] - spectrum.kev[0]) if len(spectrum.kev) > 1 else 1.0
    low, high = float(spectrum.kev[0]) - step_kev / 2, float(spectrum.kev[-1]) + step_kev / 2
    most = max(1.0, float(np.max(spectrum.counts)))

    def at_kev(kev: float) -> float:
        return left + (min(max(kev, low), high) - low) / (high - low) * width

    for number, marked in enumerate(spectrum.marked):
        shade = WINDOW_SHADES[number % len(WINDOW_SHADES)]
        draw.rectangle((at_kev(marked.lower_kev), top, at_kev(marked.upper_kev), bottom), fill=shade)
        draw.text((at_kev(marked.lower_kev) + 3, top + 2 + LINE * number), marked.name, PALE, font(TEXT - 1))
    heights = bottom - np.asarray(spectrum.counts, np.float64) / most * (height - 4)
    edges = [at_kev(float(kev) + side * step_kev / 2) for kev in spectrum.kev for side in (-1, 1)]
    draw.line(list(zip(edges, np.repeat(heights, 2).tolist(), strict=True)), fill=INK)
    for marked in spectrum.marked:
        if marked.peak_kev is not None:
            draw.line((at_kev(marked.peak_kev), top, at_kev(marked.peak_kev), bottom), fill=WARNING)
    _axes(draw, (left, top, right, bottom), (low, high), most, at_kev)
    return panel


def _axes(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], range_kev: tuple[float, float], most: float, at_kev: Any
) -> None:
    left, top, right, bottom = box
    draw.rectangle(box, outline=PALE)
    step = round_step((range_kev[1] - range_kev[0]) / _TICKS)
    for number in range(math.ceil(range_kev[0] / step), math.floor(range_kev[1] / step) + 1):
        at = at_kev(number * step)
        draw.line((at, bottom, at, bottom + 5), fill=INK)
        draw.text((at, bottom + 8), f"{number * step:g}", INK, font(TEXT - 1), anchor="ma")
    draw.text((right + MARGIN - 4, bottom + 8), "keV", INK, font(TEXT), anchor="ra")
    draw.text((left - 6, top), number_text(most), INK, font(TEXT - 1), anchor="ra")
    draw.text((left - 6, bottom), "0", INK, font(TEXT - 1), anchor="rs")
    draw.text((left - 6, (top + bottom) // 2), "counts\nper bin", PALE, font(TEXT - 1), anchor="rm")


def round_step(least: float) -> float:
    """Return the next step of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * one for one in (1, 2, 5, 10) if power * one >= least * (1 - 1e-9))
