"""Recordings of pairs for the exports to scanners' formats, and a checker of PETSIRD's rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import petsird
import pyarrow as pa
from support_listmode import Made, make_directory, segment

from daq.model.coincidence import PairingRule
from daq.model.processing import Processing
from daq.model.scanner import Ring
from daq.model.windows import EnergyWindow

MS = 10**9
RING = Ring(
    radius_mm=100.0, rings=4, detectors_per_ring=24, axial_pitch_mm=5.0, module_detectors=4, module_rings=2, sectors=6,
    virtual_positions=(3,), minimum_sector_difference=2, crystal_mm=(20.0, 4.0, 4.5), coincidence_resolution_ps=200.0,
)  # fmt: skip
RULE = PairingRule(half_window_ps=1000, delay_ps=100_000, ring=RING, windows=("peak",))
PROCESSING = Processing(pairing=RULE, windows=(EnergyWindow(400.0, 650.0, "peak"),))
PAIR_TYPES = {
    "time_ps": "<i8", "detector_a": "<u4", "detector_b": "<u4", "tof_ps": "<i4", "energy_a_kev": "<f4",
    "energy_b_kev": "<f4", "kind": "u1",
}  # fmt: skip


def real_detectors(ring: Ring = RING) -> np.ndarray:
    numbers = np.arange(ring.highest_detector + 1, dtype=np.uint32)
    return numbers[~np.isin(numbers % ring.ring_step % ring.module_detectors, ring.virtual_positions)]


def pairs(rows: int, *, seed: int = 1, until_ms: int = 950) -> dict[str, np.ndarray]:
    """Random pairs in order of time, about a fifth of them delayed."""
    rng = np.random.default_rng(seed)
    made = np.sort(rng.choice(real_detectors(), (rows * 2, 2)), axis=1)
    made = made[made[:, 0] < made[:, 1]][:rows]
    values = {
        "time_ps": np.sort(rng.integers(0, until_ms * MS, rows)),
        "detector_a": made[:, 0],
        "detector_b": made[:, 1],
        "tof_ps": rng.integers(-1000, 1001, rows),
        "energy_a_kev": rng.uniform(400, 649, rows),
        "energy_b_kev": rng.uniform(400, 649, rows),
        "kind": rng.random(rows) < 0.2,
    }
    return {name: values[name].astype(kind) for name, kind in PAIR_TYPES.items()}


def recording(
    folder: Path, columns: dict[str, np.ndarray], *, cut: int = 300, beside: Sequence[Made] = (), **changes: Any
) -> Path:
    """A sealed directory of the coincidences `columns`, in batches of `cut` rows, and of other segments."""
    rows = len(columns["time_ps"])
    batches = [
        pa.record_batch({name: pa.array(column[at : at + cut]) for name, column in columns.items()})
        for at in range(0, rows, cut)
    ]
    facts = {
        "processing": PROCESSING.model_dump(mode="json"),
        "duration_ps": int(columns["time_ps"].max()) if rows else 0,
        "time": {"start_utc_ns": 1_700_000_000_000_000_000},
        "profile": {"id": "test", "title": "A test ring"},
    }
    schema = pa.schema(
        [pa.field(name, pa.from_numpy_dtype(np.dtype(PAIR_TYPES[name])), nullable=False) for name in columns]
    )
    batches = [pa.record_batch([batch.column(name) for name in schema.names], schema=schema) for batch in batches]
    made = segment("coincidences", batches, schema=schema)
    return make_directory(folder / "run", [made, *beside], **{**facts, **changes})


def read_petsird(path: Path) -> tuple[petsird.Header, list[Any]]:
    with petsird.BinaryPETSIRDReader(str(path)) as reader:
        return reader.read_header(), [block.value for block in reader.read_time_blocks()]


def events_of(blocks: list[Any], name: str) -> list[tuple[int, int, int, int]]:
    """Return (start ms, first bin, second bin, TOF bin) of every event of the lists `name`."""
    return [
        (block.time_interval.start, *event.detection_bins, event.tof_idx)
        for block in blocks
        if isinstance(block, petsird.EventTimeBlock)
        for event in (getattr(block, name) or [[[]]])[0][0]
    ]


def check_petsird(header: petsird.Header, blocks: list[Any]) -> list[str]:
    """Return every rule of PETSIRD 0.12 that a file breaks: policies and lists, order, ranges, lengths, coverage."""
    scanner = header.scanner
    wrong = [*_check_scanner(scanner), *_check_singles(scanner, blocks)]
    for block in blocks:
        if not isinstance(block, petsird.EventTimeBlock):
            continue
        length = block.time_interval.stop - block.time_interval.start
        holds = bool(events_of([block], "prompt_events") or events_of([block], "delayed_events"))
        if length <= 0 or (length > 100 and holds):
            wrong.append(f"a block of {length} ms")
        for name, policy in (("prompt", scanner.prompt_event_policy), ("delayed", scanner.delayed_event_policy)):
            lists = getattr(block, f"{name}_events")
            stored = policy != petsird.CoincidencePolicy.NONE
            if [len(row) for row in lists] != ([1] if stored else []):
                wrong.append(f"{name}s: {len(lists)} rows with policy {policy.name}")
        wrong += _check_events(scanner, block)
    return wrong


def _check_scanner(scanner: petsird.ScannerInformation) -> list[str]:
    module = scanner.scanner_geometry.replicated_modules
    sizes = {
        "modules": len(module), "tof edges": len(scanner.tof_bin_edges), "tof resolution": len(scanner.tof_resolution),
        "energy edges": len(scanner.event_energy_bin_edges), "resolution": len(scanner.energy_resolution_at_511),
        "efficiencies": len(scanner.detection_efficiencies.detection_bin_efficiencies),
    }  # fmt: skip
    wrong = [f"{number} entries of {name} for one kind of module" for name, number in sizes.items() if number != 1]
    for edges in (scanner.tof_bin_edges[0][0].edges, scanner.event_energy_bin_edges[0].edges):
        wrong += [] if len(edges) > 1 and np.all(np.diff(edges) > 0) else ["edges that do not ascend"]
    tof = scanner.tof_bin_edges[0][0].edges
    wrong += [] if np.allclose(tof, -tof[::-1]) else ["TOF edges are not symmetric"]
    for matrix in (m.matrix for m in [*module[0].transforms, *module[0].object.detecting_elements.transforms]):
        turn = matrix[:, :3].astype(np.float64)
        wrong += [] if np.allclose(turn @ turn.T, np.eye(3), atol=1e-6) and np.linalg.det(turn) > 0 else ["not rigid"]
    return wrong


def _check_singles(scanner: petsird.ScannerInformation, blocks: list[Any]) -> list[str]:
    """Singles per module: in the file or not as the header says, of every module, over all the time of the events."""
    found = [block for block in blocks if isinstance(block, petsird.SinglesHistogramTimeBlock)]
    if scanner.singles_histogram_level == petsird.SinglesHistogramLevelType.NONE:
        return [f"{len(found)} blocks of singles and no level"] if found else []
    modules = len(scanner.scanner_geometry.replicated_modules[0].transforms)
    wrong = [] if scanner.module_singles_unit_idx_lu_ts == [list(range(modules))] else ["units are not the modules"]
    wrong += [] if len(scanner.singles_histogram_energy_bin_edges) == 1 else ["no energies of singles"]
    wrong += ["not every module" for block in found if len(block.singles_per_singles_unit_histogram) != modules]
    counted = {ms for block in found for ms in range(block.time_interval.start, block.time_interval.stop)}
    events = [block.time_interval for block in blocks if isinstance(block, petsird.EventTimeBlock)]
    return wrong + [f"no singles of {time}" for time in events if not counted.issuperset(range(time.start, time.stop))]


def _check_events(scanner: petsird.ScannerInformation, block: Any) -> list[str]:
    module = scanner.scanner_geometry.replicated_modules[0]
    elements = len(module.object.detecting_elements.transforms)
    bins = len(module.transforms) * elements * scanner.event_energy_bin_edges[0].number_of_bins()
    tofs = scanner.tof_bin_edges[0][0].number_of_bins()
    events = [*events_of([block], "prompt_events"), *events_of([block], "delayed_events")]
    return [f"event {event}" for event in events if not (bins > event[1] >= event[2] and event[3] < tofs)]
