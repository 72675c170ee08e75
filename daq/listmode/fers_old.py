"""Events of the old protocol of FERS-5200 boards, written as the new one has them, to be decoded like those."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from daq.model import fers as f
from daq.model.packets import Packets

Bytes = npt.NDArray[np.uint8]


def is_old(packets: Packets) -> bool:
    """Return whether any run of whole events is of the old protocol."""
    for offset, length in zip(packets.offset.tolist(), packets.length.tolist(), strict=True):
        if length and int(packets.data[offset]) == f.OLD_START:
            return True
    return False


def as_new(packets: Packets) -> Packets:
    """Return the same runs of events, all of the new protocol, in memory of their own."""
    runs = [_run(packets.data[at : at + size]) for at, size in zip(packets.offset, packets.length, strict=True)]
    length = np.array([len(run) for run in runs], np.int64)
    data = np.concatenate([*runs, np.empty(0, np.uint8)])
    data.flags.writeable = False
    return Packets(
        data, np.cumsum(length) - length, length, packets.source, packets.sequence, packets.arrival_ns, packets.flags,
        packets.header,
    )  # fmt: skip


def _run(run: Bytes) -> Bytes:
    """Return a run of events as the new protocol has it; those of one size that follow each other all at once."""
    if not len(run) or int(run[0]) != f.OLD_START:
        return run
    found = [np.empty(0, np.uint8)]
    for words, events in groupby(_events(run.tobytes()), key=itemgetter(1)):
        starts = [at for at, _ in events]
        size = _size(words)
        found.append(_as_new(run[starts[0] : starts[-1] + size].reshape(len(starts), size), words))
    return np.concatenate(found)


def _events(run: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each whole event begins, and the words of its payload."""
    at = 0
    while at + f.OLD_HEADER_BYTES <= len(run):
        words = run[at + 14] << 8 | run[at + 15]
        end = at + _size(words)
        if end > len(run):
            return
        yield at, words
        at = end


def _size(words: int) -> int:
    groups = -(-words * f.WORD_BYTES // f.OLD_PAYLOAD_BYTES)
    return f.OLD_HEADER_BYTES + (groups + 1) * f.OLD_GROUP_BYTES


def _as_new(events: Bytes, words: int) -> Bytes:
    """Return events of one size, uint8 [events, bytes], as bytes of the new protocol."""
    count = len(events)
    header = np.ascontiguousarray(events[:, : f.OLD_HEADER_BYTES]).view(">u4")
    groups = events[:, f.OLD_HEADER_BYTES : -f.OLD_GROUP_BYTES].reshape(count, -1, f.OLD_GROUP_BYTES)
    payload = np.ascontiguousarray(groups[:, :, 1:]).reshape(count, -1)[:, : words * f.WORD_BYTES]
    new = np.empty((count, f.HEADER_WORDS + words + 1), "<u4")
    new[:, 0], new[:, 1] = f.START, events[:, 12].astype(np.uint32) << 24 | words
    new[:, 2], new[:, 3], new[:, 4], new[:, 5] = header[:, 5], header[:, 4], header[:, 7], header[:, 6]
    new[:, f.HEADER_WORDS : -1] = np.ascontiguousarray(payload).view(">u4")
    new[:, -1] = f.END
    return new.reshape(-1).view(np.uint8)
