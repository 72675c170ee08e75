"""Clients of the control socket that are many, slow, idle or not ours: none keeps the others waiting."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support_control import EXCHANGE, answers, connected, handle, serving, wait_until

from daq.errors import RefusedError
from daq.readout import control as control_module
from daq.readout.control import MOST_CLIENTS, ControlServer, ask


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    with serving(tmp_path / "control", handle) as path:
        yield path


class Slow:
    """A handler whose exchanges last until they are let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "exchange":
            self.begun.release()
            assert self.let_go.wait(20.0)
            return {"bytes": "0a0b"}
        return {"state": "recording", "do": request["do"]}


def test_a_long_exchange_keeps_nobody_from_asking_and_stopping(tmp_path: Path) -> None:
    slow, answers = Slow(), list[dict[str, Any]]()
    with serving(tmp_path / "control", slow) as path:
        exchange = threading.Thread(target=lambda: answers.append(ask(path, EXCHANGE, deadline_s=20.0)))
        exchange.start()
        assert slow.begun.acquire(timeout=10.0)

        assert ask(path, {"do": "status"})["state"] == "recording"
        assert ask(path, {"do": "stop"})["do"] == "stop"
        assert answers == []

        slow.let_go.set()
        exchange.join(10.0)
    assert answers == [{"bytes": "0a0b"}]


def test_an_answer_under_way_is_still_given_when_the_server_closes(tmp_path: Path) -> None:
    slow, answers = Slow(), list[dict[str, Any]]()
    with serving(tmp_path / "control", slow) as path, connected(path):  # an idle client keeps nobody waiting
        exchange = threading.Thread(target=lambda: answers.append(ask(path, EXCHANGE, deadline_s=20.0)))
        exchange.start()
        assert slow.begun.acquire(timeout=10.0)
        threading.Timer(0.2, slow.let_go.set).start()
    exchange.join(10.0)

    assert answers == [{"bytes": "0a0b"}]


@pytest.mark.slow
def test_a_handler_that_hangs_does_not_keep_the_server_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "_CLIENT_DEADLINE_S", 0.5)
    slow = Slow()
    control = ControlServer(tmp_path / "control", slow)
    with connected(tmp_path / "control") as client:
        client.sendall(json.dumps(EXCHANGE).encode() + b"\n")
        assert slow.begun.acquire(timeout=10.0)

        began = time.monotonic()
        control.close()

        assert time.monotonic() - began < 5.0
        assert not (tmp_path / "control").exists()
        slow.let_go.set()
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("control")])


def test_the_client_beyond_the_limit_is_told_so_and_a_place_that_is_left_is_free(server: Path) -> None:
    with ExitStack() as others:
        for _ in range(MOST_CLIENTS - 1):
            others.enter_context(connected(server)).sendall(b'{"do": "status"}\n')
        with connected(server) as last:
            last.sendall(b'{"do": "status"}\n')
            assert last.makefile("rb").readline().startswith(b'{"state"')
            with pytest.raises(RefusedError, match=f"{MOST_CLIENTS} clients are connected, which is the limit"):
                ask(server, {"do": "status"})

        wait_until(lambda: answers(server))


def test_many_ask_at_once_and_nobody_gets_the_answer_of_another(server: Path) -> None:
    failures: list[str] = []

    def client(number: int) -> None:
        with connected(server) as mine, mine.makefile("rb") as lines:
            for n in range(50):
                mine.sendall(json.dumps({"do": "mark", "text": f"{number} {n}"}).encode() + b"\n")
                if json.loads(lines.readline())["request"]["text"] != f"{number} {n}":
                    failures.append(f"{number} {n}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(MOST_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20.0)

    assert failures == []


def drip(client: socket.socket, *, until_s: float) -> None:
    while time.monotonic() < until_s:
        client.sendall(b" ")
        time.sleep(0.1)


def test_a_client_that_drips_bytes_is_hung_up_on(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "_CLIENT_DEADLINE_S", 0.5)
    with connected(server) as dripping:
        began = time.monotonic()
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            drip(dripping, until_s=began + 20.0)

    assert time.monotonic() - began < 10.0
    assert ask(server, {"do": "status"})["state"] == "recording"


def test_an_idle_client_is_hung_up_on_after_a_while(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "_IDLE_S", 0.3)
    with connected(server) as idle:
        idle.sendall(b'{"do": "status"}\n')
        with idle.makefile("rb") as lines:
            assert json.loads(lines.readline())["state"] == "recording"
            assert lines.readline() == b""


def test_a_client_that_does_not_listen_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "_CLIENT_DEADLINE_S", 0.5)
    with (
        serving(tmp_path / "control", lambda _: {"state": "x" * (4 << 20)}) as path,
        connected(path) as deaf,
    ):
        deaf.sendall(b'{"do": "status"}\n')
        assert len(ask(path, {"do": "status"})["state"]) == 4 << 20
        wait_until(lambda: hung_up(deaf))


def hung_up(client: socket.socket) -> bool:
    try:
        client.sendall(b"\n")
    except OSError:
        return True
    return False
