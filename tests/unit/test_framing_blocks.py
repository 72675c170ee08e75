"""Images of more events than are worked out at a time are the sums of images of a few."""

from __future__ import annotations

from typing import Any

import numpy as np

from daq.model.framed import Pixels
from daq.model.headcalibration import Grid
from daq.model.windows import EnergyWindow, WindowSet
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.framing import FramingRule, Pictures
from daq.pipeline.framingkernels import BLOCK

WINDOWS = (EnergyWindow(20, 60, "low"), EnergyWindow(40, 90, "high"))
GRID = Grid.of(np.array([[0.5, 1.0], [1.5, 0.0]]), x0_mm=-6.0, y0_mm=-3.0, pitch_mm=4.0)
RULE = FramingRule(
    Pixels(-10.0, -4.0, 1.0, 32, 8), (3, 1), WINDOWS, EnergyAxis(0.0, 0.5, 256), {(1, "high"): GRID, (3, "low"): GRID}
)


def figures(pictures: Pictures) -> list[Any]:
    """Return all that was counted."""
    return [
        pictures.images.tolist(), pictures.weighted.tolist(), pictures.spectra.tolist(), pictures.inside.tolist(),
        pictures.beyond,
    ]  # fmt: skip


def test_blocks_of_events_add_up() -> None:
    draw = np.random.default_rng(1)
    length = 3 * BLOCK + 77
    energy = draw.uniform(-5, 140, length).astype(np.float32)
    energy[::97] = np.nan
    rows = {
        "time_ps": draw.integers(-50, 50, length), "x_mm": draw.uniform(-14, 26, length).astype(np.float32),
        "y_mm": draw.uniform(-6, 6, length).astype(np.float32), "energy_kev": energy,
        "head": np.repeat(draw.integers(0, 4, length // 10 + 1), 10)[:length].astype(np.uint8),
        "windows": WindowSet(WINDOWS).mask(energy),
    }  # fmt: skip
    at_once, by_pieces = Pictures(RULE), Pictures(RULE)
    for pictures in (at_once, by_pieces):
        pictures.during(-40, 30)

    at_once.add(rows)
    for begin in range(0, length, 50):
        by_pieces.add({name: values[begin : begin + 50] for name, values in rows.items()})

    counted = (rows["time_ps"] >= -40) & (rows["time_ps"] <= 30) & np.isin(rows["head"], (1, 3))
    assert figures(at_once) == figures(by_pieces)
    assert at_once.inside.sum(axis=0).tolist() == [
        int((counted & ((rows["windows"] >> window) & 1).astype(bool)).sum()) for window in range(2)
    ]
    assert int(at_once.events.sum()) == int(counted.sum())
