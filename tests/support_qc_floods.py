"""Floods, as pictures and as recordings, with what may be wrong with them; no photon is followed, so they are quick."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from support_listmode import MARKS, make_directory, segment

from acquisition_protocols.load import load_protocol
from daq.model.headcalibration import Grid, HeadCorrections
from daq.model.nuclide_table import nuclide
from daq.model.processing import Processing
from daq.qc.fields import FieldOfView
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

FIELD = FieldOfView(540.0, 400.0)
PIXEL_MM = 540.0 / 256.0
S_PS = 10**12
Shade = Callable[[Any, Any], Any]
"""Of x and y in mm: how bright a flood is there, 1 where all is well."""


def even(x: Any, y: Any) -> Any:
    """A flood as it should be."""
    return np.ones(np.broadcast(x, y).shape)


def half(x: Any, y: Any) -> Any:
    """The sheet lay on one half of the head."""
    return np.where(x > 0, 1.0, 0.0)


def disc(x_mm: float, y_mm: float, diameter_mm: float, factor: float) -> Shade:
    """One photomultiplier that counts less, or more."""
    return lambda x, y: np.where(np.hypot(x - x_mm, y - y_mm) < diameter_mm / 2, factor, 1.0)


def patient(x: Any, y: Any) -> Any:
    """A head and a trunk lay before the head."""
    trunk = (x / 150.0) ** 2 + ((y + 120.0) / 170.0) ** 2 < 1.0
    return np.where(trunk | (np.hypot(x, y - 90.0) < 70.0), 0.3, 1.0)


def bed(x: Any, y: Any) -> Any:
    """A bed lay before the middle of the head."""
    return np.where(np.abs(y) < 90.0, 0.88, 1.0) + 0.0 * x


def source(x_mm: float, y_mm: float, away_mm: float) -> Shade:
    """A bare point source: 1 over the square of the distance, times the cosine of the angle."""
    return lambda x, y: (1.0 + ((x - x_mm) ** 2 + (y - y_mm) ** 2) / away_mm**2) ** -1.5


def flood_picture(
    per_pixel: float, shade: Shade = even, *, seed: int = 0, pixels: int = 256, pixel_mm: float = PIXEL_MM
) -> Any:
    """Return a flood larger than the field, of `per_pixel` counts per square of 6.33 mm where all is well."""
    at = (np.arange(pixels) - (pixels - 1) / 2) * pixel_mm
    x, y = np.meshgrid(at, at)
    lit = (np.abs(y) < FIELD.height_mm / 2 + 10.0) & (np.abs(x) < FIELD.width_mm / 2 + 10.0)
    mean = per_pixel * (pixel_mm / (3 * PIXEL_MM)) ** 2
    return np.random.default_rng(seed).poisson(np.where(lit, mean * shade(x, y), 0.0))


def energies(random: np.random.Generator, name: str, rows: int, *, gain: float = 1.0, scatter: float = 0.1) -> Any:
    """Return energies of a nuclide's two strongest lines, FWHM 10 % at 140.5 keV, and so much scatter below."""
    lines = sorted(nuclide(name).lines, key=lambda line: -line.per_100_decays)[:2]
    yields = np.array([line.per_100_decays for line in lines])
    kev = random.choice([line.energy_kev for line in lines], rows, p=yields / yields.sum())
    seen = random.normal(kev, 0.10 * np.sqrt(140.5 * kev) / 2.3548)
    scattered = random.random(rows) < scatter
    return np.where(scattered, random.uniform(0.4, 1.0, rows) * kev, seen) * gain


def flood_recording(
    folder: Path, *, protocol: str = "daily-flood", events: int = 500_000, shades: tuple[Shade, ...] = (even, even),
    source_name: str = "Co-57", gain: float = 1.0, weights: Shade | None = None, seconds: int = 100, seed: int = 1,
    collimator: str | None = "LEHR", hot: int = 0, **changes: Any,
) -> Path:  # fmt: skip
    """Return a sealed recording of a protocol's first step by two heads: `events` before shades take theirs.

    `weights`: a uniformity map of both heads. `hot`: events of head 0 at x 60, y -40 mm, in the protocol's windows.
    """
    random = np.random.default_rng(seed)
    loaded = load_protocol(protocol)
    head = random.integers(0, 2, events).astype(np.uint8)
    x, y = random.uniform(-280.0, 280.0, events), random.uniform(-210.0, 210.0, events)
    kept = random.random(events) < np.where(head == 0, shades[0](x, y), shades[1](x, y)) * 0.999
    kev = energies(random, source_name, events, gain=gain)
    head, x, y, kev = (each[kept] for each in (head, x, y, kev))
    x[:hot], y[:hot], head[:hot] = random.normal(60.0, 3.0, hot), random.normal(-40.0, 3.0, hot), 0
    times = np.sort(random.integers(0, seconds * S_PS, len(x)))
    windows = loaded.protocol.windows
    bits = windows.mask(kev.astype(np.float32))
    singles = pa.record_batch({
        "time_ps": pa.array(times), "energy_kev": pa.array(kev.astype(np.float32)), "windows": pa.array(bits),
        "x_mm": pa.array(x.astype(np.float32)), "y_mm": pa.array(y.astype(np.float32)), "head": pa.array(head),
        "late": pa.array(np.zeros(len(x), bool)),
    })  # fmt: skip
    step = loaded.protocol.steps[0].name
    told = [("start", 0, step), ("position", 0, "gantry"), ("stop", seconds * S_PS, "time")]
    marks = pa.RecordBatch.from_pylist(
        [{"time_ps": time_ps, "kind": kind, "source": 65_535, "value": 0, "value2": 0.0, "text": text}
         for kind, time_ps, text in told], schema=MARKS,
    )  # fmt: skip
    processing = Processing(windows=windows.windows, heads=_weighted(weights, windows.windows[0].name))
    about: dict[str, Any] = {
        "profile": load_profile("head-xye64").model_dump(mode="json"), "simulated": True,
        "scanner": load_scanner("dual-head").model_dump(mode="json"),
        "protocol": {
            "id": loaded.protocol.id, "title": loaded.protocol.title, "toml": loaded.text.decode(), "steps": 1,
        },
        "processing": processing.model_dump(mode="json"), "duration_ps": seconds * S_PS,
        "calibrations": {} if collimator is None else {"collimator": collimator},
        "steps": [{"number": 1, "name": step, "begin_ps": 0, "end_ps": seconds * S_PS, "ended_by": "time"}],
        "time": {"start_utc_ns": 1_785_747_600_250_000_000}, **changes,
    }  # fmt: skip
    return make_directory(folder / "run", [segment("singles", [singles]), segment("marks", [marks])], **about)


def _weighted(weights: Shade | None, window: str) -> tuple[HeadCorrections, ...]:
    if weights is None:
        return ()
    x, y = np.meshgrid(np.arange(-280.0, 281.0, 4.0), np.arange(-212.0, 213.0, 4.0))
    grid = Grid.of(weights(x, y), x0_mm=-280.0, y0_mm=-212.0, pitch_mm=4.0)
    return tuple(HeadCorrections(head=number, uniformity={window: grid}) for number in (0, 1))
