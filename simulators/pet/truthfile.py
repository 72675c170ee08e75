"""The truth about every single of a simulated scan, as an Arrow stream beside the data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from simulators.pet.generate import Photons

_TYPES = {
    "time_ps": pa.int64(), "detector": pa.uint32(), "energy_kev": pa.float32(), "decay": pa.int64(),
    "photon": pa.uint8(), "flags": pa.uint8(), "origin": pa.uint8(), "true_time_ps": pa.int64(), "module": pa.uint16(),
}  # fmt: skip


def write_photons(path: Path, parts: Iterable[Photons], about: dict[str, Any]) -> int:
    """Write singles, part after part, in bounded memory; return how many. `about` goes into the schema's metadata."""
    schema = pa.schema(list(_TYPES.items()), metadata={"scandaq_simulation": json.dumps(about)})
    count = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for part in parts:
            count += len(part)
            writer.write_batch(pa.record_batch(list(part.columns().values()), schema=schema))
    return count


def read_photons(path: Path) -> tuple[Photons, dict[str, Any]]:
    """Return all singles of a truth file, and what it is about."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
        table = reader.read_all()
    about = json.loads(table.schema.metadata[b"scandaq_simulation"])
    columns = {name: np.array(table.column(name)) for name in _TYPES}
    return Photons(**columns), about
