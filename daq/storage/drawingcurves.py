"""Panels of a picture file: curves and bars over an axis with units, and many small images with words below each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from daq.storage.drawing import (
    INK,
    LINE,
    MARGIN,
    PALE,
    PAPER,
    TEXT,
    WARNING,
    Shade,
    Shown,
    font,
    number_text,
    picture_of,
)
from daq.storage.drawingspectrum import round_step

SHADES: tuple[Shade, ...] = ((20, 20, 20), (20, 110, 190), (200, 110, 20), (40, 140, 60), (140, 60, 150))
_LEFT = 78
_TICK_EVERY = 70
_SMALL = TEXT - 1
_NAMED = _SMALL + 4
_BAND: Shade = (200, 200, 200)
_GAP = 4
_BETWEEN = 12
_LETTERED = 14
_SWATCH = 22

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Values at places, both [points]; a NaN leaves a gap. `widths` [points] make steps of it: each value so wide."""

    name: str
    at: Floats
    values: Floats
    widths: Floats | None = None
    dotted: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """Curves over one axis. `x_unit` and `y_unit` are written at the axes; `lines` above.

    `bands` are ranges of x with a name; `from_zero`: the y axis begins at 0, else at the lowest value.
    """

    curves: Sequence[Curve]
    x_unit: str
    y_unit: str
    lines: Sequence[str] = ()
    bands: Sequence[tuple[float, float, str]] = ()
    from_zero: bool = True
    wide: int = 640
    high: int = 170


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Two kinds of counts in bins of equal width, one upon the other, e.g. accepted and rejected intervals."""

    edges: Floats
    lower: npt.NDArray[np.int64]
    upper: npt.NDArray[np.int64]
    names: tuple[str, str]
    x_unit: str
    lines: Sequence[str] = ()
    band: tuple[float, float] | None = None
    wide: int = 420
    high: int = 170


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where a plot lies on its panel, and which values its edges have."""

    box: tuple[int, int, int, int]
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        left, _, right, _ = self.box
        low, high = self.x_range
        return left + (value - low) / (high - low) * (right - left)

    def y(self, value: float) -> float:
        _, top, _, bottom = self.box
        low, high = self.y_range
        return bottom - (min(max(value, low), high) - low) / (high - low) * (bottom - top)


def plot_panel(plot: Plot) -> Image.Image:
    """Return the curves with their axes and names."""
    x_range = _x_range(plot.curves)
    begins = [(low - x_range[0]) / (x_range[1] - x_range[0]) * plot.wide for low, _, _ in plot.bands]
    rows = stacked([(begin, name) for begin, (_, _, name) in zip(begins, plot.bands, strict=True)])
    named = _NAMED * (max(rows, default=-1) + 1)
    panel, draw, box = _canvas(plot.lines, plot.wide, plot.high, legend=len(plot.curves) > 1, above=named)
    axes = _Axes(box, x_range, _y_range(plot))
    for (low, high, name), row in zip(plot.bands, rows, strict=True):
        draw.rectangle((axes.x(low), box[1], axes.x(high), box[3]), outline=_BAND)
        top = box[1] - _NAMED * (row + 1)
        draw.line((axes.x(low), top + 2, axes.x(low), box[1]), fill=_BAND)
        draw.text((axes.x(low) + 3, top), name, PALE, font(_SMALL))
    starts = _legend([curve.name for curve in plot.curves], plot.wide)
    for number, (curve, start) in enumerate(zip(plot.curves, starts, strict=True)):
        shade = SHADES[number % len(SHADES)]
        _curve(draw, axes, curve, shade)
        if len(plot.curves) > 1:
            at = box[0] + start
            y = box[1] - named - 9
            _stroke(draw, [(at + 2, y), (at + 16, y)], shade, dotted=curve.dotted)
            draw.text((at + _SWATCH, y), curve.name, INK, font(_SMALL), anchor="lm")
    _frame(draw, axes, plot.x_unit, plot.y_unit)
    return panel


def stacked(names: Sequence[tuple[float, str]]) -> list[int]:
    """Return in which row above the plot each name lies that begins at a place, so that none is written over another.

    Of names that are too near, the earlier lies higher, so that its line down passes beside the later one.
    """
    rows: list[int] = []
    ahead: list[float] = []
    for begin, name in reversed(names):
        end = begin + font(_SMALL).getlength(name) + _BETWEEN
        row = next((number for number, edge in enumerate(ahead) if end <= edge), len(ahead))
        ahead[row : row + 1] = [begin]
        rows.append(row)
    return rows[::-1]


def _legend(names: Sequence[str], wide: int) -> list[int]:
    """Return where names begin in a line of `wide` pixels: evenly, or one right after the other where they are long."""
    needs = [_SWATCH + int(font(_SMALL).getlength(name)) + _BETWEEN for name in names]
    even = wide // max(1, len(names))
    return [number * even if max(needs) <= even else sum(needs[:number]) for number in range(len(names))]


def bars_panel(bars: Bars) -> Image.Image:
    """Return the bars with their axes; the upper kind is red."""
    panel, draw, box = _canvas(bars.lines, bars.wide, bars.high, legend=True)
    most = float(max(1, (bars.lower + bars.upper).max(initial=0)))
    axes = _Axes(box, (float(bars.edges[0]), float(bars.edges[-1])), (0.0, most))
    if bars.band is not None:
        low, high = (min(max(edge, axes.x_range[0]), axes.x_range[1]) for edge in bars.band)
        draw.rectangle((axes.x(low), box[1], axes.x(high), box[3]), fill=(225, 238, 225))
    for place, (lower, upper) in enumerate(zip(bars.lower.tolist(), bars.upper.tolist(), strict=True)):
        left, right = axes.x(float(bars.edges[place])), axes.x(float(bars.edges[place + 1])) - 1
        for base, top, shade in ((0, lower, INK), (lower, lower + upper, WARNING)):
            if top > base:
                draw.rectangle((left, axes.y(top), max(left, right), axes.y(base)), fill=shade)
    for number, (name, shade) in enumerate(zip(bars.names, (INK, WARNING), strict=True)):
        at = box[0] + number * bars.wide // 2
        draw.rectangle((at, box[1] - 14, at + 10, box[1] - 5), fill=shade)
        draw.text((at + 16, box[1] - 9), name, INK, font(_SMALL), anchor="lm")
    _frame(draw, axes, bars.x_unit, "count")
    return panel


def frames_panel(shown: Sequence[Shown], captions: Sequence[Sequence[str]], *, across: int, zoom: int) -> Image.Image:
    """Return small images in rows of `across`, in reading order, each with its words below and its letters beside."""
    lines = max((len(caption) for caption in captions), default=0)
    high = max(one.image.shape[0] for one in shown) * zoom + _LETTERED + (_SMALL + 3) * lines + _GAP
    words = max((int(font(_SMALL).getlength(line)) for caption in captions for line in caption), default=0)
    wide = max(max(one.image.shape[1] for one in shown) * zoom + 2 * _LETTERED, words) + _BETWEEN
    down = math.ceil(len(shown) / across)
    panel = Image.new("RGB", (min(across, len(shown)) * wide + 2 * MARGIN, down * high + _GAP), PAPER)
    draw = ImageDraw.Draw(panel)
    for number, (one, caption) in enumerate(zip(shown, captions, strict=True)):
        left = MARGIN + number % across * wide + _LETTERED
        top = number // across * high + _LETTERED
        picture = picture_of(one, zoom)
        panel.paste(picture, (left, top))
        draw.rectangle((left - 1, top - 1, left + picture.width, top + picture.height), outline=PALE)
        _small_letters(draw, one.letters, (left, top, picture.width, picture.height))
        for line, text in enumerate(caption):
            draw.text((left, top + picture.height + 2 + (_SMALL + 3) * line), text, INK, font(_SMALL))
    return panel


def _small_letters(
    draw: ImageDraw.ImageDraw, letters: tuple[str, str, str, str], box: tuple[int, int, int, int]
) -> None:
    """Write the letters of left, right and top; what is below belongs to the words."""
    left, top, wide, high = box
    places = ((left - 8, top + high // 2), (left + wide + 8, top + high // 2), (left + wide // 2, top - 8))
    for letter, place in zip(letters, places, strict=False):
        draw.text(place, letter, INK, font(_SMALL), anchor="mm")


def _canvas(
    lines: Sequence[str], wide: int, high: int, *, legend: bool, above: int = 0
) -> tuple[Image.Image, ImageDraw.ImageDraw, tuple[int, int, int, int]]:
    top = 10 + LINE * len(lines) + (LINE if legend else 6) + above
    right = _LEFT + max(wide, *(int(font(TEXT).getlength(line)) for line in ("", *lines)))
    panel = Image.new("RGB", (right + MARGIN, top + high + MARGIN + 8), PAPER)
    draw = ImageDraw.Draw(panel)
    for number, line in enumerate(lines):
        draw.text((_LEFT, 6 + LINE * number), line, INK, font(TEXT))
    return panel, draw, (_LEFT, top, _LEFT + wide, top + high)


def _x_range(curves: Sequence[Curve]) -> tuple[float, float]:
    low = min((float((c.at - (0 if c.widths is None else c.widths / 2)).min()) for c in curves if c.at.size), default=0)
    high = max(
        (float((c.at + (0 if c.widths is None else c.widths / 2)).max()) for c in curves if c.at.size), default=1
    )
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _y_range(plot: Plot) -> tuple[float, float]:
    values = np.concatenate([curve.values[np.isfinite(curve.values)] for curve in plot.curves] or [np.zeros(1)])
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if plot.from_zero:
        return min(0.0, low), (high if high > 0 else 1.0)
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room


def _curve(draw: ImageDraw.ImageDraw, axes: _Axes, curve: Curve, shade: Shade) -> None:
    places: list[tuple[float, float]] = []
    for number, (at, value) in enumerate(zip(curve.at.tolist(), curve.values.tolist(), strict=True)):
        if not math.isfinite(value):
            _stroke(draw, places, shade, dotted=curve.dotted)
            places = []
            continue
        half = 0.0 if curve.widths is None else float(curve.widths[number]) / 2
        places += [(axes.x(edge), axes.y(value)) for edge in ((at - half, at + half) if half else (at,))]
    _stroke(draw, places, shade, dotted=curve.dotted)


def _stroke(draw: ImageDraw.ImageDraw, places: list[tuple[float, float]], shade: Shade, *, dotted: bool) -> None:
    if dotted or len(places) == 1:
        for x, y in places:
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=shade)
    elif places:
        draw.line(places, fill=shade, width=2)


def _frame(draw: ImageDraw.ImageDraw, axes: _Axes, x_unit: str, y_unit: str) -> None:
    """Draw the box with round numbers along the x axis, and the ends of the y axis."""
    left, top, right, bottom = axes.box
    draw.rectangle(axes.box, outline=PALE)
    low, high = axes.x_range
    step = round_step((high - low) / max(1, (right - left) // _TICK_EVERY))
    for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        at = axes.x(number * step)
        draw.line((at, bottom, at, bottom + 4), fill=INK)
        draw.text((at, bottom + 6), f"{number * step:g}", INK, font(_SMALL), anchor="ma")
    draw.text((right, bottom + 6 + _SMALL), x_unit, INK, font(_SMALL), anchor="ra")
    draw.text((left - 6, top), number_text(axes.y_range[1]), INK, font(_SMALL), anchor="ra")
    draw.text((left - 6, bottom), number_text(axes.y_range[0]), INK, font(_SMALL), anchor="rs")
    draw.text((left - 6, (top + bottom) // 2), y_unit.replace(" ", "\n"), PALE, font(_SMALL), anchor="rm")
