"""Accounting for packets: the compiled tracker against one in Python; in order, with loss, reordering and copies.

Both get the same packets of 64 sources and must agree on every figure before any time is printed. CPU time of one
thread. The Python tracker is the one the tests hold the compiled one against, called for numbered words alone: a lower
bound of what accounting in Python costs. The accounts in Python that were there before took 14 us per packet in order,
15 us with 5 % overtaken and 18 us with 5 % lost, in a run of these slices in which the compiled ones took 25, 31 and
31 ns, beside other load.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import Row, interleaved
from daq.model.packets import Packets
from daq.storage.accounts import Accounts

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from support_sequence import SequenceTracker

PACKETS = 1 << 16
SLICE = 4096
"""Packets per call: 4 ms at a million packets per second."""
SOURCES = 64
WORDS = 182
WORD_BYTES = 8
FLOOR, AIM = 20.0, 50.0


def run() -> list[Row]:
    """Return the rows of the table."""
    rng = np.random.default_rng(7)
    whole = np.arange(PACKETS)
    kept = whole[rng.random(PACKETS) >= 0.05]
    delay = np.where(rng.random(PACKETS) < 0.05, rng.integers(1, 40, PACKETS) * SOURCES, 0)
    doubled = np.sort(np.concatenate([whole, rng.choice(whole, PACKETS // 20)]))
    orders = {
        "in order": whole,
        "5 % lost": kept,
        "5 % overtaken": np.argsort(whole + delay, kind="stable"),
        "5 % doubled": doubled,
    }
    return [measured(what, sent) for what, sent in orders.items()] + [by_call()]


def measured(what: str, sent: npt.NDArray[np.int64]) -> Row:
    """Return the row of packets that arrive as `sent`, the numbers of packets in order of arrival."""
    slices = sliced(sent, SLICE)
    numbers = (sent % SOURCES).tolist(), (sent // SOURCES * WORDS).tolist()
    compiled, python = accounted(slices), in_python(*numbers)
    for row, source in enumerate(compiled.source_numbers.tolist()):
        tracker = python[source]
        if (tracker.received, tracker.gap) != (int(compiled.received[row]), int(compiled.gap[row])):
            raise AssertionError(f"{what}, source {source}: the accounts differ")
    median = interleaved({"compiled": lambda: accounted(slices), "python": lambda: in_python(*numbers)}, rounds=7)
    spent = {name: seconds / len(sent) * 1e9 for name, seconds in median.items()}
    return Row(
        f"account, {what}, compiled / Python",
        f"{spent['compiled']:.0f} / {spent['python']:.0f} ns/packet",
        median["python"] / median["compiled"],
        FLOOR,
        AIM,
    )


def by_call() -> Row:
    """Return what one call costs, whatever it brings: 1 packet at a time."""
    slices = sliced(np.arange(4096), 1)
    median = interleaved({"calls": lambda: accounted(slices)}, rounds=7)
    return Row("account, per call of one packet", f"{median['calls'] / len(slices) * 1e6:.1f} us")


def accounted(slices: list[Packets]) -> Accounts:
    accounts = Accounts("native", WORD_BYTES, "word")
    for packets in slices:
        accounts.account(packets)
    return accounts


def in_python(sources: list[int], sequences: list[int]) -> dict[int, SequenceTracker]:
    trackers = {source: SequenceTracker() for source in range(SOURCES)}
    for source, sequence in zip(sources, sequences, strict=True):
        trackers[source].seen(sequence, WORDS)
    return trackers


def sliced(sent: npt.NDArray[np.int64], size: int) -> list[Packets]:
    """Return the packets in slices as the readout hands them on."""
    count = len(sent)
    source, sequence = (sent % SOURCES).astype(np.uint16), (sent // SOURCES * WORDS).astype(np.uint64)
    length = np.full(count, WORDS * WORD_BYTES, np.int64)
    offset, header = np.cumsum(length) - length, np.zeros((count, 16), np.uint8)
    flags, arrival_ns, data = np.zeros(count, np.uint8), np.zeros(count, np.int64), np.empty(0, np.uint8)
    parts = [slice(start, start + size) for start in range(0, count, size)]
    return [
        Packets(
            data, offset[part], length[part], source[part], sequence[part], arrival_ns[part], flags[part], header[part]
        )
        for part in parts
    ]
