"""A host for simulated A5202 boards and a reader of their stream, both written from the vendor's sources alone."""

from __future__ import annotations

import hashlib
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from support_simulators import WAIT_S, Simulator

from simulators.fers.board import Board

ACQ_CTRL, RUN_MASK, TRG_MASK, T0_OUT, COMMANDS = 0x01000000, 0x01000004, 0x01000008, 0x01000014, 0x01008000
STATUS, PID, HV_ADDRESS, HV_DATA = 0x01000304, 0x01000400, 0x01000210, 0x01000214
TIME_RESET, START, STOP, TRIGGER, RESET, CLEAR, CONFIGURE_ASIC = 0x11, 0x12, 0x13, 0x14, 0x15, 0x18, 0x20
Q_OR, T_OR, PERIODIC, SOFTWARE = 1 << 2, 1 << 3, 1 << 5, 1
SPECTROSCOPY, TIMING, BOTH_MODES, COUNTING = 1, 2, 3, 4
AUTO, HIGH, LOW, BOTH = (gain << 12 for gain in range(4))
SERVICE = 3 << 18


@dataclass
class Event:
    """One event; `amplitudes`: channel -> (high, low), what did not come is None; `hits`: channel, arrival, length."""

    qualifier: int
    number: int
    ticks: int
    payload: list[int]
    amplitudes: dict[int, tuple[int | None, int | None]] = field(default_factory=dict)
    fired: set[int] = field(default_factory=set)
    hits: list[tuple[int, int, int]] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)


def read_events(data: bytes) -> list[Event]:
    """Return the events of a stream in the new framing; a part of one at the end is an error."""
    events, at = [], 0
    while at < len(data):
        start, second, low_id, high_id, low_time, high_time = struct.unpack_from("<6I", data, at)
        assert start == 0x82000000
        length = second & 0xFFFFFF
        payload = list(struct.unpack_from(f"<{length}I", data, at + 24))
        assert struct.unpack_from("<I", data, at + 24 + 4 * length) == (0xF1000000,)
        event = Event(second >> 24, high_id << 32 | low_id, high_time << 32 | low_time, payload)
        _understand(event)
        events.append(event)
        at += 28 + 4 * length
    return events


def read_old_events(data: bytes) -> list[Event]:
    """Return the events of a stream in the old framing."""
    events, at = [], 0
    while at < len(data):
        assert data[at : at + 12] == b"\x81" + bytes(11)
        qualifier, length = data[at + 12], int.from_bytes(data[at + 13 : at + 16], "big")
        number, ticks = struct.unpack_from(">QQ", data, at + 16)
        pieces = -(-4 * length // 7)
        body = data[at + 32 : at + 32 + 8 * pieces]
        assert body[::8] == bytes(pieces)
        packed = b"".join(body[k + 1 : k + 8] for k in range(0, len(body), 8))
        end = at + 32 + 8 * pieces
        assert struct.unpack_from(">II", data, end) == (0xC0000000, pieces)
        event = Event(qualifier, number, ticks, list(struct.unpack_from(f">{length}I", packed)))
        _understand(event)
        events.append(event)
        at = end + 8
    return events


def _understand(event: Event) -> None:
    kind = 0 if event.qualifier in (0x2F, 0x0F) else event.qualifier & 0xF
    words = event.payload[1:] if event.qualifier & 0x80 and kind else event.payload
    if kind & 1:
        words = _amplitudes(event, words)
    if kind & 2:
        hits = [word for word in (words if kind & 1 else words[1:]) if kind == 2 or not word >> 31]
        event.hits = [(word >> 25, word & 0xFFFF, word >> 16 & 0x1FF) for word in hits]
    if kind == 4:
        event.counts = {word >> 24: word & 0xFFFFFF for word in words}


def _amplitudes(event: Event, words: list[int]) -> list[int]:
    mask = words[0] << 32 | words[1]
    channels = [channel for channel in range(64) if mask >> channel & 1]
    if event.qualifier & 0x10:
        for channel, word in zip(channels, words[2:], strict=False):
            event.amplitudes[channel] = word & 0x3FFF, word >> 16 & 0x3FFF
            event.fired |= {channel} if word & 0x8000 else set()
        return words[2 + len(channels) :]
    count = (len(channels) + 1) // 2
    halves = [half for word in words[2 : 2 + count] for half in (word & 0xFFFF, word >> 16)]
    for channel, half in zip(channels, halves, strict=False):
        value = half & 0x3FFF
        event.amplitudes[channel] = (None, value) if half & 0x4000 else (value, None)
        event.fired |= {channel} if half & 0x8000 else set()
    return words[2 + count :]


@dataclass
class Host:
    """The two connections of one board."""

    control: socket.socket
    stream: socket.socket
    data: bytearray = field(default_factory=bytearray)

    def read(self, address: int, size: int = 4) -> bytes:
        self.control.sendall(struct.pack("<4sII", b"ABBE", address, size))
        return self._receive(size)

    def get(self, address: int) -> int:
        return int.from_bytes(self.read(address), "little")

    def put(self, address: int, value: int) -> int:
        """Write a register; return the status, 0 for done."""
        self.control.sendall(struct.pack("<4sIII", b"ABBD", address, 4, value))
        return int.from_bytes(self._receive(4), "little")

    def command(self, command: int) -> int:
        return self.put(COMMANDS, command)

    def old_get(self, address: int) -> int:
        self.control.sendall(struct.pack("<4sI", b"ABBC", address))
        return int.from_bytes(self._receive(4), "little")

    def old_put(self, address: int, value: int) -> int:
        """Write a register the old way; return the status, 0 for refused."""
        self.control.sendall(struct.pack("<4sII", b"ABBA", address, value))
        return int.from_bytes(self._receive(4), "little")

    def start(self, mode: int, triggers: int = Q_OR) -> None:
        self.put(ACQ_CTRL, mode)
        self.put(TRG_MASK, triggers)
        self.command(TIME_RESET)
        self.command(START)

    def listen(self, seconds: float) -> bool:
        """Keep what comes for so long; return False when the connection was closed."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.stream.settimeout(left)
            try:
                chunk = self.stream.recv(1 << 20)
            except TimeoutError:
                return True
            except ConnectionResetError:
                return False
            if not chunk:
                return False
            self.data += chunk
        return True

    def collect(self, size: int) -> bytes:
        """Return the stream up to a size, within a deadline."""
        until = time.monotonic() + WAIT_S
        while len(self.data) < size and time.monotonic() < until:
            self.listen(0.05)
        return bytes(self.data)

    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def _receive(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            chunk = self.control.recv(size - len(got))
            assert chunk, "the board closed the control connection"
            got += chunk
        return got


@contextmanager
def host_of(server: Simulator, board: int = 0) -> Iterator[Host]:
    places = [place_of(server, name, board) for name in ("control", "stream")]
    with socket.create_connection(places[0], WAIT_S) as control, socket.create_connection(places[1], WAIT_S) as stream:
        yield Host(control, stream)


def place_of(server: Simulator, name: str, board: int = 0) -> tuple[str, int]:
    url = server.ready["endpoints"][f"{name}-{board}" if board else name]
    host, port = url.removeprefix("tcp://").split(":")
    return host, int(port)


class WriteFaults:
    """Faults of writes that always happen, by name."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def refused(self) -> bool:
        return "refuse" in self.names

    def stuck(self) -> bool:
        return "stuck" in self.names

    def asic_damaged(self) -> bool:
        return "asic" in self.names


class Clock:
    """Time for a bias supply, set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def put(board: Board, address: int, value: int) -> int:
    return board.write(address, struct.pack("<I", value))
