"""A control socket that answers like a readout, and clients of every kind."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from daq.errors import MissingError, RefusedError
from daq.readout.control import ControlServer, ask

EXCHANGE = {"do": "exchange", "bytes": "00ff", "match": {"offset": 0, "mask": "ff", "value": "0a"}, "deadline_s": 1.0}


def handle(request: dict[str, Any]) -> dict[str, Any]:
    match request.get("text"):
        case "boom":
            raise RuntimeError("boom")
        case "nothing there":
            raise MissingError("nothing there")
        case "old style":
            return {"error": "the readout is arming"}
        case "no JSON":
            return {"state": object()}
    return {"state": "recording", "request": request}


@contextmanager
def serving(path: Path, handler: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[Path]:
    control = ControlServer(path, handler)
    try:
        yield path
    finally:
        control.close()
    assert not path.exists()
    wait_until(lambda: not any(thread.name.startswith("control") for thread in threading.enumerate()))


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10.0)
        client.connect(str(path))
        yield client


def say(path: Path, line: bytes) -> list[dict[str, Any]]:
    """Send bytes, close that direction, and return all answers."""
    answers = []
    with connected(path) as client, suppress(ConnectionResetError):  # hung up on before it has read all we said
        client.sendall(line)
        client.shutdown(socket.SHUT_WR)
        for answer in client.makefile("rb"):
            answers.append(dict(json.loads(answer)))  # noqa: PERF401 - what came before a reset is kept
    return answers


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def answers(path: Path) -> bool:
    try:
        return bool(ask(path, {"do": "status"})["state"] == "recording")
    except RefusedError:
        return False
