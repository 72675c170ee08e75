"""The pictures of each kind of series on a contact sheet: views, strips side by side, frames with their curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.composition.sheetviews import (
    Prepared,
    SheetStyle,
    colours_text,
    head_text,
    letters_of,
    live_ps,
    prepared,
    seconds_text,
    upper_of,
    uppers_by_time,
    view_text,
    window_text,
)
from daq.model.framed import Framed
from daq.pipeline.tomography import angles_deg, is_tomographic
from daq.storage.drawing import flowed, image_panel, text_panel
from daq.storage.drawingcurves import Curve, Plot, frames_panel, plot_panel

if TYPE_CHECKING:
    from PIL.Image import Image

WIDE = 1560
"""About how wide a sheet is, in dots."""
_STATIC_SIDE = 300
_STRIP_SIDE = 1100
_FRAME_SIDE = 136
_FRAMES_ACROSS = 8
_VIEWS_SHOWN = 16
_FULL_SHARE = 0.9
_PS_PER_S = 1e12
_MM_PER_S_TO_CM_PER_MIN = 6.0

Outlines = dict[int, list[npt.NDArray[np.float64]]]
"""By the place of a head: closed lines, each [points, 2] of mm across and up."""


def static_panels(series: Framed, style: SheetStyle, outlines: Outlines | None = None) -> list[Image]:
    """Return a panel for each head and window of a static view, each with colours of its own."""
    panels = []
    for place in range(len(series.heads)):
        for at in range(series.counts.shape[1]):
            made = prepared(series, place, series.counts[place, at].sum(axis=0), style, _STATIC_SIDE)
            upper = upper_of([made.image], style, [made.masked])
            lines = _static_lines(series, place, at, made)
            drawn = _dots(outlines, place, made)
            letters = letters_of(series, place)
            panels.append(
                image_panel(made.shown(style, upper, _STATIC_SIDE, lines=lines, letters=letters, outlines=drawn))
            )
    return panels


def strip_rows(series: Framed, style: SheetStyle) -> list[list[Image]]:
    """Return the strips of a sweep side by side, heads with the same colours, rows of little exposure marked."""
    panels = []
    for at in range(series.counts.shape[1]):
        made = [
            prepared(series, place, series.counts[place, at].sum(axis=0), style, _STRIP_SIDE)
            for place in range(len(series.heads))
        ]
        upper = upper_of([one.image for one in made], style, [one.masked for one in made])
        for place, one in enumerate(made):
            shown = one.shown(
                style, upper, _STRIP_SIDE, lines=_strip_lines(series, place, at), letters=letters_of(series, place),
                doubtful=_doubtful(series, one),
            )  # fmt: skip
            panels.append(image_panel(shown))
    return flowed(panels, WIDE)


def frame_rows(series: Framed, style: SheetStyle) -> list[list[Image]]:
    """Return the frames of a dynamic series in the order of time, for each head and window, and their curves."""
    rows = []
    groups = _groups(len(series.slots), style.most_frames)
    for place in range(len(series.heads)):
        for at in range(series.counts.shape[1]):
            title = f"{head_text(series, place)}: {view_text(series, series.heads[place])}; {window_text(series, at)}"
            captions = [_frame_words(series, place, at, slots) for slots in groups]
            panel, colours = _small(series, place, at, groups, style, captions)
            rows += [[_titled(title, _added(groups), colours)], [panel]]
    rows.append([activity_panel(series)])
    return rows


def view_rows(series: Framed, style: SheetStyle) -> list[list[Image]]:
    """Return some projections of a rotation for each head and window, evenly spread, and counts by angle."""
    rows = []
    angles = angles_deg(series)
    views = np.unique(series.slots.view)
    chosen = views[np.unique(np.linspace(0, len(views) - 1, min(_VIEWS_SHOWN, len(views))).astype(int))]
    groups = [np.flatnonzero(series.slots.view == view) for view in chosen]
    for place in range(len(series.heads)):
        for at in range(series.counts.shape[1]):
            captions = [_view_words(series, place, at, slots, angles) for slots in groups]
            turned = [float(angles[place, slots[0]]) for slots in groups]
            title = f"{head_text(series, place)}; {window_text(series, at)}"
            note = f"{len(chosen)} of {len(views)} views; {_turn_text(series)}"
            panel, colours = _small(series, place, at, groups, style, captions, turned)
            rows += [[_titled(title, note, colours)], [panel]]
    rows.append([views_panel(series)])
    return rows


def activity_panel(series: Framed) -> Image:
    """Return counts a second over time, whole field, for each head and window."""
    slots = series.slots
    begin_s, end_s = (
        edge / _PS_PER_S for edge in (slots.begin_ps - slots.begin_ps[0], slots.end_ps - slots.begin_ps[0])
    )
    curves = [
        Curve(_curve_name(series, place, at), (begin_s + end_s) / 2, rates(series, place, at), end_s - begin_s)
        for place in range(len(series.heads))
        for at in range(series.counts.shape[1])
    ]
    bands = [
        (float(begin_s[mine].min()), float(end_s[mine].max()), f"phase {int(phase) + 1}")
        for phase in np.unique(slots.phase)
        for mine in (slots.phase == phase,)
    ]
    lines = ["time-activity curve of the whole field, counts by live time"]
    return plot_panel(Plot(curves, "s", "counts/s", lines, bands if len(bands) > 1 else (), wide=900))


def views_panel(series: Framed) -> Image:
    """Return counts a second by angle about the patient for each head, windows apart."""
    angles = angles_deg(series)
    views = [np.flatnonzero(series.slots.view == view) for view in np.unique(series.slots.view)]
    curves = []
    for place in range(len(series.heads)):
        at_deg = np.array([angles[place, slots[0]] for slots in views])
        order = np.argsort(at_deg, kind="stable")
        for at in range(series.counts.shape[1]):
            values = np.array([_rate(series, place, at, slots) for slots in views])
            if np.isfinite(at_deg).all():
                curves.append(Curve(_curve_name(series, place, at), at_deg[order], values[order], dotted=True))
    lines = ["counts by live time of each projection, by its angle about the patient (0 back, 90 left, 180 front)"]
    return plot_panel(Plot(curves, "degrees", "counts/s", lines, from_zero=True, wide=900))


def rates(series: Framed, place: int, at: int) -> npt.NDArray[np.float64]:
    """Return counts a second of each frame [slots], NaN where it did not count."""
    return np.array([_rate(series, place, at, np.array([slot])) for slot in range(len(series.slots))])


def counted(series: Framed, place: int, at: int, slots: npt.NDArray[np.intp] | None = None) -> int:
    """Return the counts of a head in a window, of all frames or those of `slots`."""
    chosen = series.counts[place, at] if slots is None else series.counts[place, at, slots]
    return int(chosen.sum(dtype=np.uint64))


def _rate(series: Framed, place: int, at: int, slots: npt.NDArray[np.intp]) -> float:
    live_s = live_ps(series, place, slots) / _PS_PER_S
    return counted(series, place, at, slots) / live_s if live_s > 0 else math.nan


def _small(
    series: Framed, place: int, at: int, groups: list[npt.NDArray[np.intp]], style: SheetStyle,
    captions: list[list[str]], turned_deg: list[float] | None = None,
) -> tuple[Image, str]:  # fmt: skip
    """Return small images of sums of frames, and what their colours mean: the same counts a second in all of them."""
    made = [
        prepared(series, place, series.counts[place, at, slots].sum(axis=0, dtype=np.uint64), style, _FRAME_SIDE)
        for slots in groups
    ]
    live_s = [live_ps(series, place, slots) / _PS_PER_S for slots in groups]
    upper = uppers_by_time(made, live_s, style)
    turned: Sequence[float | None] = turned_deg or [None] * len(groups)
    letters = [letters_of(series, place, angle) for angle in turned]
    shown = [
        one.shown(style, most, _FRAME_SIDE, letters=sides)
        for one, most, sides in zip(made, upper, letters, strict=True)
    ]
    zoom = max(1, round(_FRAME_SIDE / max(made[0].image.shape)))
    return frames_panel(shown, captions, across=_FRAMES_ACROSS, zoom=zoom), colours_text(made, upper, live_s)


def _titled(*lines: str) -> Image:
    return text_panel(["; ".join(line for line in lines if line)])


def _groups(slots: int, most: int) -> list[npt.NDArray[np.intp]]:
    """Return which frames are drawn as one: each alone, or so many neighbours that at most `most` are left."""
    by = max(1, math.ceil(slots / most))
    return [np.arange(first, min(first + by, slots)) for first in range(0, slots, by)]


def _added(groups: list[npt.NDArray[np.intp]]) -> str:
    return f"{len(groups[0])} frames added up in each picture" if groups and len(groups[0]) > 1 else ""


def _frame_words(series: Framed, place: int, at: int, slots: npt.NDArray[np.intp]) -> list[str]:
    begin_s = (series.slots.begin_ps[slots[0]] - series.slots.begin_ps[0]) / _PS_PER_S
    end_s = (series.slots.end_ps[slots[-1]] - series.slots.begin_ps[0]) / _PS_PER_S
    return [f"{begin_s:.4g} to {end_s:.4g} s", f"{counted(series, place, at, slots):,}"]


def _view_words(
    series: Framed, place: int, at: int, slots: npt.NDArray[np.intp], angles: npt.NDArray[np.float64]
) -> list[str]:
    angle = float(angles[place, slots[0]])
    place_deg = "angle not known" if math.isnan(angle) else f"{angle:.1f} deg"
    return [place_deg, f"{counted(series, place, at, slots):,}"]


def _turn_text(series: Framed) -> str:
    arc = f"{series.arc_deg:g} degrees" if series.arc_deg is not None else "arc not known"
    sense = {"CC": "counter-clockwise", "CW": "clockwise"}.get(series.rotation or "", "direction not known")
    how = "continuous" if series.continuous else "step and shoot"
    return f"{arc} {sense} as seen from the feet, {how}"


def _static_lines(series: Framed, place: int, at: int, made: Prepared) -> list[str]:
    head = series.heads[place]
    counts, live = counted(series, place, at), live_ps(series, place)
    rate = f", {counts / live * _PS_PER_S:,.0f} a second" if live > 0 else ""
    field = int(made.image.sum(dtype=np.uint64))
    hidden = "" if field == counts else f"; {counts - field:,} beyond the field"
    return [
        f"{series.label or series.name}: {view_text(series, head) or 'view not known'}",
        f"{head_text(series, place)}; {window_text(series, at)}",
        f"{counts:,} counts in {seconds_text(live)}{rate}{hidden}",
    ]


def _strip_lines(series: Framed, place: int, at: int) -> list[str]:
    lines = [
        f"{view_text(series, series.heads[place]) or 'view not known'}; {head_text(series, place)}",
        window_text(series, at),
        f"{counted(series, place, at):,} counts",
    ]
    strip = series.strip
    if strip is None:
        return lines
    dim = int((~strip.exposed(_FULL_SHARE)).sum())
    speed = f"{strip.mean_speed_mm_per_s * _MM_PER_S_TO_CM_PER_MIN:.3g} cm/min"
    lines.append(f"{speed}, each row {seconds_text(strip.full_ps)}")
    return [*lines, f"red edge: {dim} rows under 90 % of that" if dim else "no row under 90 % of that"]


def _doubtful(series: Framed, made: Prepared) -> npt.NDArray[np.bool_] | None:
    """Return which rows as drawn hold a row that was not exposed for long enough."""
    if series.strip is None:
        return None
    by = round(made.pixels.pixel_mm / series.pixels.pixel_mm)
    dim = ~series.strip.exposed(_FULL_SHARE)
    padded = np.zeros(made.pixels.rows * by, np.bool_)
    padded[: len(dim)] = dim
    return np.asarray(padded.reshape(-1, by).any(axis=1), np.bool_)


def _dots(outlines: Outlines | None, place: int, made: Prepared) -> list[npt.NDArray[np.float64]]:
    """Return the outlines of a head in rows and columns of the image that is drawn."""
    pixels = made.pixels
    return [
        np.stack([(line[:, 1] - pixels.y0_mm), (line[:, 0] - pixels.x0_mm)], axis=1) / pixels.pixel_mm - 0.5
        for line in (outlines or {}).get(place, [])
    ]


def _curve_name(series: Framed, place: int, at: int) -> str:
    head = series.heads[place]
    window = f", {series.windows[at].name}" if len(series.windows) > 1 else ""
    view = f" {head.view}" if head.view is not None and not is_tomographic(series) else ""
    return f"head {head.number}{view}{window}"
