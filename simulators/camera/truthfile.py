"""The truth about every event of a simulated scene, as an Arrow stream beside the data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from simulators.camera.generate import Photons
from simulators.camera.response import Reported

_TYPES = {
    "time_ps": pa.int64(), "head": pa.uint8(), "x_mm": pa.float32(), "y_mm": pa.float32(), "energy_kev": pa.float32(),
    "added_x_mm": pa.float32(), "added_y_mm": pa.float32(), "added_kev": pa.float32(), "lost_before": pa.uint32(),
    "photon_kev": pa.float32(), "origin": pa.uint8(), "line": pa.uint8(), "flags": pa.uint8(),
}  # fmt: skip
_REPORTED = {"reported_x_mm": pa.float32(), "reported_y_mm": pa.float32(), "reported_kev": pa.float32()}


def write_photons(path: Path, parts: Iterable[tuple[Photons, Reported]], about: dict[str, Any]) -> int:
    """Write events, part after part, in bounded memory; return how many. `about` goes into the schema's metadata."""
    metadata = {"scandaq_simulation": json.dumps(about)}
    schema = pa.schema(list((_TYPES | _REPORTED).items()), metadata=metadata)
    count = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for photons, reported in parts:
            count += len(photons)
            columns = [pa.array(column, _TYPES[name]) for name, column in photons.columns().items()]
            found = (reported.x_mm, reported.y_mm, reported.energy_kev)
            columns += [pa.array(column.astype(np.float32)) for column in found]
            writer.write_batch(pa.record_batch(columns, schema=schema))
    return count


def read_photons(path: Path) -> tuple[Photons, Reported, dict[str, Any]]:
    """Return all events of a truth file, what was reported of them, and what it is about."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
        table = reader.read_all()
    about = json.loads(table.schema.metadata[b"scandaq_simulation"])
    columns = {name: np.array(table.column(name)) for name in _TYPES}
    reported = Reported(*(np.array(table.column(name), np.float64) for name in _REPORTED))
    return Photons(**columns), reported, about
