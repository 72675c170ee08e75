"""Positions of flashes: how sharp, how straight and how fast each estimator is; corrections by maps; the flood image.

Plain C with its sums left to the compiler (`-O3 -march=native -ffast-math`) is what the arithmetic of this machine
allows; ours sum in an order that is the same on every machine. All positions agree before any time is printed.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Row, interleaved
from benchmarks.flashes import Camera, best_mm, located, looked_up, quality
from daq.model.framed import Pixels
from daq.model.headcalibration import Estimator, Grid, HeadCorrections
from daq.pipeline import headtables as t
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.framing import FramingRule, Pictures
from daq.pipeline.heads import HeadStage

CAMERAS = ("fers-dual-head", "fers-compact-camera")
FLOORS: dict[Estimator, float] = {"anger": 0.7, "weighted": 0.55, "maximum-likelihood": 0.7}
"""Of plain C. The weighted centroid makes two sums one after the other, the second of which waits for the first, and
little beside: there a fixed order of summing costs most."""
EVENTS = 1 << 14
HITS = 1 << 16
ROUNDS = 41
PIXELS = 128
SLICE = 1 << 13
"""Events of a call, as in the readout: what is made of them is still in the cache when the next stage reads it."""


def run() -> list[Row]:
    """Return the rows of the table."""
    return [row for name in CAMERAS for row in sharpness(name)] + [*speed(), corrections(), flood_image()]


def sharpness(name: str) -> list[Row]:
    """Return what each estimator is good for on one of the shipped cameras."""
    camera = Camera(name)
    found = {estimator: quality(camera, estimator) for estimator in FLOORS}
    best = best_mm(camera)
    said = "; ".join(
        f"{estimator} {one.useful_mm:.2f} mm, left {one.left_mm:.2f} (at most {one.left_most_mm:.2f}) mm, at the edge "
        f"{one.edge_mm:+.1f} mm, energy {one.energy_percent:.1f} %"
        for estimator, one in found.items()
    )
    likely = found["maximum-likelihood"].useful_mm
    return [
        Row(f"{name}: best possible width / maximum likelihood", said, best / likely, 0.9, 1.0),
        Row(f"{name}: width of the centroid / maximum likelihood", f"{found['anger'].useful_mm:.2f} / {likely:.2f} mm",
            found["anger"].useful_mm / likely, 1.3, 1.6),
    ]  # fmt: skip


class PlainHead(ctypes.Structure):
    """What `positions.c` is told of a head."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("channels", "limits", "points")),
        *((name, ctypes.c_int64) for name in ("first", "rows", "columns")),
        *((name, ctypes.c_float) for name in (
            "reach_x", "reach_y", "threshold", "x0", "y0", "step", "per_mm", "widest",
        )),
    )  # fmt: skip


class PlainC:
    """Compile `positions.c`; raise `FileNotFoundError` where there is no compiler."""

    def __init__(self) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise FileNotFoundError("no C compiler (cc)")
        flags = ["-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-shared", "-fPIC"]
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "positions.so"
            subprocess.run([compiler, *flags, Path(__file__).with_suffix(".c").parent / "positions.c", "-o", library],
                           check=True)  # fmt: skip
            self._locate: Any = ctypes.CDLL(str(library)).locate

    def __call__(self, codes: Any, head: HeadCorrections, tables: t.Channels, out: list[Any]) -> None:
        """Fill `out` with x, y and energy, float32 [n] each."""
        plan, rule = tables.plan[0], tables.rule[0]
        told = PlainHead(
            tables.channels.ctypes.data, tables.limit.ctypes.data, tables.points.ctypes.data,
            *(int(plan[at]) for at in (t.FIRST, t.ROWS, t.COLUMNS)), *(float(value) for value in rule[:-1]),
        )  # fmt: skip
        self._locate(
            ctypes.c_void_p(codes.ctypes.data), ctypes.c_int64(len(codes)),
            ctypes.c_int64(t.ESTIMATORS[head.estimator]), ctypes.byref(told),
            *(ctypes.c_void_p(values.ctypes.data) for values in out),
        )  # fmt: skip


def speed() -> list[Row]:
    """Return what each estimator costs, against plain C."""
    camera = Camera(CAMERAS[0])
    draw = np.random.default_rng(5)
    codes = camera.codes(*(draw.uniform(-half, half, EVENTS) for half in (220.0, 170.0)))
    plain = PlainC()
    found = []
    for estimator, floor in FLOORS.items():
        head = camera.corrections(estimator)
        tables, stage = t.Channels.of([head]), HeadStage([head])
        theirs = [np.empty(EVENTS, np.float32) for _ in range(3)]
        plain(codes, head, tables, theirs)
        apart = np.abs(np.array(located(stage, codes)) - theirs)
        if not np.nanquantile(apart, 0.999) < 0.01:  # mm and keV: a step more or less now and then
            raise AssertionError(f"{estimator}: plain C disagrees by {np.nanmax(apart):g}")
        parts = [codes[begin : begin + SLICE] for begin in range(0, EVENTS, SLICE)]
        rows = [{"time_ps": np.arange(SLICE), "head": np.zeros(SLICE, np.uint8), "amplitudes": part} for part in parts]
        room, ends, source = [values[:SLICE] for values in theirs], np.array([SLICE]), np.zeros(1, np.uint16)

        def ours(stage: HeadStage = stage, rows: Any = rows, ends: Any = ends, source: Any = source) -> None:
            for part in rows:
                stage(part, ends, source)

        def c(head: HeadCorrections = head, tables: t.Channels = tables, parts: Any = parts, room: Any = room) -> None:
            for part in parts:
                plain(part, head, tables, room)

        median = interleaved({"ours": ours, "c": c, "memcpy": codes.copy}, rounds=ROUNDS)
        rate = {who: EVENTS / seconds / 1e6 for who, seconds in median.items()}
        figure = f"{rate['ours']:.1f} / {rate['c']:.1f} M events/s of 64 channels (memcpy {rate['memcpy']:.0f})"
        found.append(Row(f"positions, {estimator} / plain C", figure, rate["ours"] / rate["c"], floor, 1.0))
    return found


def corrections() -> Row:
    """Return what the energy map and the two linearity maps cost a head that sends positions, against NumPy."""
    draw = np.random.default_rng(6)
    grids = [Grid.of(draw.uniform(0.9, 1.1, (48, 64)), x0_mm=-270.0, y0_mm=-200.0, pitch_mm=8.5) for _ in range(3)]
    stage = HeadStage([HeadCorrections(head=0, energy=grids[0], shift_x=grids[1], shift_y=grids[2])])
    x, y = (draw.uniform(-half, half, SLICE).astype(np.float32) for half in (260.0, 190.0))
    rows = {"time_ps": np.arange(SLICE), "head": np.zeros(SLICE, np.uint8), "x_mm": x, "y_mm": y,
            "energy_kev": np.full(SLICE, 140.5, np.float32)}  # fmt: skip

    def by_numpy() -> Any:
        return (
            x + looked_up(grids[1], x, y), y + looked_up(grids[2], x, y), rows["energy_kev"] / looked_up(grids[0], x, y)
        )  # fmt: skip

    def ours() -> Any:
        found = stage(rows, np.array([SLICE]), np.zeros(1, np.uint16))
        return found["x_mm"], found["y_mm"], found["energy_kev"]

    if not np.allclose(np.array(ours()), np.array(by_numpy()), atol=1e-3):
        raise AssertionError("corrections disagree with NumPy")
    median = interleaved({"ours": ours, "numpy": by_numpy}, rounds=ROUNDS)
    rate = {who: SLICE / seconds / 1e6 for who, seconds in median.items()}
    return Row("energy and linearity maps / NumPy", f"{rate['ours']:.0f} / {rate['numpy']:.1f} M events/s",
               rate["ours"] / rate["numpy"], 3.0, 7.0)  # fmt: skip


def flood_image() -> Row:
    """Return what a flood image of positions costs, against the nearest pixel and `np.bincount`."""
    draw = np.random.default_rng(7)
    frame = Pixels.centred(540.0, 400.0, 540.0 / PIXELS)
    x, y = (draw.uniform(-half, half, HITS).astype(np.float32) for half in (275.0, 205.0))
    rows = {"time_ps": np.arange(HITS), "x_mm": x, "y_mm": y}
    pictures = Pictures(FramingRule(frame, (0,), (), EnergyAxis(0.0, 0.5, 1024)))
    counted = np.zeros(frame.rows * frame.columns, np.int64)
    parts = [{name: values[at : at + SLICE] for name, values in rows.items()} for at in range(0, HITS, SLICE)]

    def ours() -> None:
        for part in parts:
            pictures.add(part)

    def by_numpy() -> None:
        for part in parts:
            column = np.floor((part["x_mm"] - frame.x0_mm) / frame.pixel_mm).astype(np.int64)
            row = np.floor((part["y_mm"] - frame.y0_mm) / frame.pixel_mm).astype(np.int64)
            inside = (column >= 0) & (column < frame.columns) & (row >= 0) & (row < frame.rows)
            counted[:] += np.bincount((row * frame.columns + column)[inside], minlength=len(counted))

    median = interleaved({"ours": ours, "numpy": by_numpy}, rounds=ROUNDS)
    share = (pictures.image(0, 0).ravel() != counted).mean()
    if share > 0.01 or pictures.image(0, 0).sum() != counted.sum():  # float32 at the edges of pixels
        raise AssertionError(f"the flood images differ in {share:.1%} of their pixels")
    rate = {who: HITS / seconds / 1e6 for who, seconds in median.items()}
    what = f"flood image of {frame.columns} x {frame.rows} / np.bincount"
    return Row(what, f"{rate['ours']:.0f} / {rate['numpy']:.0f} M events/s", rate["ours"] / rate["numpy"], 2.0, 3.5)
