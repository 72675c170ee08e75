"""Words of singles that make pairs, sent by several sources in disorder; recordings of them with their pairs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from support_recording import EPOCH_TICKS, MS, SINGLES, Script, packet

from daq.model.coincidence import PairingRule
from daq.model.processing import Processing, StoredSingles
from daq.model.windows import EnergyWindow
from daq.pipeline.pairing import Pairer
from daq.storage.reader import open_listmode
from device_profiles.calibrations import identity_calibration
from device_profiles.scanners import load_scanner

_RING = load_scanner("reference-ring").ring
assert _RING is not None
RING = _RING
TICKS_PER_MS = 40_960_000
RULE = PairingRule(half_window_ps=4000, delay_ps=60_000, ring=RING, windows=("peak",))
PEAK, LOW = EnergyWindow(400, 600, "peak"), EnergyWindow(100, 420, "low")
Row = dict[str, Any]


def processing(
    rule: PairingRule | None = RULE, *, singles: StoredSingles = "all", windows: Sequence[EnergyWindow] = (PEAK, LOW)
) -> Processing:
    from datetime import UTC, datetime

    identity = identity_calibration("singles64", at=datetime(2026, 11, 23, tzinfo=UTC), why="a test")
    return Processing(calibration=identity, windows=tuple(windows), pairing=rule, singles=singles)


def traffic(seed: int, packets: int = 60, sources: int = 3) -> tuple[list[bytes], list[int]]:
    """Return datagrams of decays seen by two sources each, with randoms, triples, disorder within and beyond the bound.

    Now and then one of the clocks begins anew, a datagram is lost or comes twice.
    """
    draw = random.Random(seed)
    waiting: list[list[tuple[int, int, int]]] = [[] for _ in range(sources)]
    datagrams: list[bytes] = []
    arrivals: list[int] = []
    position = [0] * sources
    now_ms, base = 0.0, 0
    for _ in range(packets):
        now_ms += draw.choice([0.1, 0.5, 1.0, 2.0])
        if draw.random() < 0.01:
            base = int(now_ms * TICKS_PER_MS)
        for _ in range(draw.randint(0, 3)):
            _decay(draw, waiting, int(now_ms * TICKS_PER_MS) - base)
        source = draw.randrange(sources)
        held = waiting[source]
        waiting[source] = [] if draw.random() < 0.8 else held[len(held) // 2 :]
        words = _words(held[: len(held) - len(waiting[source])])
        sent = packet(source, position[source] + draw.choice([0] * 30 + [2]), words)
        position[source] += len(words)
        for _ in range(draw.choice([1] * 20 + [2])):
            datagrams.append(sent)
            arrivals.append(10**15 + int(now_ms * 1e7) + len(arrivals))
    return datagrams, arrivals


def _decay(draw: random.Random, waiting: list[list[tuple[int, int, int]]], tick: int) -> None:
    detector = draw.randrange(16384)
    for photon in range(draw.choice([1, 2, 2, 2, 3])):
        where = (detector + photon * 256) % 16384 if draw.random() < 0.8 else draw.randrange(16384)
        late = draw.choice([0, 0, 0, 2458])  # 60 ns: the delayed window
        energy = draw.choice([511, 511, 511, 380, 410, 50])
        waiting[where * len(waiting) // 16384].append((max(0, tick + draw.randint(0, 160) + late), where, energy))


def _words(singles: list[tuple[int, int, int]]) -> list[int]:
    words: list[int] = []
    for tick, detector, energy in singles:
        epoch, within = divmod(tick, EPOCH_TICKS)
        words += [1 << 63 | epoch, within | energy << 24 | detector << 36]
    return words


def script(seed: int, **changes: Any) -> Script:
    return Script(*traffic(seed), **{"processing": processing(), **changes})


def stored(folder: Path, stream: str) -> list[Row]:
    with open_listmode(folder) as recording:
        return [row for batch in recording.batches(stream) for row in batch.to_pylist()]


def paired_offline(folder: Path, rule: PairingRule = RULE, mask: int = 1) -> list[Row]:
    """Return the pairs of the stored singles, all pushed at once but where the host flushed or shed."""
    with open_listmode(folder) as recording:
        table = recording.table("singles")
    pairer = Pairer(rule, window_mask=mask)
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    blocks = [pairer.push(columns), pairer.flush()]
    rows = {name: np.concatenate([block[name] for block in blocks]).tolist() for name in blocks[0]}
    return [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]


__all__ = ["MS", "RULE", "SINGLES", "paired_offline", "processing", "script", "stored", "traffic"]
