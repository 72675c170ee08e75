"""A head of four sensors, and a calibration of each kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from daq.model.camera import Sensors
from daq.model.cameracalibration import (
    CameraCalibration,
    CentreOfRotation,
    EnergyMap,
    Linearity,
    Peaking,
    Uniformity,
    Window,
)
from daq.model.headcalibration import Grid
from daq.model.scanner import Head
from daq.model.windows import EnergyWindow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SENSORS = Sensors(kind="pmt", shape="round", width_mm=50.0, x_mm=(-50.0, 0.0, 50.0, 0.0), y_mm=(0.0, 50.0, 0.0, -50.0))
HEAD = Head(id="front", number=1, instrument="head", angle_deg=180.0, width_mm=200.0, height_mm=200.0, sensors=SENSORS)
PHOTOPEAK = EnergyWindow(126.45, 154.55, "photopeak")


def grid(value: float, *, rows: int = 5, columns: int = 7) -> Grid:
    values = np.full((rows, columns), value) + np.arange(columns) * 1e-3
    return Grid.of(values, x0_mm=-90.0, y0_mm=-60.0, pitch_mm=30.0)


def made(kind: str, name: str = "", **changed: Any) -> CameraCalibration:
    tables: dict[str, Any] = {
        "peaking": {"peaking": Peaking(pedestal_adc=(10.0,) * 4, kev_per_adc=(0.1, 0.2, 0.1, 0.1))},
        "energy-map": {"energy_map": EnergyMap(ratio=grid(1.01))},
        "linearity": {"linearity": Linearity(shift_x=grid(0.5), shift_y=grid(-0.5))},
        "uniformity": {
            "uniformity": Uniformity(weight={"Tc": grid(0.97)}),
            "windows": (Window(name="Tc", lower_kev=126.45, upper_kev=154.55),),
        },
        "centre-of-rotation": {
            "centre_of_rotation": CentreOfRotation(offset_mm=0.4, residual_mm=0.1, axial_shift_mm=-0.2)
        },
    }
    plain = {
        "id": name or kind, "kind": kind, "instrument": "head", "serial": "100", "head": 1,
        "made_utc": "2026-11-20T08:00:00Z", "method": "a flood",
    }  # fmt: skip
    return CameraCalibration(**(plain | tables[kind] | changed))
