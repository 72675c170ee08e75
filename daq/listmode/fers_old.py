"""Events of the old protocol of FERS-5200 boards, written as the new one has them, to be decoded like those."""

from __future__ import annotations

from typing import Any

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
    if not len(run) or int(run[0]) != f.OLD_START:
        return run
    events: list[Any] = []
    at = 0
    while at + f.OLD_HEADER_BYTES <= len(run):
        words = int(run[at + 14]) << 8 | int(run[at + 15])
        groups = -(-words * f.WORD_BYTES // f.OLD_PAYLOAD_BYTES)
        end = at + f.OLD_HEADER_BYTES + groups * f.OLD_GROUP_BYTES + f.OLD_GROUP_BYTES
        if end > len(run):
            break
        events.append(_event(run[at:end], words))
        at = end
    return np.concatenate([*events, np.empty(0, np.uint8)])


def _event(event: Bytes, words: int) -> Bytes:
    """Return one event as the new protocol has it."""
    header = event[: f.OLD_HEADER_BYTES].view(">u4")
    body = event[f.OLD_HEADER_BYTES : -f.OLD_GROUP_BYTES].reshape(-1, f.OLD_GROUP_BYTES)[:, 1:]
    payload = np.ascontiguousarray(body).reshape(-1)[: words * f.WORD_BYTES].view(">u4")
    new = np.empty(f.HEADER_WORDS + words + 1, "<u4")
    new[0], new[1] = f.START, int(event[12]) << 24 | words
    new[2], new[3], new[4], new[5] = header[5], header[4], header[7], header[6]
    new[f.HEADER_WORDS : -1] = payload
    new[-1] = f.END
    return new.view(np.uint8)
