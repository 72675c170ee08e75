"""Make the golden sample of list-mode format 1.0. Run once per released version; the result is never changed.

    python tests/golden/make_listmode_1_0.py DIRECTORY

Every value follows from its row number by a formula that `tests/unit/test_golden_listmode.py` repeats.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np

from daq.model.ledger import Ledger, SourceLedger
from daq.model.packets import NO_SEQUENCE, Flag, Packets
from daq.storage.manifest import Manifest
from daq.storage.schemas import arrow_schema
from daq.storage.writer import ListModeWriter

ROWS = 24
WORDS = 40


def coincidences(start: int, stop: int) -> dict[str, np.ndarray]:
    row = np.arange(start, stop)
    return {
        "time_ps": row * 1_000_003 - 5_000_000,
        "detector_a": (row * 13 % 4096).astype(np.uint32),
        "detector_b": (row * 13 % 4096 + 4096).astype(np.uint32),
        "tof_ps": ((row % 9 - 4) * 25).astype(np.int32),
        "energy_a_kev": (row * 0.5 + 505.25).astype(np.float32),
        "kind": (row % 5 == 0).astype(np.uint8),
    }


def raw() -> Packets:
    data = np.frombuffer(
        b"GOLDEN  " + struct.pack(f"<{WORDS}Q", *(i * 0x0101_0101_0101 for i in range(WORDS))), np.uint8
    )
    lengths = np.array([8, 8 * 25, 8 * 15], np.int64)
    return Packets(
        data=data,
        offset=np.cumsum(lengths) - lengths,
        length=lengths,
        source=np.array([3, 3, 3], np.uint16),
        sequence=np.array([NO_SEQUENCE, 0, 25], np.uint64),
        arrival_ns=np.array([10, 20, 30], np.int64),
        flags=np.array([Flag.PREAMBLE, Flag.START, Flag.END], np.uint8),
        header=np.arange(48, dtype=np.uint8).reshape(3, 16),
    )


def marks() -> dict[str, object]:
    return {
        "time_ps": np.array([0, 1_000_000, 2_000_000], np.int64),
        "kind": ["start", "time", "stop"],
        "source": np.array([0xFFFF, 3, 0xFFFF], np.uint16),
        "value": np.array([0, 7, -1], np.int64),
        "value2": np.array([np.nan, 0.25, np.nan], np.float64),
        "text": ["", "7 \u00d7 0.25", "prompts"],
    }


def make(directory: Path) -> None:
    manifest = Manifest(
        acquisition_id="golden-1.0",
        state="open",
        created_utc="2026-11-22T10:00:00Z",
        profile={"id": "golden", "layout": {"word_bits": 64}},
        profile_sha256="0" * 64,
        source="file:///golden.bin",
        simulated=True,
        time={"zero_ticks": [0], "tick_ps": "1", "framing": "stream", "imported": True},
        software={"scandaq": "0"},
    )
    schemas = {
        "raw": arrow_schema("raw", ["source", "sequence", "arrival_ns", "flags", "header", "data"]),
        "coincidences": arrow_schema("coincidences", list(coincidences(0, 1))),
        "marks": arrow_schema("marks", list(marks())),
    }
    source = SourceLedger(source=3, basis="stream", sent=WORDS, received=WORDS, recorded=WORDS)
    with ListModeWriter(directory, manifest, schemas) as writer:
        writer.write("raw", raw(), counts={"source:3": WORDS})
        writer.write("marks", marks())
        writer.write("coincidences", coincidences(0, 10), counts={"prompt": 8, "delayed": 2})
        writer.flush()
        writer.write("coincidences", coincidences(10, ROWS), counts={"prompt": 11, "delayed": 3})
        writer.seal(
            ledger=Ledger(unit="word", sources=(source,)),
            words_by_kind={"prompt": 19, "delayed": 5, "time": 16},
            duration_ps=18_000_069,
        )


if __name__ == "__main__":
    make(Path(sys.argv[1]))
