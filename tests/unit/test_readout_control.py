"""The control socket: whoever talks to it, it stays there for the next one."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daq.errors import DeadlineError, UnreachableError
from daq.readout.control import MAX_LINE_BYTES, ControlServer, ask


def handle(request: dict[str, Any]) -> dict[str, Any]:
    if request.get("text") == "boom":
        raise RuntimeError("boom")
    return {"state": "recording", "request": request}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "control"
    control = ControlServer(path, handle)
    yield path
    control.close()
    assert not path.exists()


def say(path: Path, line: bytes) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10.0)
        client.connect(str(path))
        client.sendall(line)
        client.shutdown(socket.SHUT_WR)
        return dict(json.loads(client.makefile("rb").readline()))


def test_a_request_is_answered_and_the_socket_is_ours_alone(server: Path) -> None:
    assert ask(server, {"do": "status"}) == {"state": "recording", "request": {"do": "status"}}
    assert server.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "line",
    [b"\n", b"", b"{}\n", b"[1]\n", b'{"do": "explode"}\n', b"\xff\n", b"[" * 60_000, b'"' + b"x" * MAX_LINE_BYTES],
)
def test_nonsense_is_answered_by_a_sentence(server: Path, line: bytes) -> None:
    assert "error" in say(server, line)
    assert ask(server, {"do": "status"})["state"] == "recording"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_leave_the_server_serving(server: Path, line: bytes) -> None:
    assert isinstance(say(server, line + b"\n"), dict)


def test_a_handler_that_fails_does_not_end_the_serving(server: Path) -> None:
    assert ask(server, {"do": "mark", "text": "boom"}) == {"error": "RuntimeError: boom"}
    assert ask(server, {"do": "status"})["state"] == "recording"


def drip(client: socket.socket, *, until_s: float) -> None:
    while time.monotonic() < until_s:
        client.sendall(b" ")
        time.sleep(0.1)


def test_a_client_that_drips_bytes_is_hung_up_on(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daq.readout.control._CLIENT_DEADLINE_S", 0.5)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dripping:
        dripping.connect(str(server))
        began = time.monotonic()
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            drip(dripping, until_s=began + 20.0)

    assert time.monotonic() - began < 10.0
    assert ask(server, {"do": "status"})["state"] == "recording"


def test_nobody_there_and_nobody_answering_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no readout answers"):
        ask(tmp_path / "nobody", {"do": "status"})

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        with pytest.raises(DeadlineError, match=r"within 0\.1 s"):
            ask(tmp_path / "silent", {"do": "status"}, deadline_s=0.1)
