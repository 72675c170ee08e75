"""A board that sends events as fast as they are taken, or at a rate: a process beside the benchmark.

`python -m benchmarks.fersboard --events N --bytes 292` prints its addresses as JSON, answers commands as a board does,
and sends when it is started: the same light again and again, trigger ids and time stamps going on.
"""

from __future__ import annotations

import argparse
import json
import socket
import threading
import time

import numpy as np

from daq.model import fers as f
from daq.wire.fers import READ_MEMORY, Command, Register, Request, Status, parse_request
from daq.wire.fers_events import spectroscopy_events
from device_profiles.scanners import load_scanner
from simulators.camera.light import amplitudes

BLOCK = 1 << 14
SCANNER = "fers-compact-camera"
SERIAL = 4711
ENERGY_KEV = 140.5
_CLOCKS_BETWEEN = 100
_EDGE_MM = 75.0
_LOW_GAIN = 10


def light(seed: int = 1, energy_kev: float = ENERGY_KEV) -> np.ndarray:
    """Return codes of a flood, uint16 [BLOCK, 64]."""
    head = load_scanner(SCANNER).heads[0]
    assert head.sensors is not None
    assert head.crystal is not None
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-_EDGE_MM, _EDGE_MM, (2, BLOCK))
    return amplitudes(x, y, np.full(BLOCK, energy_kev), head.sensors, crystal=head.crystal, seed=seed)


def blocks(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a block of events of `size` bytes each as bytes, and the same memory as words [BLOCK, words]."""
    high = light()
    low = (high // _LOW_GAIN).astype(np.uint16) if size == 292 else None
    nothing = np.zeros(BLOCK, np.int64)
    data = np.ascontiguousarray(spectroscopy_events(nothing, nothing, high, low)).reshape(BLOCK, size)
    return data, data.view(np.uint32)


class Board:
    """Answers commands; sends when started."""

    def __init__(self, events: int, size: int, rate: float | None) -> None:
        self._data, self._words = blocks(size)
        self._events, self._rate = events, rate
        self._registers = {
            int(Register.FW_REV): 0x0601, int(Register.FERS_CODE): 5202, int(Register.PID): SERIAL,
            int(Register.ACQ_STATUS): int(Status.READY),
        }  # fmt: skip
        self._started, self._stopped = threading.Event(), threading.Event()
        self.control = socket.create_server(("127.0.0.1", 0))
        self.stream = socket.create_server(("127.0.0.1", 0))
        self.sent, self.late_s = 0, 0.0

    def answer(self) -> None:
        """Answer commands until the host hangs up."""
        peer, _ = self.control.accept()
        kept = b""
        with peer:
            while chunk := peer.recv(1 << 16):
                kept += chunk
                while True:
                    request, used = parse_request(kept)
                    if request is None:
                        break
                    kept = kept[used:]
                    peer.sendall(self._reply(request))
        self._stopped.set()

    def _reply(self, request: Request) -> bytes:
        if request.code == READ_MEMORY:
            return self._registers.get(request.address, 0).to_bytes(4, "little")
        value = int.from_bytes(request.data, "little")
        if request.address != Register.COMMANDS:
            self._registers[request.address] = value
        elif value == Command.ACQ_START:
            self._registers[Register.ACQ_STATUS] = int(Status.READY | Status.RUNNING)
            self._started.set()
        elif value == Command.ACQ_STOP:
            self._registers[Register.ACQ_STATUS] = int(Status.READY)
        return bytes(4)

    def send(self) -> None:
        """Send all events once started."""
        peer, _ = self.stream.accept()
        self._started.wait()
        began_s = time.monotonic()
        numbers = np.arange(BLOCK, dtype=np.uint64)
        with peer:
            while self.sent < self._events and not self._stopped.is_set():
                ids = numbers + np.uint64(self.sent)
                clocks = ids * np.uint64(_CLOCKS_BETWEEN if not self._rate else int(1e12 / self._rate / f.CLOCK_PS))
                for column, values in ((2, ids), (4, clocks)):
                    self._words[:, column] = values & np.uint64(0xFFFFFFFF)
                    self._words[:, column + 1] = values >> np.uint64(32)
                self._pace(peer, began_s)
                self.sent += BLOCK
            self._stopped.wait()

    def _pace(self, peer: socket.socket, began_s: float) -> None:
        """Send a block; at a rate in pieces of a few ms."""
        pieces = np.array_split(self._data, 1 if not self._rate else 64)
        done = self.sent
        for piece in pieces:
            try:
                peer.sendall(piece.data.cast("B"))
            except OSError:  # the host has what it wanted
                self._stopped.set()
                return
            done += len(piece)
            if self._rate:
                ahead_s = done / self._rate - (time.monotonic() - began_s)
                self.late_s = max(self.late_s, -ahead_s)
                time.sleep(max(ahead_s, 0.0))


def main() -> None:
    """Be a board for one run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--bytes", type=int, choices=(164, 292), default=292)
    parser.add_argument("--rate", type=float)
    options = parser.parse_args()
    board = Board(options.events, options.bytes, options.rate)
    control, stream = (each.getsockname()[1] for each in (board.control, board.stream))
    print(json.dumps({"url": f"tcp://127.0.0.1:{stream}?control={control}"}), flush=True)
    threads = [threading.Thread(target=each, daemon=True) for each in (board.answer, board.send)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"events": board.sent, "late_ms": 1e3 * board.late_s}), flush=True)


if __name__ == "__main__":
    main()
