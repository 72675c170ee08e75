"""Drives the vendor's `daqd` and `write_raw`, unmodified, against our front end: run as a script, as root.

    python tests/support_daqd.py FOLDER-OF-PROGRAMS OUTPUT-FOLDER FRAMES -- options of the simulator

Everything happens in a network and mount namespace of its own, for `daqd` talks to 192.168.1.25:2000 and keeps its
frames in /dev/shm. The last line on stdout is JSON: what `write_raw` and the simulator say.

Protocol of the socket: PETsys `sw_daq_tofpet2` 194662e, `src/daqd/Protocol.hpp`, `src/daqd/Client.cpp`; of the pipe:
`src/raw_data/write_raw.cpp`.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ADDRESS = "192.168.1.25"
PORT = 2000
SLOTS = 16 * 1024
SLOT_BYTES = 8196 * 8
WAIT_S = 30.0
REGISTERS = 0x00
SYNC, ASIC_ENABLE = 0x0201, 0x0318
ROOT = Path(__file__).parent.parent
SHARED = Path("/dev/shm")  # noqa: S108 - where shm_open puts what daqd asks for


class Daqd:
    """A client of its socket, and its ring of frames in shared memory."""

    def __init__(self, path: Path) -> None:
        self._socket = _connected(path)
        self._serial = 0
        length, frame_bytes, *_ = struct.unpack("@HQQQ", self._ask(0x02, b"", 32))
        assert frame_bytes == SLOT_BYTES
        self.name = self._receive(length - 32).decode()
        with (SHARED / self.name.strip("/")).open("rb") as shared:
            self._ring = mmap.mmap(shared.fileno(), 0, prot=mmap.PROT_READ)

    def acquire(self, *, on: bool) -> None:
        self._ask(0x01, struct.pack("@H", on), 2)

    def pointers(self) -> tuple[int, int]:
        _, write, read, acquiring = struct.unpack("@HIII", self._ask(0x03, b"", 16))
        assert acquiring
        return write, read

    def release(self, pointer: int) -> None:
        self._ask(0x04, struct.pack("@I", pointer), 4)

    def write_register(self, address: int, data: bytes) -> None:
        """Send a command through daqd to the front end, and demand the answer."""
        self._serial += 1
        header = bytes(2) + self._serial.to_bytes(16, "little") + bytes([REGISTERS])
        (length,) = struct.unpack(
            "@H", self._ask(0x05, header + struct.pack("<BHH", 1, len(data) - 1, address) + data, 2)
        )
        assert self._receive(length)[17:] == b"\0"

    def frame_id(self, pointer: int) -> int:
        (word,) = struct.unpack_from("<Q", self._ring, pointer % SLOTS * SLOT_BYTES)
        return int(word) & (1 << 36) - 1

    def _ask(self, kind: int, payload: bytes, answer: int) -> bytes:
        self._socket.sendall(struct.pack("@HH", kind, 4 + len(payload)) + payload)
        return self._receive(answer)

    def _receive(self, size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            assert part, "daqd hung up"
            parts += part
        return parts


def _connected(path: Path) -> socket.socket:
    """Connect as soon as daqd listens there."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(WAIT_S)
            client.connect(str(path))
        except OSError:
            client.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return client


def take(daqd: Daqd, writer: subprocess.Popen[bytes], last_frame: int) -> dict[str, int]:
    """Hand frames from daqd to write_raw until one is as late as `last_frame`."""
    asks, answers = writer.stdin, writer.stdout
    assert asks
    assert answers
    kind, said = 0, {"frames": 0, "frames_lost": 0, "events": 0}
    deadline = time.monotonic() + 4 * WAIT_S
    while True:
        assert time.monotonic() < deadline, said
        write, read = daqd.pointers()
        if write == read:
            time.sleep(0.001)
            continue
        count = min((write - read) % (2 * SLOTS), SLOTS // 2)
        pointer, said = _block(asks, answers, (read + count) % (2 * SLOTS), read, kind)
        kind = 1
        seen = daqd.frame_id((pointer - 1) % (2 * SLOTS))
        daqd.release(pointer)
        if seen >= last_frame:
            return _block(asks, answers, pointer, pointer, 2)[1]


def _block(asks: IO[bytes], answers: IO[bytes], write: int, read: int, kind: int) -> tuple[int, dict[str, int]]:
    asks.write(struct.pack("@ffIIi", 0.0, 0.0, write, read, kind))
    asks.flush()
    (pointer,) = struct.unpack("@I", answers.read(4))
    frames, lost, events = struct.unpack("@qqq", answers.read(24))
    return pointer, {"frames": frames, "frames_lost": lost, "events": events}


@contextmanager
def program(*command: object, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    with subprocess.Popen([str(part) for part in command], **options) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(WAIT_S)


def drive(programs: Path, output: Path, frames: int, simulator_options: list[str]) -> dict[str, Any]:
    truth, door = output / "truth.json", output / "d.sock"
    simulate = [sys.executable, "-m", "simulators", "petsys-gbe", "--host", ADDRESS, "--port", f"udp={PORT}"]
    with program(*simulate, "--truth", truth, *simulator_options, stdout=subprocess.PIPE, text=True, cwd=ROOT) as front:
        assert front.stdout
        assert json.loads(front.stdout.readline())["ready"]
        with (output / "daqd.log").open("w") as log:
            serve = [programs / "daqd", "--daq-type", "GBE", "--socket-name", door]
            with program(*serve, stdout=log, stderr=log):
                said = _record(programs, output, door, frames)
        deadline = time.monotonic() + WAIT_S
        while not truth.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
    return {"write_raw": said, "truth": json.loads(truth.read_text())}


def _record(programs: Path, output: Path, door: Path, frames: int) -> dict[str, int]:
    daqd = Daqd(door)
    daqd.acquire(on=True)
    daqd.write_register(ASIC_ENABLE, b"\xff" * 8)
    daqd.write_register(SYNC, b"\1")
    daqd.write_register(SYNC, b"\0")
    write = [programs / "write_raw", daqd.name, output / "run", 200_000_000, "qdc", "0.0", 0, "N", -1, "T"]
    with (
        (output / "write_raw.log").open("w") as log,
        program(*write, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as writer,
    ):
        said = take(daqd, writer, frames)
        assert writer.stdin
        writer.stdin.close()
        writer.wait(WAIT_S)
    daqd.write_register(ASIC_ENABLE, bytes(8))
    daqd.acquire(on=False)
    return said


def isolate() -> None:
    """Begin again in a network with the front end's address, and with a /dev/shm of its own."""
    if os.environ.get("SCANDAQ_ISOLATED"):
        return
    script = (
        f"ip link set lo up && ip address add {ADDRESS}/32 dev lo && mount -t tmpfs tmpfs /dev/shm"
        ' && SCANDAQ_ISOLATED=1 exec "$@"'
    )
    os.execvp("unshare", ["unshare", "-n", "-m", "sh", "-c", script, "sh", sys.executable, *sys.argv])  # noqa: S606, S607


if __name__ == "__main__":
    isolate()
    folder, target, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(drive(folder, target, count, sys.argv[5:])))
