"""DICOM of a whole-body study: 1024 x 512 pixels, two heads, two windows, against plainly writing its bytes.

The bound is 2 s for each object. The ratio is the time of writing and syncing the bare pixels over that of the object:
1 would be an object that costs nothing.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.common import Row
from daq.model.framed import Framed, HeadSeen, ImageKind, Pixels, Slots, Strip
from daq.model.geometry import View
from daq.model.windows import EnergyWindow
from daq.storage.dicom import write_dicom
from daq.storage.manifest import Manifest

ROWS, COLUMNS, PIXEL_MM = 1024, 512, 2.0
ROUNDS = 7
MOST_S = 2.0
FLOOR, AIM = 0.02, 0.2
S_PS = 10**12


def run() -> list[Row]:
    """Return the row of the table. Raises `RuntimeError` where an object takes more than its bound."""
    series, about = whole_body(), manifest()
    pixels = series.counts.astype("<u2").tobytes()
    with tempfile.TemporaryDirectory() as folder:
        write_dicom(Path(folder) / "first.dcm", series, about)
        objects = [_seconds(lambda at: write_dicom(at, series, about), folder, f"{n}.dcm") for n in range(ROUNDS)]
        plain = [_seconds(lambda at: _write(at, pixels), folder, f"{n}.bin") for n in range(ROUNDS)]
    best, bare = min(objects), min(plain)
    if best > MOST_S:
        raise RuntimeError(f"a whole-body object takes {best:.2f} s; at most {MOST_S:g} s")
    figure = f"{best * 1e3:.0f} ms an object of {len(pixels) / 1e6:.1f} MB, at most {MOST_S:g} s; its bytes alone "
    return [Row("whole-body DICOM / its bytes", figure + f"{bare * 1e3:.1f} ms", bare / best, FLOOR, AIM)]


def whole_body() -> Framed:
    """Return both heads of a sweep over 2 m, in photopeak and scatter."""
    shape = (2, 2, 1, ROWS, COLUMNS)
    counts = np.random.default_rng(1).poisson(8.0, shape).astype(np.uint32)
    zero, none = np.zeros(1, np.int64), np.full(1, np.nan)
    of = Slots(zero, zero + 1200 * S_PS, zero + 1200 * S_PS, zero, zero, zero, zero, none, none)
    heads = tuple(
        HeadSeen(n, name, angle, view, 540.0, 400.0, (150.0,))
        for n, (name, angle, view) in enumerate((("front", 180.0, View.ANT), ("back", 0.0, View.POST)))
    )
    return Framed(
        name="whole body", kind=ImageKind.WHOLE_BODY, steps=(1,), heads=heads,
        windows=(EnergyWindow(126.45, 154.55, "photopeak"), EnergyWindow(108.0, 126.0, "scatter")),
        pixels=Pixels(-COLUMNS * PIXEL_MM / 2, -ROWS * PIXEL_MM, PIXEL_MM, COLUMNS, ROWS), counts=counts, slots=of,
        outside=np.zeros((2, 2), np.int64), region="whole_body",
        strip=Strip((30 * S_PS,) * ROWS, 30 * S_PS, 1.667, 1.66, 1.67, 0.0, 2000.0),
    )  # fmt: skip


def manifest() -> Manifest:
    """Return the manifest of a simulated recording."""
    return Manifest(
        acquisition_id="bench", state="sealed", created_utc="", profile={}, profile_sha256="", source="",
        simulated=True, time={"start_utc_ns": 1_785_747_600_000_000_000}, segments=[],
    )  # fmt: skip


def _seconds(work: Callable[[Path], object], folder: str, name: str) -> float:
    begun = time.perf_counter()
    work(Path(folder) / name)
    return time.perf_counter() - begun


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
