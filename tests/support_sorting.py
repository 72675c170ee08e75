"""Recordings of singles for tests of sorting: made from columns, in small batches."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from daq.model.coincidence import PairingRule
from daq.model.ledger import Ledger, SourceLedger
from daq.model.order import OrderRule
from daq.model.scanner import Ring
from daq.pipeline.pairing import Pairer
from daq.storage.manifest import Manifest
from daq.storage.reader import open_listmode
from daq.storage.schemas import arrow_schema
from daq.storage.writer import ListModeWriter, WriterLimits

RING = Ring(
    radius_mm=100.0, rings=4, detectors_per_ring=64, axial_pitch_mm=4.0, module_detectors=4, module_rings=4, sectors=16,
    minimum_sector_difference=3,
)  # fmt: skip
PAIRS = ("time_ps", "detector_a", "detector_b", "tof_ps", "energy_a_kev", "energy_b_kev", "kind")
ORDERED = {"order": OrderRule().model_dump(mode="json")}
LEDGER = Ledger(unit="word", sources=(SourceLedger(source=0, basis="stream", sent=9, received=9, recorded=9),))
MARK_COLUMNS = {"kind": ["start", "stop"], "source": [0, 0], "value": [0, 0], "value2": [0.0, 0.0], "text": ["", "end"]}


def rule(**changes: Any) -> PairingRule:
    return PairingRule(**{"half_window_ps": 2000, "delay_ps": 50_000, "ring": RING, **changes})


def many_singles(rows: int, seed: int = 1, *, mean_step_ps: int = 2000, late: float = 0.01) -> dict[str, Any]:
    """Singles in order of time, some late, equal times among them; the clock goes back once."""
    rng = np.random.default_rng(seed)
    time_ps = np.cumsum(rng.integers(0, 2 * mean_step_ps, rows))
    time_ps[rows // 3 :] -= 10**7
    return {
        "time_ps": time_ps.astype(np.int64),
        "detector": rng.integers(0, 4 * 64, rows).astype(np.uint32),
        "energy_kev": rng.uniform(100, 700, rows).astype(np.float32),
        "late": rng.random(rows) < late,
    }


def record(
    directory: Path, singles: dict[str, Any], *, batches: int = 7, streams: dict[str, dict[str, Any]] | None = None,
    **manifest: Any,
) -> Path:  # fmt: skip
    """Write a sealed directory of singles, marks and `streams`; `manifest` are keys of the manifest."""
    made = Manifest(
        **{
            "acquisition_id": "first", "state": "open", "created_utc": "2026-11-22T10:00:00Z", "segments": [],
            "profile": {"id": "singles64"}, "profile_sha256": "0" * 64, "source": "test", "time": ORDERED, **manifest,
        }
    )  # fmt: skip
    rows = {"singles": singles} if singles else {}
    rows |= {"marks": {"time_ps": np.array([0, 10], np.int64), **MARK_COLUMNS}, **(streams or {})}
    schemas: dict[Any, Any] = {stream: arrow_schema(stream, list(columns)) for stream, columns in rows.items()}  # type: ignore[arg-type]
    with ListModeWriter(directory, made, schemas, limits=WriterLimits(batch_bytes=4096, batch_age_s=60)) as writer:
        for stream, columns in rows.items():
            for part in cut_evenly(columns, batches if stream == "singles" else 1):
                writer.write(stream, part)  # type: ignore[arg-type]
        writer.seal(ledger=LEDGER, words_by_kind={"single": 9}, duration_ps=10)
    return directory


def cut_evenly(columns: dict[str, Any], parts: int) -> list[dict[str, Any]]:
    rows = len(columns["time_ps"])
    edges = [rows * number // parts for number in range(parts + 1)]
    return [{name: values[a:b] for name, values in columns.items()} for a, b in pairwise(edges)]


def paired_at_once(
    singles: dict[str, Any], wanted: PairingRule, mask: int = 0
) -> tuple[dict[str, Any], dict[str, int]]:
    """Return what pairing gives of all singles at once."""
    pairer = Pairer(wanted, window_mask=mask)
    blocks = [pairer.push(singles), pairer.flush()]
    return {name: np.concatenate([block[name] for block in blocks]) for name in PAIRS}, pairer.counts


def stored_pairs(directory: Path) -> dict[str, Any]:
    with open_listmode(directory) as recording:
        table = recording.table("coincidences")
    return {name: table.column(name).to_numpy() for name in PAIRS}


def assert_same_rows(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name in PAIRS:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
