"""Plans for readouts inside the test's own process, and readouts that run in a thread."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daq.composition import new_manifest
from daq.model.stop import parse_stop
from daq.readout.plan import CONTROL, LAST_STATUS, Plan, parse_source
from daq.readout.process import Readout
from daq.storage.listing import load_manifest
from daq.storage.manifest import Manifest
from daq.wire.native import Header, NativeFlag, encode
from device_profiles.load import load_profile
from device_profiles.schema import InstrumentProfile

PETLINK = load_profile("siemens-petlink32")
WAIT_S = 60.0
_SOL_UDP = 17
_UDP_SEGMENT = 103


def plan_of(folder: Path, *urls: str, stop: str = "end", profile: InstrumentProfile = PETLINK, **changes: Any) -> Plan:
    """Return a plan that records into `folder / "run"`; its control socket is in `folder`."""
    return Plan(
        directory=str(folder / "run"),
        manifest=new_manifest(profile, identity="run", source=", ".join(urls), stop=stop, simulated=True),
        layout=profile.layout,
        clock=profile.clock,
        unit=profile.counting_unit,
        sources=tuple(map(parse_source, urls)),
        datagram_framing=changes.pop("datagram_framing", profile.transport.datagram_framing or "none"),
        stop=parse_stop([stop]),
        control=str(folder / CONTROL),
        **{"connect_s": 5.0, "stall_s": 5.0, "hash_segments": False, "buffer_bytes": 16 << 20, **changes},
    )


@dataclass
class Running:
    """A readout in a thread; what it returned is in `code` once it has ended."""

    readout: Readout
    folder: Path
    thread: threading.Thread
    code: list[int] = field(default_factory=list)

    def finish(self) -> int:
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive(), self.readout.status()
        return self.code[0]

    @property
    def last_status(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / LAST_STATUS).read_text()))


@contextmanager
def running(plan: Plan) -> Iterator[Running]:
    """Run the plan in a thread; at the end ask it to stop and wait for it."""
    readout = Readout(plan)
    code: list[int] = []
    thread = threading.Thread(target=lambda: code.append(readout.run()), name="readout")
    started = Running(readout, Path(plan.control).parent, thread, code)
    thread.start()
    try:
        yield started
    finally:
        readout.request_stop()
        thread.join(WAIT_S)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds, or fail naming `what`."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {WAIT_S} s for: {what}"
        time.sleep(0.01)


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class FrontEnd:
    """Pushes datagrams of prompts to a readout that listens."""

    def __init__(self, port: int, *, source: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to = ("127.0.0.1", port)
        self._source = source
        self.port = port
        self.sent = 0

    def send(self, datagram: bytes) -> None:
        self._socket.sendto(datagram, self._to)

    def bundle(self, datagrams: list[bytes]) -> None:
        """Send datagrams of one size, the last perhaps shorter, in one call: the kernel cuts them or passes them on."""
        self._socket.setsockopt(_SOL_UDP, _UDP_SEGMENT, len(datagrams[0]))
        self.send(b"".join(datagrams))
        self._socket.setsockopt(_SOL_UDP, _UDP_SEGMENT, 0)

    def start(self) -> None:
        self.send(encode(Header(self._source, NativeFlag.START, 0, 0)))

    def heartbeat(self) -> None:
        self.send(encode(Header(self._source, NativeFlag.HEARTBEAT, 0, self.sent)))

    def time(self, ms: int) -> None:
        """Send the detector's time, which goes on with it."""
        self.send(encode(Header(self._source, 0, 1, self.sent), (0x8000_0000 | ms).to_bytes(4, "little")))
        self.sent += 1

    def words(self, *, packets: int = 1, each: int = 50) -> None:
        for _ in range(packets):
            payload = b"".join((0x4000_0000 | n).to_bytes(4, "little") for n in range(self.sent, self.sent + each))
            self.send(encode(Header(self._source, 0, each, self.sent), payload))
            self.sent += each

    def end(self) -> None:
        self.send(encode(Header(self._source, NativeFlag.END, 0, self.sent)))

    def close(self) -> None:
        self._socket.close()


@contextmanager
def pushing(folder: Path, **changes: Any) -> Iterator[tuple[Running, FrontEnd]]:
    """Yield a readout that has heard the start of a front end, and the front end."""
    port = free_port()
    with running(plan_of(folder, f"udp://@127.0.0.1:{port}", **changes)) as run:
        until(lambda: run.readout.status()["state"] == "recording" or bool(run.code), "recording")
        front_end = FrontEnd(port)
        front_end.start()
        try:
            yield run, front_end
        finally:
            front_end.close()


def manifest_of(run: Running) -> Manifest:
    return load_manifest(run.folder / "run")


def recorded(run: Running) -> dict[int, int]:
    """Return what was recorded of each source, by a ledger that balances."""
    ledger = manifest_of(run).ledger
    assert ledger is not None
    assert ledger.balanced
    return {source.source: source.recorded for source in ledger.sources}


def received(run: Running, words: int) -> None:
    until(lambda: run.readout.status().get("words_received", 0) >= words, f"{words} words received")


def rows_recorded(run: Running, **least: int) -> bool:
    """Tell whether at least so many rows of each stream are durable."""
    rows = run.readout.status().get("rows_recorded", {})
    return all(rows.get(stream, 0) >= count for stream, count in least.items())
