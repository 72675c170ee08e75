"""The bounded hand-over between the receiving thread and the processing thread, sized in bytes."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from daq.model.packets import Flag, Packets

_HEADER_BYTES = 64
"""What a packet costs beside its data: offsets, times, header."""


class PacketBuffer:
    """Runs of packets, at most `limit_bytes` of them, and half as much again of headers whose data found no room.

    A run that finds no room may be handed over without its data, so that what it carried is counted, not forgotten.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._runs: deque[Packets] = deque()
        self._condition = threading.Condition()
        self._closed = False
        self.held_bytes = 0
        self.high_water_bytes = 0

    def put_or_drop(self, packets: Packets, *, wait_s: float) -> bool:
        """Hand over a run at once; where there is no room, its headers alone.

        False when there was no room for those either, within `wait_s`: the caller still has the run, and must not take
        more. Then the kernel drops what comes, and the numbers in later packets tell.
        """
        with self._condition:
            if not self._has_room(packets):
                packets = _without_data(packets)
                most = self._limit + self._limit // 2
                if not self._condition.wait_for(lambda: self._has_room(packets, most), wait_s):
                    return False
            self._append(packets)
        return True

    def put_if_room(self, packets: Packets, *, wait_s: float) -> bool:
        """Hand over a run as soon as there is room, within `wait_s`; False: the caller still has it."""
        with self._condition:
            room = self._condition.wait_for(lambda: self._has_room(packets), wait_s)
            if room:
                self._append(packets)
        return room

    def get(self, wait_s: float) -> Packets | None:
        """Return the next run; None when nothing came within `wait_s`."""
        with self._condition:
            if not self._condition.wait_for(lambda: bool(self._runs) or self._closed, wait_s) or not self._runs:
                return None
            packets = self._runs.popleft()
            self.held_bytes -= _size(packets)
            self._condition.notify_all()
            return packets

    def close(self) -> None:
        """Say that nothing more will come."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _has_room(self, packets: Packets, limit: int | None = None) -> bool:
        return not self._runs or self.held_bytes + _size(packets) <= (limit or self._limit)

    def _append(self, packets: Packets) -> None:
        self._runs.append(packets)
        self.held_bytes += _size(packets)
        self.high_water_bytes = max(self.high_water_bytes, self.held_bytes)
        self._condition.notify_all()

    @property
    def drained(self) -> bool:
        """True when nothing more will come and everything was taken."""
        with self._condition:
            return self._closed and not self._runs


def _size(packets: Packets) -> int:
    return packets.data.nbytes + _HEADER_BYTES * len(packets)


def _without_data(packets: Packets) -> Packets:
    """Return the headers of packets flagged `DROPPED`; `length` still says what they carried."""
    return Packets(
        packets.data[:0], np.zeros_like(packets.offset), packets.length, packets.source, packets.sequence,
        packets.arrival_ns, packets.flags | np.uint8(Flag.DROPPED), packets.header,
    )  # fmt: skip
