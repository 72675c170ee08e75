"""One order of time for many sources, against NumPy's stable argsort and take. CPU time of one thread.

The input is that of module-interleaved runs: hits of all modules at 50 Mcps, uniform in time, which come in frames of
4 ms (200,000 hits), module after module, in packets of at most 182 hits. NumPy sorts each frame alone and gets the
frames in order; that is less than the product does, which is given packets, allows 100 ms of disorder across frames,
judges every event, and holds 5 M rows meanwhile. Both make fresh arrays of time, detector and energy. Results are
compared before any time is printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.common import Row, interleaved
from daq.model.order import OrderRule
from daq.pipeline.order import Order

RATE_PER_MS = 50_000
FRAME_MS = 4
FRAME_PS = FRAME_MS * 10**9
PACKET_HITS = 182
FRAMES = 8
"""Frames of one timed call of a candidate."""
DTYPES: Any = {"singles": {"time_ps": np.dtype("i8"), "detector": np.dtype("u4"), "energy_adc": np.dtype("u2")}}


MODULES = (16, 64, 256, 1024)
JUDGED = {64: (2.0, 3.5), 1024: (3.0, 5.0)}
"""Floor and aim, by modules."""
LENGTHS = (2, 4, 8, 16, 32)
"""Frames of whole streams, from the first packet to the flush, to see how the time grows with their words."""


@dataclass
class Frame:
    """Hits of one frame, module by module."""

    columns: dict[str, Any]
    ends: Any
    sources: Any


def frame_of(modules: int, number: int, hits: int = RATE_PER_MS * FRAME_MS) -> Frame:
    rng = np.random.default_rng([modules, number])
    module = np.sort(rng.integers(0, modules, hits))
    moment = rng.integers(0, FRAME_PS, hits) + number * FRAME_PS
    moment = moment[np.lexsort((moment, module))]
    per_module = np.bincount(module, minlength=modules)
    packets = -(-per_module // PACKET_HITS)
    sizes = np.full(packets.sum(), PACKET_HITS)
    sizes[np.cumsum(packets)[packets > 0] - 1] = (per_module - (packets - 1) * PACKET_HITS)[packets > 0]
    columns = {
        "time_ps": moment,
        "detector": (module * 64 + rng.integers(0, 64, hits)).astype(np.uint32),
        "energy_adc": rng.integers(0, 4096, hits).astype(np.uint16),
    }
    return Frame(columns, np.cumsum(sizes), np.repeat(np.arange(modules), packets).astype(np.uint16))


class Ours:
    """An order that runs on: each call pushes frames later than those of the call before."""

    def __init__(self, frames: list[Frame]) -> None:
        self.order = Order(OrderRule(), DTYPES)
        self.frames = frames
        for _ in range(2 + 100 // (FRAME_MS * len(frames))):
            self()
            self.move_on()

    def move_on(self) -> None:
        """Make the frames later, for the next round."""
        for frame in self.frames:
            frame.columns["time_ps"] += len(self.frames) * FRAME_PS

    def __call__(self) -> list[Any]:
        return [pushed(self.order, frame) for frame in self.frames]


def pushed(order: Order, frame: Frame) -> dict[str, Any]:
    return dict(order.push({"singles": frame.columns}, {"singles": frame.ends}, frame.sources)["singles"])


def by_numpy(frames: list[Frame]) -> list[dict[str, Any]]:
    out = []
    for frame in frames:
        order = np.argsort(frame.columns["time_ps"], kind="stable")
        out.append({name: column[order] for name, column in frame.columns.items()})
    return out


def whole(order: Order, frames: list[Frame]) -> list[dict[str, Any]]:
    """Return a stream put in order from its first packet to the flush."""
    return [*(pushed(order, frame) for frame in frames), dict(order.flush()["singles"])]


def compare(modules: int) -> None:
    """Raise unless both put a stream into the same order."""
    frames = frames_of(modules, 40)
    ours, theirs = whole(Order(OrderRule(), DTYPES), frames), by_numpy(frames)
    for name in DTYPES["singles"]:
        if not np.array_equal(np.concatenate([o[name] for o in ours]), np.concatenate([t[name] for t in theirs])):
            raise AssertionError(f"{modules} modules, {name}: the orders disagree")


def frames_of(modules: int, count: int) -> list[Frame]:
    return [frame_of(modules, number) for number in range(count)]


def exponent(times: dict[int, float]) -> float:
    """Return the slope of a straight line through the logarithms."""
    return float(np.polyfit(np.log(list(times)), np.log(list(times.values())), 1)[0])


def run() -> list[Row]:
    """Return the rows of the table."""
    return [*by_modules(), by_words()]


def by_modules() -> list[Row]:
    for modules in MODULES:
        compare(modules)
    ours = {modules: Ours(frames_of(modules, FRAMES)) for modules in MODULES}
    candidates: dict[str, Any] = {}
    for modules, order in ours.items():
        candidates[f"ours {modules}"] = order
        candidates[f"numpy {modules}"] = lambda frames=order.frames: by_numpy(frames)
        candidates[f"next {modules}"] = order.move_on
    median = interleaved(candidates, rounds=7)
    hits = FRAMES * FRAME_MS * RATE_PER_MS
    rows = []
    for modules in MODULES:
        mine, theirs = median[f"ours {modules}"], median[f"numpy {modules}"]
        floor, aim = JUDGED.get(modules, (None, None))
        figure = f"{hits / mine / 1e6:.0f} / {hits / theirs / 1e6:.0f} Mhits/s"
        rows.append(Row(f"order, {modules} modules / NumPy", figure, theirs / mine, floor, aim))
    slope = exponent({modules: median[f"ours {modules}"] for modules in MODULES})
    span = MODULES[-1] / MODULES[0]
    return [*rows, Row(f"order, {span:.0f} times the modules", f"exponent {slope:.3f}", span**-slope, span**-0.1, 1.0)]


def by_words() -> Row:
    order, frames = Order(OrderRule(), DTYPES), frames_of(64, max(LENGTHS))
    candidates: dict[str, Any] = {
        str(length): lambda length=length: whole(order, frames[:length]) for length in LENGTHS
    }
    median = interleaved(candidates, rounds=7)
    slope = exponent({length: median[str(length)] for length in LENGTHS})
    figure = f"exponent {slope:.3f}, {FRAME_MS * RATE_PER_MS * LENGTHS[0] / 1e6:g} to "
    figure += f"{FRAME_MS * RATE_PER_MS * LENGTHS[-1] / 1e6:g} M words"
    return Row("order, growth with words", figure, 1 - abs(slope - 1), 0.95, 1.0)
