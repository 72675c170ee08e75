"""Heads of a gamma camera and their corrections, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from daq.model.camera import Sensors
from daq.model.headcalibration import Grid, HeadCorrections

PLACES = [(25.0 * column - 87.5, 25.0 * row - 87.5) for row in range(8) for column in range(8)]
SENSORS = Sensors(
    kind="sipm", shape="square", width_mm=24.0, x_mm=tuple(x for x, _ in PLACES), y_mm=tuple(y for _, y in PLACES)
)


def grid_of(values: Any, *, pitch_mm: float = 20.0) -> Grid:
    """Return a map of values [rows, columns] whose middle is that of the detector."""
    rows, columns = np.asarray(values).shape
    return Grid.of(
        np.asarray(values, float), x0_mm=-(columns - 1) / 2 * pitch_mm, y0_mm=-(rows - 1) / 2 * pitch_mm,
        pitch_mm=pitch_mm,
    )  # fmt: skip


def at(grid: Grid | None, x: Any, y: Any, *, otherwise: float) -> Any:
    """Return the values of a map at places [n], bilinear, in float64: as a person would write it down."""
    if grid is None:
        return np.full(np.shape(x), otherwise)
    values = grid.values().astype(float)
    right = np.clip((np.asarray(x, float) - grid.x0_mm) / grid.pitch_mm, 0, grid.columns - 1)
    up = np.clip((np.asarray(y, float) - grid.y0_mm) / grid.pitch_mm, 0, grid.rows - 1)
    column, row = np.floor(right).astype(int), np.floor(up).astype(int)
    next_column, next_row = np.minimum(column + 1, grid.columns - 1), np.minimum(row + 1, grid.rows - 1)
    u, v = right - column, up - row
    low = values[row, column] * (1 - u) + values[row, next_column] * u
    high = values[next_row, column] * (1 - u) + values[next_row, next_column] * u
    return low * (1 - v) + high * v


def corrections(number: int = 0, seed: int = 1, **changes: Any) -> HeadCorrections:
    """Return corrections of a head with all three maps, of points that lie at different places."""
    draw = np.random.default_rng(seed)
    maps = {
        "energy": grid_of(draw.uniform(0.9, 1.1, (5, 7))), "shift_x": grid_of(draw.normal(0, 2, (4, 6)), pitch_mm=35.0),
        "shift_y": grid_of(draw.normal(0, 2, (11, 12)), pitch_mm=17.0),
    }  # fmt: skip
    return HeadCorrections(head=number, **{**maps, **changes})


def flashes(seed: int, rows: int, *, kev: float = 140.5, width_mm: float = 30.0) -> tuple[Any, Any, Any]:
    """Return places x, y [n] and codes uint16 [n, 64] of flashes: bell-shaped light of 20 codes per keV, no noise."""
    draw = np.random.default_rng(seed)
    x, y = draw.uniform(-60, 60, (2, rows))
    away = (x[:, None] - SENSORS.x_mm) ** 2 + (y[:, None] - SENSORS.y_mm) ** 2
    share = np.exp(-away / (2 * width_mm**2))
    codes = np.rint(share / share.sum(axis=1, keepdims=True) * kev * 20.0).astype(np.uint16)
    return x, y, codes
