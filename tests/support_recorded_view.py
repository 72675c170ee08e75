"""A sealed recording of a static view of both heads, small and quick to make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from support_listmode import IDENTITY, MARKS, make_directory, segment

from acquisition_protocols.load import load_protocol
from daq.model.processing import Processing
from daq.model.windows import EnergyWindow
from device_profiles.load import load_profile
from device_profiles.scanners import load_scanner

S_PS = 10**12
ROWS = 4000
WINDOWS = (EnergyWindow(126.45, 154.55, "photopeak"), EnergyWindow(90.0, 126.45, "below"))


def recording(folder: Path, *, heaped: int = 0, **changes: Any) -> Path:
    """A sealed recording of the shipped demonstration of a static view: 10 s; `heaped` events are at one place."""
    rng = np.random.default_rng(1)
    at = np.sort(rng.integers(0, 10 * S_PS, ROWS + heaped))
    of = rng.integers(0, 2, len(at))
    across, up = rng.uniform(-100, 100, (2, len(at)))
    across[:heaped], up[:heaped], of[:heaped] = 50.0, 80.0, 0
    singles = pa.record_batch({
        "time_ps": pa.array(at), "energy_kev": pa.array(np.full(len(at), 140.0, np.float32)),
        "windows": pa.array(np.ones(len(at), np.uint16)), "x_mm": pa.array(across.astype(np.float32)),
        "y_mm": pa.array(up.astype(np.float32)), "head": pa.array(of.astype(np.uint8)),
        "late": pa.array(np.zeros(len(at), bool)),
    })  # fmt: skip
    told = [("start", 0, "spots"), ("position", 0, "gantry"), ("stop", 10 * S_PS, "time")]
    marks = pa.RecordBatch.from_pylist(
        [{"time_ps": time_ps, "kind": kind, "source": 65_535, "value": 0, "value2": 0.0, "text": text}
         for kind, time_ps, text in told], schema=MARKS,
    )  # fmt: skip
    loaded = load_protocol("demo-planar-static")
    about: dict[str, Any] = {
        "profile": load_profile("head-xye64").model_dump(mode="json"), "simulated": True,
        "scanner": load_scanner("dual-head").model_dump(mode="json"),
        "protocol": {"id": loaded.protocol.id, "title": loaded.protocol.title, "toml": loaded.text.decode()},
        "processing": Processing(windows=WINDOWS).model_dump(mode="json"), "duration_ps": 10 * S_PS,
        "steps": [{"number": 1, "name": "spots", "begin_ps": 0, "end_ps": 10 * S_PS, "ended_by": "time"}],
        "time": {"start_utc_ns": 1_785_747_600_250_000_000}, **changes,
    }  # fmt: skip
    of_it = {**IDENTITY, "acquisition": changes.get("acquisition_id", IDENTITY["acquisition"])}
    parts = [segment("singles", [singles], identity=of_it), segment("marks", [marks], identity=of_it)]
    return make_directory(folder / "run", parts, **about)
