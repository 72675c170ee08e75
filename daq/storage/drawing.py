"""Panels of a picture file: an image in colours with letters, scales and words around it; pages of panels.

Arrays and words go in, a Pillow image comes out; nothing here knows of recordings. An image is drawn as it is counted:
every pixel a square, no smoothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
OUTLINE: Shade = (20, 110, 190)
SIDE = 520
"""About how wide and high an image is drawn."""
MARGIN = 34
LINE = 18
TEXT = 13
_BAR = 14
_EDGE = 4
_CROSS = 6
_PLAIN_FROM = 100
_SCALE_MM = (10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class Shown:
    """An image [rows, columns], row 0 at the bottom, and what is written around it.

    `letters`: left, right, top, bottom. `upper` is the value of the last colour, `unit` what is counted in a pixel.
    `side`: about how wide and high it is drawn, in dots. `log`: colours go with the logarithm of one more than the
    value. `scale`: what is across and up is mm. `outlines`: closed lines, each [points, 2] of fractional row, column;
    a pixel's middle is whole. `masked` [rows, columns] is drawn as paper crossed out; `doubtful` [rows] are marked
    in red at the left edge.
    """

    image: npt.NDArray[Any]
    pixel_mm: float
    lines: Sequence[str]
    letters: tuple[str, str, str, str] = ("", "", "", "")
    upper: float | None = None
    unit: str = "counts"
    colours: Colours = "inverse"
    side: int = SIDE
    log: bool = False
    scale: bool = True
    outlines: Sequence[npt.NDArray[np.float64]] = ()
    masked: npt.NDArray[np.bool_] | None = None
    doubtful: npt.NDArray[np.bool_] | None = None


def image_panel(shown: Shown) -> Image.Image:
    """Return the image with its letters, a scale in mm, a bar of colours and its lines of words below."""
    rows, columns = shown.image.shape
    zoom = max(1, shown.side // max(rows, columns))
    upper = _upper(shown)
    picture = picture_of(shown, zoom)
    width = max(picture.width + 2 * MARGIN + 60, *(_wide(line) for line in ("", *shown.lines)))
    panel = Image.new("RGB", (width, picture.height + 2 * MARGIN + LINE * (len(shown.lines) + 2)), PAPER)
    panel.paste(picture, (MARGIN, MARGIN))
    draw = ImageDraw.Draw(panel)
    right, bottom = MARGIN + picture.width, MARGIN + picture.height
    draw.rectangle((MARGIN - 1, MARGIN - 1, right, bottom), outline=PALE)
    _letters(draw, shown.letters, right, bottom)
    _colour_bar(panel, shown.colours, upper, right + MARGIN - 6, bottom)
    at = bottom + MARGIN - 6
    if shown.scale:
        _scale(draw, shown.pixel_mm / zoom, columns * zoom, at)
    per = f"0 to {number_text(upper)} {shown.unit} per pixel"
    per += (f" of {shown.pixel_mm:.3g} mm" if shown.scale else "") + (", logarithmic" if shown.log else "")
    for number, line in enumerate([*shown.lines, per]):
        draw.text((MARGIN, at + 10 + LINE * number), line, INK, font(TEXT))
    return panel


def picture_of(shown: Shown, zoom: int) -> Image.Image:
    """Return the image alone in colours, every pixel `zoom` dots wide, with its outlines, masks and doubtful rows."""
    rows, columns = shown.image.shape
    small = _coloured(shown.image, _upper(shown), shown.colours, log=shown.log)
    picture = small.resize((columns * zoom, rows * zoom), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(picture)
    if shown.masked is not None:
        _cross_out(picture, np.kron(shown.masked[::-1], np.ones((zoom, zoom), np.bool_)))
    for outline in shown.outlines:
        places = [((column + 0.5) * zoom, (rows - row - 0.5) * zoom) for row, column in outline.tolist()]
        draw.line(places, fill=OUTLINE, width=2)
    if shown.doubtful is not None:
        for row in np.flatnonzero(shown.doubtful[::-1]).tolist():
            draw.rectangle((0, row * zoom, _EDGE, row * zoom + zoom - 1), fill=WARNING)
    return picture


def fitted(image: npt.NDArray[Any], most: int) -> tuple[npt.NDArray[Any], int]:
    """Return an image of at most `most` pixels a side, and how many pixels of a side were added up into one.

    What is left over at the upper and right edges is filled with nothing.
    """
    by = max(1, math.ceil(max(image.shape) / most))
    if by == 1:
        return image, 1
    rows, columns = (math.ceil(side / by) for side in image.shape)
    whole = np.zeros((rows * by, columns * by), image.dtype)
    whole[: image.shape[0], : image.shape[1]] = image
    return whole.reshape(rows, by, columns, by).sum(axis=(1, 3)), by


def text_panel(lines: Sequence[str], *, size: int = TEXT, shade: Shade = INK) -> Image.Image:
    """Return lines of words."""
    step = size + LINE - TEXT
    wide = max((int(font(size).getlength(line)) for line in lines), default=0) + 2 * MARGIN
    panel = Image.new("RGB", (wide, step * len(lines) + 6), PAPER)
    draw = ImageDraw.Draw(panel)
    for number, line in enumerate(lines):
        draw.text((MARGIN, 3 + step * number), line, shade, font(size))
    return panel


def flowed(panels: Sequence[Image.Image], wide: int) -> list[list[Image.Image]]:
    """Return the panels in rows that are at most `wide` dots, in order; one that is wider has a row of its own."""
    rows: list[list[Image.Image]] = []
    left = 0
    for panel in panels:
        if not rows or left + panel.width > wide:
            rows.append([])
            left = 0
        rows[-1].append(panel)
        left += panel.width
    return rows


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


def _coloured(image: npt.NDArray[Any], upper: float, colours: Colours, *, log: bool = False) -> Image.Image:
    """Return the image in colours, the highest y at the top; values above `upper` have the last colour."""
    values = np.asarray(image, np.float64)[::-1]
    level = np.clip(np.log1p(np.maximum(values, 0.0)) / math.log1p(upper) if log else values / upper, 0.0, 1.0)
    return Image.fromarray(_palette(colours)[np.rint(level * 255).astype(np.uint8)])


def _cross_out(picture: Image.Image, masked: npt.NDArray[np.bool_]) -> None:
    """Draw paper with diagonal lines over what is masked [dots, dots], top row first."""
    dots = np.asarray(picture).copy()
    down, across = np.indices(masked.shape)
    dots[masked] = PAPER
    dots[masked & ((down + across) % _CROSS == 0)] = PALE
    picture.paste(Image.fromarray(dots))


def _wide(line: str) -> int:
    return int(font(TEXT).getlength(line)) + 2 * MARGIN


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
    draw.text((left + _BAR + 4, MARGIN - 2), number_text(upper), INK, font(TEXT - 2))
    draw.text((left + _BAR + 4, bottom - TEXT), "0", INK, font(TEXT - 2))


def _scale(draw: ImageDraw.ImageDraw, mm_per_dot: float, dots: int, at: int) -> None:
    """Draw a scale that takes at most a third of the image's width."""
    mm = max((one for one in _SCALE_MM if one / mm_per_dot <= dots / 3), default=_SCALE_MM[0])
    end = MARGIN + round(mm / mm_per_dot)
    draw.line((MARGIN, at, end, at), fill=INK, width=2)
    for place in (MARGIN, end):
        draw.line((place, at - 4, place, at + 4), fill=INK, width=2)
    draw.text((end + 8, at), f"{mm} mm", INK, font(TEXT - 1), anchor="lm")


def number_text(value: float) -> str:
    """Return a number for people: whole from a hundred on."""
    return f"{value:,.0f}" if value >= _PLAIN_FROM else f"{value:.3g}"
