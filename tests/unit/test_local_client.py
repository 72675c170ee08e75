"""The blocking client of the local socket: whatever is at the other end, it answers or an error says so in time."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support_station import RUN, ThreadedStation, progress, station_at

from daq.errors import BusyError, DeadlineError, ScandaqError, TransitionRefusedError, UnreachableError, UsageError
from daq.transports import localclient
from daq.transports.localclient import LocalClient, ask_once

Peer = Callable[[socket.socket], None]


@contextmanager
def peer(path: Path, serve: Peer) -> Iterator[Path]:
    """Serve every connection with `serve`."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(8)

    def run() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with client, suppress(OSError):
                    serve(client)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield path
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10.0)
        server.close()
        assert not thread.is_alive()


def saying(*answers: bytes) -> Peer:
    def serve(client: socket.socket) -> None:
        client.recv(65_536)
        for answer in answers:
            client.sendall(answer)

    return serve


@pytest.fixture
def there(tmp_path: Path) -> Iterator[ThreadedStation]:
    with station_at(tmp_path / "control") as threaded:
        yield threaded


def test_one_connection_asks_many_things_and_raises_what_is_refused(there: ThreadedStation) -> None:
    with LocalClient(there.path) as client:
        assert client.ask("status", within_s=10.0)["state"] == "ready"
        with pytest.raises(TransitionRefusedError, match="cannot explode"):
            client.ask("explode", within_s=10.0)
        assert client.ask("prepare", {"protocol": "demo"}, within_s=10.0)["run"] == RUN


def test_a_watch_yields_what_holds_what_is_new_and_ends_with_the_daemon(there: ThreadedStation) -> None:
    with LocalClient(there.path) as client:
        events = client.watch("status", "progress")
        first = next(events)
        there.announce(progress())
        second = next(events)
        there.close()
        rest = list(events)

    assert (first["event"], second["event"], rest) == ("status", "progress", [])


@pytest.mark.parametrize(
    "answers",
    [(), (b"\xff\n",), (b"[1]\n",), (b"{",), (b"[" * 100_000 + b"\n",), (b"x" * (5 << 20),),
     (b'{"id": 7, "answer": {}}\n',)],
)  # fmt: skip
def test_who_does_not_speak_our_language_is_unreachable(tmp_path: Path, answers: tuple[bytes, ...]) -> None:
    with peer(tmp_path / "peer", saying(*answers)) as path, pytest.raises(UnreachableError, match="no daemon answers"):
        ask_once(path, "status", within_s=10.0)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"id": 1, "error": "x", "kind": "BusyError", "exit_code": 3}, BusyError),
        ({"id": None, "error": "x", "kind": "UsageError", "exit_code": 2}, UsageError),
        ({"id": 1, "error": "x", "kind": "os.system", "exit_code": 7}, DeadlineError),
        ({"id": 1, "error": "x"}, ScandaqError),
    ],
)
def test_a_refusal_is_raised_as_what_it_is(
    tmp_path: Path, answer: dict[str, object], error: type[ScandaqError]
) -> None:
    line = json.dumps(answer).encode() + b"\n"

    with peer(tmp_path / "peer", saying(line)) as path, pytest.raises(error, match="x"):
        ask_once(path, "status", within_s=0.3)


def test_who_was_turned_away_tries_again(tmp_path: Path) -> None:
    busy = b'{"id": null, "error": "full", "kind": "BusyError", "exit_code": 3}\n'
    answers = [busy, busy, b'{"id": 1, "answer": {"state": "ready"}}\n']

    def serve(client: socket.socket) -> None:
        saying(answers.pop(0))(client)

    with peer(tmp_path / "peer", serve) as path:
        assert ask_once(path, "stop-motion", within_s=10.0) == {"state": "ready"}
    assert answers == []


def test_who_accepts_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    over = threading.Event()

    with peer(tmp_path / "peer", lambda _: over.wait(10.0) and None) as path:
        with pytest.raises(DeadlineError, match=r"status was not answered within 0\.3 s"):
            ask_once(path, "status", within_s=0.3)
        over.set()


def test_who_drips_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    def drip(client: socket.socket) -> None:
        for _ in range(100):
            client.sendall(b" ")
            time.sleep(0.05)

    before_s = time.monotonic()
    with peer(tmp_path / "peer", drip) as path, pytest.raises(DeadlineError):
        ask_once(path, "status", within_s=0.5)

    assert time.monotonic() - before_s >= 0.5


def test_a_watch_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localclient, "SILENT_S", 0.3)
    over = threading.Event()

    def serve(client: socket.socket) -> None:
        saying(b'{"id": 1, "answer": {}}\n')(client)
        over.wait(10.0)

    with peer(tmp_path / "peer", serve) as path:
        with LocalClient(path) as client, pytest.raises(DeadlineError, match=r"nothing was said for 0\.3 s"):
            list(client.watch())
        over.set()


@pytest.mark.slow
def test_who_does_not_take_connections_is_unreachable(tmp_path: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "peer"))
    server.listen(0)
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(str(tmp_path / "peer"))

    with pytest.raises(UnreachableError, match="too many are waiting"):
        LocalClient(tmp_path / "peer")

    waiting.close()
    server.close()


@pytest.mark.parametrize(
    ("name", "why"), [("nothing", "No such file"), ("x" * 200, "path too long"), ("file", "Connection refused")]
)
def test_what_is_no_daemon_is_unreachable(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UnreachableError, match=why):
        ask_once(tmp_path / name, "status", within_s=1.0)


def test_a_request_that_is_too_long_is_not_sent(there: ThreadedStation) -> None:
    with LocalClient(there.path) as client, pytest.raises(UsageError, match="at most 65536 are possible"):
        client.ask("mark", {"text": "x" * 70_000}, within_s=1.0)
