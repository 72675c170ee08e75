"""Gated series on a sheet: the beat in pictures, where it beats, the curve of what beats, the account of intervals.

Where it beats is found by the first harmonic of each pixel over the beat: the largest connected region of strong
change in step with its strongest pixel. That is a look at whether the gate worked, not a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.composition.sheetregions import borders, part_around
from daq.composition.sheetviews import (
    SheetStyle,
    colours_text,
    head_text,
    letters_of,
    live_ps,
    prepared,
    seconds_text,
    uppers_by_time,
    view_text,
    window_text,
)
from daq.model.framed import Beats, Framed, ImageKind
from daq.model.geometry import VIEW_ANGLE_DEG, View
from daq.pipeline.tomography import angles_deg
from daq.storage.drawing import image_panel, text_panel
from daq.storage.drawingcurves import Bars, Curve, Plot, bars_panel, frames_panel, plot_panel

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = npt.NDArray[np.float64]
_PS_PER_S = 1e12
_PS_PER_MS = 1e9
_SIDE = 160
_ACROSS = 8
_HARMONIC_SIDE = 260
_FACING_DEG = 30.0
_STRONG = 0.5
_SIGNIFICANT = 6.0
_FEWEST_SLOTS = 4
_BINS = 40
_NARROWEST_MS = 50.0
_KERNEL = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0


@dataclass(frozen=True, slots=True, eq=False)
class BeatingRegion:
    """Where counts change with the beat: `region` [rows, columns], and around it `beside`; `amplitude` is counts/s.

    `curve` [slots] is counts a second in the region, `beside_curve` the mean of as many pixels beside it.
    """

    region: npt.NDArray[np.bool_]
    beside: npt.NDArray[np.bool_]
    amplitude: Floats
    curve: Floats
    beside_curve: Floats

    @property
    def change_percent(self) -> float:
        """Return how much less than the most is the least, what is beside it taken off."""
        net = self.curve - self.beside_curve
        return float(100.0 * (1.0 - net.min() / net.max())) if net.max() > 0 else 0.0


def gated_rows(series: Framed, style: SheetStyle) -> list[list[Image]]:
    """Return the pictures of each head and window over the beat, the region that beats with its curve, the beats.

    Of a rotation they are of the views that face the heart; heads that never did are left out.
    """
    rows = []
    for place, at in product(range(len(series.heads)), range(series.counts.shape[1])):
        slots = facing_slots(series, place)
        if not slots.size:
            continue
        cycle, live_s = over_beat(series, place, at, slots)
        panel, colours = _cycle(series, place, cycle, live_s, style)
        rows += [[text_panel([f"{_title(series, place, slots)}; {window_text(series, at)}; {colours}"])], [panel]]
        rows.append(_beating(series, place, cycle, live_s, style))
    if series.beats is not None:
        rows.append(beat_panels(series.beats))
    return rows


def facing_slots(series: Framed, place: int) -> npt.NDArray[np.intp]:
    """Return which slots of a head face the heart: all, or of a rotation those within 30 degrees of LAO's 135."""
    if series.kind is not ImageKind.GATED_TOMO:
        return np.arange(len(series.slots))
    off_deg = np.abs((angles_deg(series)[place] - VIEW_ANGLE_DEG[View.LAO] + 180.0) % 360.0 - 180.0)
    return np.flatnonzero(off_deg <= _FACING_DEG)


def over_beat(
    series: Framed, place: int, at: int, slots: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.uint64], Floats]:  # fmt: skip
    """Return counts [slots of a beat, rows, columns] of such slots together, and live seconds [slots of a beat]."""
    time_slot = series.slots.time_slot[slots]
    groups = [slots[time_slot == one] for one in np.unique(time_slot)]
    counts = np.stack([series.counts[place, at, mine].sum(axis=0, dtype=np.uint64) for mine in groups])
    return counts, np.array([live_ps(series, place, mine) for mine in groups]) / _PS_PER_S


def _title(series: Framed, place: int, slots: npt.NDArray[np.intp]) -> str:
    if series.kind is not ImageKind.GATED_TOMO:
        return f"{head_text(series, place)}: {view_text(series, series.heads[place])}"
    views = len(np.unique(series.slots.view[slots]))
    return f"{head_text(series, place)}: {views} views within {_FACING_DEG:g} degrees of LAO added up"


def beating_region(counts: npt.NDArray[np.uint64], live_s: Floats) -> BeatingRegion | None:
    """Return where it beats, of counts [slots, rows, columns]; None where no pixel changes beyond noise."""
    if len(counts) < _FEWEST_SLOTS or (live_s <= 0).any():
        return None
    turn = np.exp(-2j * np.pi * np.arange(len(counts)) / len(counts))
    shares = counts / live_s[:, None, None]
    harmonic = _smoothed(np.tensordot(turn, shares, axes=1)) * 2 / len(counts)
    variance = _smoothed(np.tensordot(live_s**-2.0, counts, axes=1), squared=True) * 4 / len(counts) ** 2
    amplitude = np.abs(harmonic)
    peak = np.unravel_index(int(amplitude.argmax()), amplitude.shape)
    if amplitude[peak] ** 2 < _SIGNIFICANT**2 * max(float(variance[peak]), 1e-300):
        return None
    in_step = np.cos(np.angle(harmonic) - np.angle(harmonic[peak])) > _STRONG
    region = part_around((amplitude >= _STRONG * amplitude[peak]) & in_step, (int(peak[0]), int(peak[1])))
    beside = _grown(region, 5) & ~_grown(region, 3)
    curve = shares[:, region].sum(axis=1)
    per_pixel = shares[:, beside].mean(axis=1) if beside.any() else np.zeros(len(counts))
    lowest = np.full(len(counts), per_pixel.mean())
    return BeatingRegion(region, beside, amplitude, curve, lowest * int(region.sum()))


def beat_panels(beats: Beats) -> list[Image]:
    """Return the histogram of intervals, accepted and rejected, and their course."""
    lines = _beat_lines(beats)
    intervals = np.array(beats.intervals_ms)
    if not intervals.size:
        return [text_panel(lines)]
    accepted = np.array(beats.accepted_mask, np.bool_)
    low, high = float(intervals.min()), float(intervals.max())
    room = max(_NARROWEST_MS, 0.05 * (high - low))
    edges = np.linspace(low - room, high + room, _BINS + 1)
    good, bad = (np.histogram(intervals[which], edges)[0].astype(np.int64) for which in (accepted, ~accepted))
    band = (beats.low_ms, beats.high_ms) if beats.low_ms is not None and beats.high_ms is not None else None
    histogram = bars_panel(Bars(edges, good, bad, ("accepted", "rejected"), "ms from R to R", lines, band))
    at_s = np.cumsum(intervals) / 1000.0
    curves = [
        Curve("accepted", at_s, np.where(accepted, intervals, np.nan), dotted=True),
        Curve("rejected", at_s, np.where(accepted, np.nan, intervals), dotted=True),
    ]
    course = plot_panel(Plot(curves, "s of judged beats", "ms", ["intervals in order"], from_zero=False, wide=700))
    return [histogram, course]


def _beat_lines(beats: Beats) -> list[str]:
    causes = ", ".join(f"{count} {cause}" for cause, count in beats.by_cause.items() if count)
    total = max(1, beats.accepted + beats.rejected)
    window = (
        "" if beats.low_ms is None or beats.high_ms is None else f", taken {beats.low_ms:.0f} to {beats.high_ms:.0f} ms"
    )
    mean = (
        "mean not known" if beats.mean_ms is None else f"mean {beats.mean_ms:.0f} ms ({60000 / beats.mean_ms:.0f}/min)"
    )
    each = "" if beats.bin_ms is None else f" of {beats.bin_ms:.1f} ms"
    return [
        f"{beats.triggers} triggers; {beats.accepted} beats accepted, {beats.rejected} rejected "
        f"({100 * beats.rejected / total:.1f} %), {beats.outside} not judged",
        f"rejected: {causes.replace('_', ' ') or 'none'}",
        f"{mean}{window}; {beats.bins} slots{each}, by {beats.framing}, {beats.direction}",
    ]


def _cycle(
    series: Framed, place: int, cycle: npt.NDArray[np.uint64], live_s: Floats, style: SheetStyle
) -> tuple[Image, str]:  # fmt: skip
    """Return the pictures of a beat, and what their colours mean."""
    made = [prepared(series, place, image, style, _SIDE) for image in cycle]
    letters = _letters(series, place)
    uppers = uppers_by_time(made, live_s.tolist(), style)
    shown = [one.shown(style, upper, _SIDE, letters=letters) for one, upper in zip(made, uppers, strict=True)]
    captions = [
        [f"slot {number + 1}: {int(image.sum()):,}", f"live {seconds_text(live * _PS_PER_S)}"]
        for number, (image, live) in enumerate(zip(cycle, live_s.tolist(), strict=True))
    ]
    zoom = max(1, _SIDE // max(made[0].image.shape))
    return frames_panel(shown, captions, across=_ACROSS, zoom=zoom), colours_text(made, uppers, live_s.tolist())


def _beating(
    series: Framed, place: int, cycle: npt.NDArray[np.uint64], live_s: Floats, style: SheetStyle
) -> list[Image]:
    """Return the picture of the amplitude with the region's outline, and the curve."""
    found = beating_region(cycle, live_s)
    if found is None:
        return [text_panel(["no region of this picture changes with the beat beyond noise"])]
    made = prepared(series, place, found.amplitude, style, _HARMONIC_SIDE)
    plain = SheetStyle(colours="hot")
    shift = [(made.pixels.y0_mm - series.pixels.y0_mm), (made.pixels.x0_mm - series.pixels.x0_mm)]
    by = made.pixels.pixel_mm / series.pixels.pixel_mm
    offset = np.array(shift) / series.pixels.pixel_mm
    outlines = [(line + 0.5 - offset) / by - 0.5 for line in borders(found.region, 0.5)]
    words = ["change with the beat (first harmonic), counts a second", f"outlined: {int(found.region.sum())} pixels"]
    shown = made.shown(
        plain, float(found.amplitude.max()), _HARMONIC_SIDE, lines=words, letters=_letters(series, place),
        outlines=outlines, unit="counts/s",
    )  # fmt: skip
    return [image_panel(shown), _curve_panel(series, found)]


def _letters(series: Framed, place: int) -> tuple[str, str, str, str]:
    """Return the letters around a picture; one of several angles has none at its sides."""
    if series.kind is not ImageKind.GATED_TOMO:
        return letters_of(series, place)
    _, _, top, bottom = letters_of(series, place, VIEW_ANGLE_DEG[View.LAO])
    return "", "", top, bottom


def _curve_panel(series: Framed, found: BeatingRegion) -> Image:
    slots = len(found.curve)
    beats = series.beats
    whole_ms = beats.mean_ms if beats is not None and beats.mean_ms is not None else None
    step = 100.0 / slots if whole_ms is None else whole_ms / slots
    at = np.asarray((np.arange(slots) + 0.5) * step, np.float64)
    curves = [Curve("region", at, found.curve), Curve("as many pixels beside it", at, found.beside_curve)]
    lines = [
        "volume curve: counts a second in the outlined region, by live time of each slot",
        f"from most to least {found.change_percent:.0f} % of what is above its surroundings; not a measurement",
    ]
    return plot_panel(Plot(curves, "% of the beat" if whole_ms is None else "ms after R", "counts/s", lines, wide=620))


def _smoothed(image: npt.NDArray[Any], *, squared: bool = False) -> npt.NDArray[Any]:
    """Return the image [rows, columns] smoothed by a binomial of 5 x 5 pixels, edges repeated; or its variance so."""
    weights = _KERNEL**2 if squared else _KERNEL
    for axis in (0, 1):
        padded = np.pad(image, [(2, 2) if one == axis else (0, 0) for one in (0, 1)], mode="edge")
        image = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=axis) @ weights
    return image


def _grown(region: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    """Return the region [rows, columns] with all pixels that are at most `by` rows and columns from it."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(region, by), (2 * by + 1, 2 * by + 1))
    return np.asarray(around.any(axis=(2, 3)), np.bool_)
