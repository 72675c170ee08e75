"""Simulators as processes, and a receiver of the native framing that keeps everything it hears."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support_sequence import SequenceTracker

from daq.wire.native import Datagram, NativeFlag, decode, request
from simulators.__main__ import main

ROOT = Path(__file__).parent.parent
WAIT_S = 20.0


@dataclass
class Simulator:
    process: subprocess.Popen[str]
    ready: dict[str, Any]

    def address(self, name: str) -> tuple[str, int]:
        host, port = self.ready[name].removeprefix(f"{name}://").split(":")
        return host, int(port)

    def finish(self) -> tuple[int, str]:
        """Wait until it ends by itself, or after SIGTERM; return exit code and stderr."""
        _, errors = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, errors

    def terminate(self) -> tuple[int, str]:
        self.process.terminate()
        return self.finish()


def command(*options: object) -> list[str]:
    return [sys.executable, "-m", "simulators", *map(str, options)]


@contextmanager
def simulator(*options: object) -> Iterator[Simulator]:
    with subprocess.Popen(
        command(*options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate(timeout=WAIT_S)[1]
            yield Simulator(process, json.loads(line))
        finally:
            if process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=5)
                process.kill()


def refused_process(*options: object) -> tuple[int, str]:
    """Return exit code and stderr of a simulator that must not start; stdout must be empty."""
    done = subprocess.run(command(*options), capture_output=True, text=True, timeout=WAIT_S, cwd=ROOT, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


def refused(*options: object) -> tuple[int, str]:
    """The same within this process, which is twenty times quicker."""
    output, errors = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(output), redirect_stderr(errors), chdir(ROOT):
            code = main([str(option) for option in options])
    except SystemExit as left:
        code = int(str(left.code))
    assert output.getvalue() == ""
    return code, errors.getvalue()


@dataclass
class Received:
    datagrams: list[Datagram] = field(default_factory=list)
    arrival_s: list[float] = field(default_factory=list)
    trackers: dict[int, SequenceTracker] = field(default_factory=dict)

    def of(self, flag: NativeFlag) -> list[Datagram]:
        return [datagram for datagram in self.datagrams if datagram.header.flags & flag]

    def words(self, source: int) -> bytes:
        """Return the words of a source in their order."""
        rows = [d for d in self.datagrams if d.header.source == source and d.whole_words]
        return b"".join(bytes(d.payload) for d in sorted(rows, key=lambda d: d.header.first_word_index))

    def sha256(self, source: int) -> str:
        return hashlib.sha256(self.words(source)).hexdigest()

    @property
    def gap(self) -> int:
        return sum(tracker.gap for tracker in self.trackers.values())

    @property
    def duplicates(self) -> int:
        return sum(tracker.duplicates for tracker in self.trackers.values())


def udp_socket() -> socket.socket:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    udp.bind(("127.0.0.1", 0))
    udp.settimeout(WAIT_S)
    return udp


def receive(udp: socket.socket, word_bytes: int, *, sources: int = 1) -> Received:
    """Receive until the third end packet of every source."""
    got = Received()
    while len(got.of(NativeFlag.END)) < 3 * sources:
        datagram = decode(udp.recv(2048), word_bytes)
        header = datagram.header
        got.datagrams.append(datagram)
        got.arrival_s.append(time.monotonic())
        tracker = got.trackers.setdefault(header.source, SequenceTracker())
        if header.flags & (NativeFlag.HEARTBEAT | NativeFlag.END):
            tracker.counter(header.first_word_index, end=bool(header.flags & NativeFlag.END))
        else:
            start = bool(header.flags & NativeFlag.START)
            tracker.seen(header.first_word_index, datagram.whole_words, start=start)
    return got


def subscribe(server: Simulator, word_bytes: int, *, sources: int = 1) -> Received:
    with udp_socket() as udp:
        udp.sendto(request(), server.address("udp"))
        return receive(udp, word_bytes, sources=sources)


def read_tcp(server: Simulator) -> bytes:
    with socket.create_connection(server.address("tcp"), timeout=WAIT_S) as connection:
        parts = []
        while part := connection.recv(1 << 20):
            parts.append(part)
    return b"".join(parts)


def truth_of(path: Path, *, run: int = 1) -> dict[str, Any]:
    """Return the truth file once it speaks of run number `run`."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if path.exists():
            truth: dict[str, Any] = json.loads(path.read_text())
            if truth["run"] >= run:
                return truth
        time.sleep(0.01)
    raise AssertionError(f"no truth of run {run} in {path}")


def petlink_words(milliseconds: int, per_millisecond: int) -> bytes:
    """Return PETLINK words: every millisecond a time word, then prompts with rising bin addresses."""
    words = []
    for ms in range(milliseconds):
        words.append(0x8000_0000 | ms)
        words += [0x4000_0000 | (ms * per_millisecond + i) for i in range(per_millisecond)]
    return b"".join(word.to_bytes(4, "little") for word in words)
