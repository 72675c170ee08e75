"""Snapshots for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from daq.readout.snapshot import SnapshotWriter
from daq.readout.snapshotformat import ArraySpec, array, text
from daq.readout.snapshotreader import SnapshotReader

SPECS = [
    array("map", "figures", "u8", 3, 4),
    array("rates", "figures", "f8", 5),
    array("none", "figures", "i4", 0, 7),
    text("status", "words", most_bytes=100),
]
FIGURES = {
    "map": np.arange(12, dtype="u8").reshape(3, 4),
    "rates": np.linspace(0, 1, 5),
    "none": np.zeros((0, 7), "i4"),
}


def reader_of(writer: SnapshotWriter) -> SnapshotReader:
    return SnapshotReader(writer.duplicate())


@contextmanager
def descriptors_kept() -> Iterator[None]:
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def all_of(number: int, length: int) -> dict[str, Any]:
    return {"a": np.full(length, number, "u8"), "b": np.full(3, number, "u8"), "t": f"{number}"}


def mixed_specs(length: int) -> list[ArraySpec]:
    return [array("a", "g", "u8", length), array("b", "g", "u8", 3), text("t", "g", most_bytes=20)]
