"""Trends as pictures: values, their normal, the control chart with its limits, fixed limits, events, alarms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.composition.qc.reportdraw import BLUE, GREEN, INK, ORANGE, PALE, RED, drawable, new_figure, png_of, styled
from daq.composition.qc.reporttrend import MS_PER_DAY, Trend, moment_of
from daq.qc.trend.runlength import Floats
from daq.qc.trend.watch import Chart, Stretch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL_INCHES = 2.15
_TOP_INCHES = 0.45
_MOST_PANELS = 8
_ROOM = 0.12
_MOST_LINES = 12
_FAR = 8.0
_LEAST_SHARE = 1e-3
_BOX = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}


def trends_png(panels: Sequence[tuple[Trend, str]], *, simulated: bool, since_day: float = -math.inf) -> bytes:
    """Return a picture with a panel for each figure and subject, at most eight, from a day on."""
    with styled():
        shown = panels[:_MOST_PANELS]
        height = _PANEL_INCHES * len(shown) + _TOP_INCHES
        figure = new_figure(height, layout=None)
        figure.subplots_adjust(left=0.08, right=0.985, top=1.0 - 0.55 / height, bottom=0.3 / height, hspace=0.28)
        axes = figure.subplots(len(shown), 1, squeeze=False, sharex=True)[:, 0]
        for one, (trend, subject) in zip(axes, shown, strict=True):
            _panel(one, trend, subject, since_day)
        if since_day > min(float(trend.watched.series.days[0]) for trend, _ in shown):
            first: Any = moment_of(since_day)
            axes[0].set_xlim(left=first)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper right", ncols=len(labels))
        return png_of(figure, simulated=simulated)


def shown_subject(trend: Trend) -> str:
    """Return the subject that says most: the first that changed, else what all have in common, else the first."""
    changed = trend.changed
    return changed[0].subject if changed else trend.watched.subjects[-1] if trend.watched.subjects else ""


def _panel(axes: Axes, trend: Trend, subject: str, since_day: float) -> None:
    at = trend.watched.subjects.index(subject)
    chart = trend.watched.charts[at]
    days = trend.watched.series.days
    values = np.concatenate([stretch.values[:, at] for stretch in trend.watched.stretches])
    axes.plot(_times(days), values, ".", color=BLUE, markersize=3.2, alpha=0.55, label="result")
    for stretch in trend.watched.stretches:
        if stretch.normal.known[at]:
            _chart_lines(axes, trend, stretch, at)
    _room(axes, trend, values[days >= since_day], chart)
    _events(axes, trend, since_day)
    if chart.alarm is not None and chart.alarm.day >= since_day:
        day: Any = moment_of(chart.alarm.day)
        axes.axvline(day, color=RED, linewidth=1.3)
        axes.annotate(f" alarm {day:%Y-%m-%d}", (day, 0.03), xycoords=("data", "axes fraction"), color=RED,
                      fontsize=8, weight="bold")  # fmt: skip
    name = f"{trend.about}, {subject}" if subject else trend.about
    axes.set_title(drawable(f"{name}: {chart.state}", 110))
    axes.set_ylabel(drawable(trend.watched.series.unit, 20))
    axes.yaxis.set_label_coords(-0.062, 0.5)


def _chart_lines(axes: Axes, trend: Trend, stretch: Stretch, at: int) -> None:
    """Draw the normal, the plain average, and the limit; the chart's own average takes single bad results for less."""
    times = _times(trend.watched.series.days[stretch.tests])
    mean, sigma = float(stretch.normal.mean[at]), float(stretch.normal.sigma[at])
    named = not axes.get_legend_handles_labels()[1][1:]
    axes.plot([times[0], times[-1]], [mean, mean], color=PALE, linewidth=0.8, label="normal" if named else None)
    if trend.rule.method != "ewma":
        return
    limit = stretch.drawn.limit[:, at]
    average = np.where(np.isfinite(limit), average_of(stretch.values[:, at], mean, trend.rule.weight), np.nan)
    axes.plot(times, average, color=INK, linewidth=1.4, label="its average (EWMA)" if named else None)
    for sign, label in ((1.0, "limit of the average" if named else None), (-1.0, None)):
        axes.plot(times, mean + sign * sigma * limit, color=GREEN, linewidth=1.1, linestyle=(0, (4, 2)), label=label)


def average_of(values: Floats, mean: float, weight: float) -> Floats:
    """Return the exponentially weighted average of results, begun at the mean where the first of them is left out."""
    found, now = np.empty(len(values)), mean
    for at, value in enumerate(values):
        now = now if math.isnan(value) else now + weight * (value - now)
        found[at] = now
    return found


def _room(axes: Axes, trend: Trend, values: Floats, chart: Chart) -> None:
    """Set the range to hold results, limits of the chart, and fixed limits that are near enough."""
    mean, subject = chart.mean, chart.subject
    reach = [mean - chart.limit, mean + chart.limit] if math.isfinite(chart.limit) else []
    known = np.concatenate([values[np.isfinite(values)], reach])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    span = max(high - low, _LEAST_SHARE * max(abs(high), abs(low)) or 1.0)
    edges = [] if trend.fixed is None or not math.isfinite(mean) else trend.fixed.about(subject, mean)
    near = [(level, edge) for level, edge in edges if low - _FAR * span < edge < high + _FAR * span]
    for level, edge in near[:_MOST_LINES]:
        colour = ORANGE if level == "action" else RED
        axes.axhline(
            edge, color=colour, linewidth=1.1, linestyle=(0, (1, 1.5)), label=_once(axes, f"fixed {level} level")
        )
    low, high = min([low, *(edge for _, edge in near)]), max([high, *(edge for _, edge in near)])
    axes.set_ylim(low - _ROOM * max(high - low, span), high + _ROOM * max(high - low, span))


def _once(axes: Axes, label: str) -> str | None:
    return None if label in axes.get_legend_handles_labels()[1] else label


def _events(axes: Axes, trend: Trend, since_day: float) -> None:
    days = trend.watched.series.days
    for day, words in trend.events[-_MOST_LINES:]:
        if len(days) and max(days[0], since_day) <= day <= days[-1]:
            at: Any = moment_of(day)
            axes.axvline(at, color=PALE, linewidth=1.0, linestyle=(0, (6, 3)))
            axes.annotate(f" {drawable(words, 40)}", (at, 0.9), xycoords=("data", "axes fraction"),
                          color=PALE, fontsize=7, bbox=_BOX)  # fmt: skip


def _times(days: Floats) -> Any:
    """Return days as moments that matplotlib knows."""
    return np.round(days * MS_PER_DAY).astype(np.int64).astype("datetime64[ms]")
