"""Polls of a pulse height analyser, made without the product's own code, and a client of the board that has none."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence

import numpy as np

BINS = 4096
POLL_BYTES = 36 + 4 * BINS
CLOCK_HZ = 125_000_000


def poll(clocks: int, counts: dict[int, int]) -> bytes:
    """Return a poll of input 0."""
    bins = bytearray(4 * BINS)
    for number, count in counts.items():
        struct.pack_into("<I", bins, 4 * number, count)
    return struct.pack("<4QI", clocks, 0, 0, 0, 0) + bytes(bins)


class Client:
    """Speaks to `mcpha-server` as its page says: commands of 8 bytes, answers to two of them."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=10)

    def send(self, code: int, value: int = 0, number: int = 0) -> None:
        self.socket.sendall(struct.pack("<Q", code << 56 | number << 52 | value))

    def timers(self) -> Sequence[int]:
        self.send(11)
        return struct.unpack("<4QI", self._exactly(36))[:4]

    def histogram(self, number: int = 0) -> np.ndarray:
        self.send(12, number=number)
        return np.frombuffer(self._exactly(4 * BINS), "<u4")

    def acquire(self, seconds: float) -> np.ndarray:
        """Count for a time that the board itself keeps, and return the histogram."""
        for code, value in ((0, 0), (1, 0), (4, 4), (5, 0), (6, 100), (7, 50), (8, 4095)):
            self.send(code, value)
        self.send(9, round(seconds * CLOCK_HZ))
        self.send(10, 1)
        give_up = time.monotonic() + 10 * seconds + 10
        while self.timers()[0] < round(seconds * CLOCK_HZ):
            assert time.monotonic() < give_up
            time.sleep(0.02)
        return self.histogram()

    def close(self) -> None:
        self.socket.close()

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            chunk = self.socket.recv(size - len(found))
            assert chunk
            found += chunk
        return found
