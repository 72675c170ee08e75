"""Images, profiles and curves of a result, as pictures of its report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.composition.qc.reportdraw import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    RED,
    drawable,
    new_figure,
    png_of,
    styled,
    without_frame,
)
from daq.model.qc.figures import Curve, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
_OUTLINES = ((RED, "-"), (ORANGE, "--"), (GREEN, "-."), (BLUE, ":"))
_SCALES_MM = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
_BAR_SHARE = 0.22
_LOW_SHARE = 0.5
"""An image whose median is above this share of its highest percentile is flat: its colours begin above zero."""
_FLAT = 0.1
_CURVES_ACROSS = 2
_BAND = 0.375
"""Profiles are means of the rows, or columns, that are within three quarters of the field."""
_MOST_MARKS = 12


def picture_png(picture: Picture, *, simulated: bool) -> bytes:
    """Return an image with its outlines, scale and colours, and its profiles across and up."""
    with styled():
        figure = new_figure(4.6)
        image, profiles = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
        _image(image, picture)
        _profiles(profiles, picture)
        return png_of(figure, simulated=simulated)


def _image(axes: Axes, picture: Picture) -> None:
    values = np.asarray(picture.values, dtype=np.float64)
    pixel = picture.pixel_mm or 1.0
    rows, columns = values.shape
    extent = (-columns * pixel / 2, columns * pixel / 2, -rows * pixel / 2, rows * pixel / 2)
    low, high = _range(values[_inside(values.shape, *_inner(picture.fields, values.shape, pixel), pixel)])
    shown = axes.imshow(values, origin="lower", extent=extent, cmap="gray", vmin=low, vmax=high,
                        interpolation="nearest", aspect="equal")  # fmt: skip
    without_frame(axes)
    for (name, (width, height)), (colour, line) in zip(picture.fields.items(), _OUTLINES * 4, strict=False):
        around = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) / 2.0
        label = drawable(f"{name} {width:.0f} x {height:.0f} mm")
        axes.plot(around[:, 0] * width, around[:, 1] * height, color=colour, linestyle=line, label=label)
    if picture.fields:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2)
    if picture.pixel_mm is not None:
        _scale(axes, extent)
    axes.set_title(drawable(picture.title, 60))
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.82, pad=0.02)
    bar.set_label(drawable(picture.unit, 40))


def _range(values: Floats) -> tuple[float, float]:
    """Return where colours begin and end: of a flat image so that what is uneven is seen, of others from zero."""
    known = values[np.isfinite(values) & (values != 0.0)]
    if not known.size:
        return 0.0, 1.0
    low, middle, high = (float(each) for each in np.percentile(known, (1.0, 50.0, 99.5)))
    flat = middle > _LOW_SHARE * high > 0.0
    begin = max(0.0, middle - 3.0 * (high - middle), low - (high - middle)) if flat else min(0.0, float(known.min()))
    return begin, high if high > begin else begin + 1.0


def _inside(shape: tuple[int, ...], width: float, height: float, pixel: float) -> npt.NDArray[np.bool_]:
    """Return which pixels [rows, columns] lie wholly within a field."""
    x, y = ((np.arange(size) - (size - 1) / 2) * pixel for size in (shape[1], shape[0]))
    found: npt.NDArray[np.bool_] = (np.abs(y) <= (height - pixel) / 2)[:, None] & (np.abs(x) <= (width - pixel) / 2)
    return found


def _scale(axes: Axes, extent: tuple[float, float, float, float]) -> None:
    """Draw a bar of a round length at the lower left, with its length."""
    wide = extent[1] - extent[0]
    length = max((each for each in _SCALES_MM if each <= _BAR_SHARE * wide), default=_SCALES_MM[0])
    x, y = extent[0] + 0.04 * wide, extent[2] + 0.05 * (extent[3] - extent[2])
    axes.plot([x, x + length], [y, y], color="white", linewidth=5.0, solid_capstyle="butt")
    axes.plot([x, x + length], [y, y], color=INK, linewidth=2.4, solid_capstyle="butt")
    axes.annotate(f"{length:g} mm", (x, y), xytext=(0, 5), textcoords="offset points", fontsize=8,
                  bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"})  # fmt: skip


def _profiles(axes: Axes, picture: Picture) -> None:
    values = np.asarray(picture.values, dtype=np.float64)
    pixel = picture.pixel_mm or 1.0
    width, height = _inner(picture.fields, values.shape, pixel)
    x, y = (((np.arange(size) - (size - 1) / 2) * pixel) for size in (values.shape[1], values.shape[0]))
    across = np.where(np.abs(x) <= (width - pixel) / 2, _mean(values[np.abs(y) <= _BAND * height], 0), np.nan)
    up = np.where(np.abs(y) <= (height - pixel) / 2, _mean(values[:, np.abs(x) <= _BAND * width], 1), np.nan)
    axes.plot(x, across, color=BLUE, label="across (x), mean of the middle rows", drawstyle="steps-mid")
    axes.plot(y, up, color=ORANGE, label="up (y), mean of the middle columns", drawstyle="steps-mid")
    axes.set_ylim(*_profile_range(np.concatenate([across, up])))
    axes.set_xlabel("mm from the middle" if picture.pixel_mm is not None else "pixels from the middle")
    axes.set_ylabel(drawable(picture.unit, 40))
    axes.set_title("Profiles")
    axes.legend(loc="upper center")


def _profile_range(values: Floats) -> tuple[float, float]:
    """Return the range of profiles: a tenth above and below where they are flat, from zero where they are not."""
    known = values[np.isfinite(values)]
    if not known.size or float(known.max()) <= 0.0:
        return 0.0, 1.0
    low, high, middle = float(known.min()), float(known.max()), float(np.median(known))
    if low < _LOW_SHARE * middle:
        return min(0.0, low), 1.25 * high
    return min(low, middle * (1.0 - _FLAT)) - 0.01 * middle, max(high, middle * (1.0 + _FLAT)) + 0.04 * middle


def _mean(values: Floats, axis: int) -> Floats:
    """Return the mean along an axis; NaN of none."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    found: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found


def _inner(fields: Mapping[str, tuple[float, float]], shape: tuple[int, ...], pixel: float) -> tuple[float, float]:
    """Return width and height of the largest outline, of the whole image where it has none."""
    whole = (shape[1] * pixel, shape[0] * pixel)
    return max(fields.values(), key=lambda each: each[0] * each[1], default=whole)


def curves_png(curves: tuple[Curve, ...], *, simulated: bool) -> bytes:
    """Return curves, two in a row."""
    with styled():
        rows = math.ceil(len(curves) / _CURVES_ACROSS)
        figure = new_figure(2.7 * rows)
        places: Any = figure.subplots(rows, min(len(curves), _CURVES_ACROSS), squeeze=False)
        for axes, curve in zip(places.flat, curves, strict=False):
            _curve(axes, curve)
        for axes in list(places.flat)[len(curves) :]:
            axes.remove()
        return png_of(figure, simulated=simulated)


def _curve(axes: Axes, curve: Curve) -> None:
    axes.plot(curve.x, curve.y, color=BLUE, marker="." if len(curve.x) < 80 else "", markersize=3.5)  # noqa: PLR2004
    if curve.fitted is not None:
        axes.plot(curve.x, curve.fitted, color=ORANGE, linewidth=1.3, label="fitted")
        axes.legend(loc="best")
    for number, (word, at) in enumerate(list(curve.marks.items())[:_MOST_MARKS]):
        axes.axvline(at, color=RED, linewidth=0.9, linestyle="--")
        axes.annotate(f" {drawable(word, 30)}", (at, 0.96 - 0.08 * (number % 4)), xycoords=("data", "axes fraction"),
                      fontsize=7, color=RED, va="top")  # fmt: skip
    axes.set_title(drawable(curve.title, 60))
    axes.set_xlabel(drawable(curve.x_label, 50))
    axes.set_ylabel(drawable(curve.y_label, 40))
