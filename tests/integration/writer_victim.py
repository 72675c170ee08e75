"""A writer to be killed: forks one for each line `directory seed` read from stdin, and prints its process id.

The imports are paid once. Each child writes for as long as it lives and appends a line of JSON per acknowledgement to
`directory.acknowledged`; it is up to the test to end it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

from daq.model.events import STREAMS
from daq.model.packets import Packets
from daq.storage.manifest import Manifest
from daq.storage.schemas import arrow_schema
from daq.storage.writer import ListModeWriter, WriterLimits

LIMITS = WriterLimits(
    batch_bytes=64 << 10, batch_age_s=0.01, sync_period_s=0.01, segment_bytes=1 << 20, queue_bytes=256 << 10
)
SCHEMAS = {
    "raw": arrow_schema("raw", list(STREAMS["raw"])),
    "singles": arrow_schema("singles", ["time_ps", "detector"]),
}


def packets(first: int, rows: int) -> Packets:
    """Return packets of 64 bytes that hold their own number."""
    number = np.arange(first, first + rows, dtype=np.uint64)
    return Packets(
        data=np.repeat(number, 8).view(np.uint8),
        offset=np.arange(rows, dtype=np.int64) * 64,
        length=np.full(rows, 64, np.int64),
        source=np.zeros(rows, np.uint16),
        sequence=number,
        arrival_ns=number.astype(np.int64),
        flags=np.zeros(rows, np.uint8),
        header=np.zeros((rows, 16), np.uint8),
    )


def write_for_ever(directory: Path, seed: int) -> None:
    """Write until killed."""
    rng = np.random.default_rng(seed)
    told = os.open(f"{directory}.acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    manifest = Manifest(
        acquisition_id="kill", state="open", created_utc="", profile={}, profile_sha256="", source="", segments=[]
    )
    with ListModeWriter(
        directory,
        manifest,
        SCHEMAS,
        limits=LIMITS,
        on_acknowledged=lambda news: os.write(told, json.dumps(news).encode() + b"\n") and None,
    ) as writer:
        first = packet = 0
        while True:
            rows = int(rng.integers(1, 3000))
            times = np.arange(first, first + rows)
            writer.write("singles", {"time_ps": times, "detector": times.astype(np.uint32)})
            writer.write("raw", packets(packet, 1 + rows // 10))
            first, packet = first + rows, packet + 1 + rows // 10


def main() -> None:
    """Serve until stdin ends."""
    for line in sys.stdin:
        directory, seed = line.split()
        child = os.fork()
        if child == 0:
            write_for_ever(Path(directory), int(seed))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        os.waitpid(child, 0)
        sys.stdout.write("dead\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
