"""Clients that send nonsense or half lines, never read, or come by the hundred, during a recording."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from support_daemon import Station, front_end, station
from support_protocol_texts import protocol, step

from daq.transports.localclient import LocalClient

PROTOCOL = protocol("fast", step("first", stop='stop.time = "4 s"'), step("second", stop='stop.time = "4 s"'))
P99_S = 1.0
NONSENSE = (
    b"\x00\xff\xfe not even text\n",
    b"{}\n[]\nnull\n7\n",
    b'{"id": 1, "do": "status", "do": "stop"}\n',
    b'{"id": 1, "do": "nothing-of-that-kind", "args": {}}\n',
    b'{"id": 1, "do": "stop", "args": {"reason": ' + b'"x"' * 3 + b"}}\n",
    b'{"id": 1, "do": "prepare", "args": {"protocol": NaN}}\n',
    b'{"id": 1, "do": "prepare", "args": {"protocol": "../../../etc/passwd", "draft_reason": "x"}}\n',
    b'{"id": 1, "do": "mark", "args": {"text": "\\ud800"}}\n',
    b'{"id": ' + b"9" * 400 + b', "do": "status"}\n',
    b"[" * 5000 + b"\n",
    b'{"id": 1, "do": "mark", "args": {"text": "' + b"y" * 100_000 + b'"}}\n',
    b"z" * (1 << 20),
)
WATCH = b'{"id": 1, "do": "watch"}\n'


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with front_end(rate_cps=1_000_000, seconds=20) as address:
        yield address


@pytest.fixture
def daemon(tmp_path: Path, url: str) -> Iterator[Station]:
    with station(tmp_path, url) as made:
        made.add(PROTOCOL)
        yield made.start()


def connected(daemon: Station) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(2.0)
    try:
        client.connect(str(daemon.socket))
    except OSError:
        client.close()
        raise
    return client


def nonsense(daemon: Station) -> None:
    """Send every kind of nonsense, each to its own connection, and hear the answer to the end."""
    for text in NONSENSE:
        with connected(daemon) as client, suppress(OSError):
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass


def never_read(daemon: Station) -> None:
    """Watch everything, ask for large answers again and again, and read nothing."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(daemon)) for _ in range(8)]
        for client in clients:
            client.setblocking(False)
        until_s = time.monotonic() + 3.0
        while time.monotonic() < until_s:
            for client in clients:
                with suppress(OSError):
                    client.send(WATCH + b'{"id": 2, "do": "describe"}\n' * 20)
            time.sleep(0.05)


def half_lines(daemon: Station) -> None:
    """Begin requests and never end them; leave in the middle."""
    with ExitStack() as stack:
        for number in range(20):
            with suppress(OSError):
                stack.enter_context(connected(daemon)).sendall(b'{"id": 1, "do": "sto'[: 1 + number])
        time.sleep(1.5)


def a_hundred(daemon: Station) -> None:
    """Come by the hundred, ask all at once; motion can be stopped meanwhile."""
    with ExitStack() as stack:
        clients = []
        for _ in range(100):
            with suppress(OSError):
                clients.append(stack.enter_context(connected(daemon)))
        for client in clients:
            with suppress(OSError):
                client.sendall(b'{"id": 1, "do": "status"}\n' * 4)
        assert daemon.ask("stop-motion", within_s=5.0)["stopped"]["ok"]
        time.sleep(0.5)


class Patient:
    """A client that behaves, asks for the status ten times a second, and takes the time of each answer."""

    def __init__(self, daemon: Station) -> None:
        self.took_s: list[float] = []
        self._client = LocalClient(daemon.socket)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        while not self._done.wait(0.1):
            begin_s = time.monotonic()
            self._client.ask("status", within_s=10.0)
            self.took_s.append(time.monotonic() - begin_s)

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self._client.close()

    def p99_s(self) -> float:
        return sorted(self.took_s)[int(0.99 * len(self.took_s))]


def test_hostile_clients_disturb_neither_a_recording_at_a_million_words_a_second_nor_those_that_behave(
    daemon: Station,
) -> None:
    run = daemon.acquiring("fast")
    patient = Patient(daemon)
    attacks: tuple[Callable[[Station], None], ...] = (nonsense, never_read, half_lines, a_hundred)
    try:
        for attack in attacks:
            attack(daemon)
    finally:
        patient.close()
    daemon.truth("completed", run)

    assert daemon.fates(run) == [("first", True), ("second", True)]
    ledger = daemon.ledger(run)
    assert ledger["sources"][0]["recorded"] >= 8_000_000 * 0.98
    assert len(patient.took_s) > 10
    assert patient.p99_s() < P99_S
    assert "Traceback" not in daemon.log()
    tried = [line["result"] for line in daemon.audit_lines() if "passwd" in line["object"]]
    assert tried == ["asked", "refused"]
