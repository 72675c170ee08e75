"""Which images and spectra suit a recording: pixels and bins that follow what its front end can tell apart.

Where positions come as codes, every pixel has as many codes as the next, and none lies on the border of two: otherwise
stripes would be seen that no photon made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from daq.model.framed import Pixels
from daq.model.layout import Layout, Target
from daq.model.processing import Processing
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.framing import FramingRule, uniformity_of

MOST_BINS = 1024
MOST_HEADS = 8
DEFAULT_MM = (-320.0, 320.0)
"""The field where neither layout nor sensors tell how large it is."""
DEFAULT_KEV = (0.0, 512.0)
HIGHEST_KEV = 2048.0
_STEPS_PER_MM = 10


def rule_of(
    layout: Layout, processing: Processing, *, most_pixels: int, heads: Sequence[int] | None = None
) -> FramingRule:
    """Return the rule for the singles of a recording, images having at most `most_pixels` along each side.

    `heads` are the numbers of the heads; by default those that are corrected, else all that the layout can express, at
    most `MOST_HEADS`.
    """
    return FramingRule(
        frame_of(layout, processing, most_pixels=most_pixels),
        tuple(heads) if heads else _heads(layout, processing),
        processing.windows,
        axis_of(layout),
        uniformity_of(processing.heads),
    )


def frame_of(layout: Layout, processing: Processing, *, most_pixels: int) -> Pixels:
    """Return the fewest square pixels that cover the field: of the sensors, else of the position codes."""
    sensors = [one.sensors for one in processing.heads if one.sensors is not None]
    if sensors:
        half_mm = max(
            max(abs(place) for place in (*one.x_mm, *one.y_mm)) + one.width_mm / 2 for one in sensors
        )  # fmt: skip
        pixel_mm = math.ceil(2 * half_mm / most_pixels * _STEPS_PER_MM) / _STEPS_PER_MM
        return Pixels.centred(2 * half_mm, 2 * half_mm, pixel_mm)
    (x_low, x_high, x_step), (y_low, y_high, y_step) = (_span(layout, target) for target in ("x_mm", "y_mm"))
    step = max(x_step, y_step)
    codes = max(x_high - x_low, y_high - y_low) / most_pixels / step if step else 0.0
    pixel_mm = math.ceil(round(codes, 6)) * step if step else (x_high - x_low) / most_pixels
    columns, rows = (math.ceil(round(side / pixel_mm, 6)) for side in (x_high - x_low, y_high - y_low))
    return Pixels(x_low, y_low, pixel_mm, columns, rows)


def axis_of(layout: Layout) -> EnergyAxis:
    """Return at most 1024 equal bins over the energies that the layout can express, below 2048 keV."""
    low, high, step = _span(layout, "energy_kev", DEFAULT_KEV)
    high = min(high, HIGHEST_KEV)
    bins = min(MOST_BINS, max(1, round((high - low) / step))) if step else MOST_BINS
    return EnergyAxis(low, (high - low) / bins, bins)


def _span(layout: Layout, target: Target, default: tuple[float, float] = DEFAULT_MM) -> tuple[float, float, float]:
    """Return the lowest and highest value of a column and its step, half a step beyond; step 0 where none is known."""
    fields = layout.fields_to(target)
    if not fields:
        return (*default, 0.0)
    edges = [edge for field in fields for edge in field.edges]
    return min(edges), max(edges), max(abs(field.scale) for field in fields)


def _heads(layout: Layout, processing: Processing) -> tuple[int, ...]:
    if processing.heads:
        return tuple(one.head for one in processing.heads)
    codes = max((1 << field.width for field in layout.fields_to("head")), default=1)
    return tuple(range(min(codes, MOST_HEADS)))
