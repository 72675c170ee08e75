"""Panels of a picture file: an image in colours with letters, scales and words around it; a spectrum with its axes.

Arrays and words go in, a Pillow image comes out; nothing here knows of recordings. An image is drawn as it is counted:
every pixel a square, no smoothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Colours = Literal["inverse", "grey", "hot"]
Shade = tuple[int, int, int]

PAPER: Shade = (255, 255, 255)
INK: Shade = (20, 20, 20)
PALE: Shade = (120, 120, 120)
WARNING: Shade = (190, 30, 30)
WINDOW_SHADES: tuple[Shade, ...] = ((205, 225, 245), (250, 225, 195), (215, 240, 210), (240, 215, 240))
SIDE = 520
"""About how wide and high an image is drawn."""
MARGIN = 34
LINE = 18
TEXT = 13
_BAR = 14
_PLAIN_FROM = 100
_TICKS = 12
_SCALE_MM = (10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class Shown:
    """An image [rows, columns], row 0 at the bottom, and what is written around it.

    `letters`: left, right, top, bottom. `upper` is the value of the last colour, `unit` what is counted in a pixel.
    """

    image: npt.NDArray[Any]
    pixel_mm: float
    lines: Sequence[str]
    letters: tuple[str, str, str, str] = ("", "", "", "")
    upper: float | None = None
    unit: str = "counts"
    colours: Colours = "inverse"


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


def image_panel(shown: Shown) -> Image.Image:
    """Return the image with its letters, a scale in mm, a bar of colours and its lines of words below."""
    rows, columns = shown.image.shape
    zoom = max(1, SIDE // max(rows, columns))
    upper = _upper(shown)
    picture = _coloured(shown.image, upper, shown.colours).resize(
        (columns * zoom, rows * zoom), Image.Resampling.NEAREST
    )
    width = picture.width + 2 * MARGIN + 60
    panel = Image.new("RGB", (width, picture.height + 2 * MARGIN + LINE * (len(shown.lines) + 2)), PAPER)
    panel.paste(picture, (MARGIN, MARGIN))
    draw = ImageDraw.Draw(panel)
    right, bottom = MARGIN + picture.width, MARGIN + picture.height
    draw.rectangle((MARGIN - 1, MARGIN - 1, right, bottom), outline=PALE)
    _letters(draw, shown.letters, right, bottom)
    _colour_bar(panel, shown.colours, upper, right + MARGIN - 6, bottom)
    at = bottom + MARGIN - 6
    _scale(draw, shown.pixel_mm / zoom, columns * zoom, at)
    per = f"0 to {_number(upper)} {shown.unit} per pixel of {shown.pixel_mm:.3g} mm"
    for number, line in enumerate([*shown.lines, per]):
        draw.text((MARGIN, at + 10 + LINE * number), line, INK, font(TEXT))
    return panel


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


def page(panels: Sequence[Sequence[Image.Image]], lines: Sequence[str], *, warning: str = "") -> Image.Image:
    """Return the panels, row after row, below lines of words; a warning stands above everything, in red."""
    rows = [(max(one.height for one in row), sum(one.width for one in row)) for row in panels if row]
    wide = max([width for _, width in rows] + [int(font(TEXT).getlength(line)) + 2 * MARGIN for line in lines])
    head = 12 + (LINE + 8 if warning else 0) + LINE * len(lines)
    sheet = Image.new("RGB", (wide, head + sum(height for height, _ in rows)), PAPER)
    draw = ImageDraw.Draw(sheet)
    if warning:
        draw.text((MARGIN, 8), warning, WARNING, font(TEXT + 6))
    for number, line in enumerate(lines):
        draw.text((MARGIN, head - LINE * (len(lines) - number)), line, INK, font(TEXT))
    top = head
    for row in (row for row in panels if row):
        left = 0
        for panel in row:
            sheet.paste(panel, (left, top))
            left += panel.width
        top += max(panel.height for panel in row)
    return sheet


@lru_cache(maxsize=8)
def font(size: int) -> Any:
    """Return the font that comes with Pillow, in pixels."""
    return ImageFont.load_default(size)


def _upper(shown: Shown) -> float:
    found = float(np.max(shown.image)) if shown.upper is None and shown.image.size else shown.upper
    return float(found) if found else 1.0


def _coloured(image: npt.NDArray[Any], upper: float, colours: Colours) -> Image.Image:
    """Return the image in colours, the highest y at the top; values above `upper` have the last colour."""
    level = np.clip(np.asarray(image, np.float64)[::-1] / upper, 0.0, 1.0)
    return Image.fromarray(_palette(colours)[np.rint(level * 255).astype(np.uint8)])


def _palette(colours: Colours) -> npt.NDArray[np.uint8]:
    """Return 256 colours [256, 3], from nothing to the most."""
    part = np.linspace(0.0, 1.0, 256)
    if colours == "hot":
        levels = np.stack([np.clip(3 * part - lag, 0, 1) for lag in (0, 1, 2)], axis=1)
    else:
        levels = np.repeat((part if colours == "grey" else 1.0 - part)[:, None], 3, axis=1)
    found: npt.NDArray[np.uint8] = np.rint(levels * 255).astype(np.uint8)
    return found


def _letters(draw: ImageDraw.ImageDraw, letters: tuple[str, str, str, str], right: int, bottom: int) -> None:
    across, up = (MARGIN + right) // 2, (MARGIN + bottom) // 2
    places = (
        (MARGIN // 2, up),
        (right + MARGIN // 2 - 5, up),
        (across, MARGIN // 2),
        (across, bottom + MARGIN // 2 - 4),
    )
    for letter, place in zip(letters, places, strict=True):
        draw.text(place, letter, INK, font(TEXT + 5), anchor="mm")


def _colour_bar(panel: Image.Image, colours: Colours, upper: float, left: int, bottom: int) -> None:
    height = bottom - MARGIN
    bar = Image.fromarray(_palette(colours)[::-1][:, None]).resize((_BAR, height))
    panel.paste(bar, (left, MARGIN))
    draw = ImageDraw.Draw(panel)
    draw.rectangle((left - 1, MARGIN - 1, left + _BAR, bottom), outline=PALE)
    draw.text((left + _BAR + 4, MARGIN - 2), _number(upper), INK, font(TEXT - 2))
    draw.text((left + _BAR + 4, bottom - TEXT), "0", INK, font(TEXT - 2))


def _scale(draw: ImageDraw.ImageDraw, mm_per_dot: float, dots: int, at: int) -> None:
    """Draw a scale that takes at most a third of the image's width."""
    mm = max((one for one in _SCALE_MM if one / mm_per_dot <= dots / 3), default=_SCALE_MM[0])
    end = MARGIN + round(mm / mm_per_dot)
    draw.line((MARGIN, at, end, at), fill=INK, width=2)
    for place in (MARGIN, end):
        draw.line((place, at - 4, place, at + 4), fill=INK, width=2)
    draw.text((end + 8, at), f"{mm} mm", INK, font(TEXT - 1), anchor="lm")


def _axes(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], range_kev: tuple[float, float], most: float, at_kev: Any
) -> None:
    left, top, right, bottom = box
    draw.rectangle(box, outline=PALE)
    step = _round_step((range_kev[1] - range_kev[0]) / _TICKS)
    for number in range(math.ceil(range_kev[0] / step), math.floor(range_kev[1] / step) + 1):
        at = at_kev(number * step)
        draw.line((at, bottom, at, bottom + 5), fill=INK)
        draw.text((at, bottom + 8), f"{number * step:g}", INK, font(TEXT - 1), anchor="ma")
    draw.text((right + MARGIN - 4, bottom + 8), "keV", INK, font(TEXT), anchor="ra")
    draw.text((left - 6, top), _number(most), INK, font(TEXT - 1), anchor="ra")
    draw.text((left - 6, bottom), "0", INK, font(TEXT - 1), anchor="rs")
    draw.text((left - 6, (top + bottom) // 2), "counts\nper bin", PALE, font(TEXT - 1), anchor="rm")


def _round_step(least: float) -> float:
    """Return the next step of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * one for one in (1, 2, 5, 10) if power * one >= least * (1 - 1e-9))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _PLAIN_FROM else f"{value:.3g}"
