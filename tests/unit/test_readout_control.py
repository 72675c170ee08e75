"""The control socket: whoever talks to it, it stays there for the next one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_control import connected, handle, say, serving

from daq.errors import DeadlineError, MissingError, RefusedError, UnexpectedError, UnreachableError, UsageError
from daq.readout import control as control_module
from daq.readout.control import ask
from daq.readout.protocol import MAX_LINE_BYTES


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    with serving(tmp_path / "control", handle) as path:
        yield path


def test_a_request_is_answered_and_the_socket_is_ours_alone(server: Path) -> None:
    assert ask(server, {"do": "status"}) == {"state": "recording", "request": {"do": "status"}}
    assert server.stat().st_mode & 0o777 == 0o600


def test_one_connection_may_ask_many_things(server: Path) -> None:
    lines = b'{"do": "status"}\n{"do": "explode"}\n{"do": "mark", "text": "a"}\n{"do": "stop", "by": "interlock"}'

    status, refused_, mark, stop = say(server, lines)

    assert status["request"] == {"do": "status"}
    assert "one of status, attend, start" in refused_["error"]
    assert mark["request"] == {"do": "mark", "text": "a", "kind": "operator"}
    assert stop["request"] == {"do": "stop", "by": "interlock"}


def test_a_request_may_come_in_pieces(server: Path) -> None:
    with connected(server) as client:
        for piece in (b'{"do"', b': "sta', b'tus"}\n{"do": ', b'"pause"}\n'):
            client.sendall(piece)
            time.sleep(0.05)
        client.shutdown(socket.SHUT_WR)
        answers = [json.loads(line)["request"]["do"] for line in client.makefile("rb")]

    assert answers == ["status", "pause"]


@pytest.mark.parametrize(
    "line",
    [
        b"\n", b"{}\n", b"[1]\n", b"null", b'{"do": "explode"}\n', b'{"do": ["status"]}', b"\xff\n", b"[" * 60_000,
        b'{"do": "status"} {"do": "status"}\n', b'"' + b"x" * MAX_LINE_BYTES, b" " * MAX_LINE_BYTES + b"\n",
        b"1" * 5000,
    ],
)  # fmt: skip
def test_nonsense_is_answered_by_a_sentence(server: Path, line: bytes) -> None:
    (answer,) = say(server, line)

    assert (answer["exit_code"], answer["kind"]) == (2, "UsageError")
    assert len(answer["error"]) < 500
    assert ask(server, {"do": "status"})["state"] == "recording"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_leave_the_server_serving(server: Path, line: bytes) -> None:
    answers = say(server, line)

    assert len(answers) == len(line.removesuffix(b"\n").split(b"\n")) if line else answers == []


def test_a_line_that_is_as_long_as_it_may_be_is_a_request(server: Path) -> None:
    request = b'{"do": "status"}'

    (answer,) = say(server, request + b" " * (MAX_LINE_BYTES - len(request) - 1) + b"\n")

    assert answer["request"] == {"do": "status"}


def test_every_error_is_raised_again_where_it_was_asked(server: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MissingError, match=r"^nothing there$"):
        ask(server, {"do": "mark", "text": "nothing there"})
    with pytest.raises(RefusedError, match=r"^the readout is arming$"):
        ask(server, {"do": "mark", "text": "old style"})
    keys = "do, text, kind, monotonic_ns"
    with pytest.raises(UsageError, match=f"request mark: text: Field required; its keys are {keys}"):
        ask(server, {"do": "mark"})
    with pytest.raises(UnexpectedError, match=r"^unexpected RuntimeError in the readout: boom$"):
        ask(server, {"do": "mark", "text": "boom"})
    with pytest.raises(UnexpectedError, match="cannot be written as JSON"):
        ask(server, {"do": "mark", "text": "no JSON"})

    assert ask(server, {"do": "status"})["state"] == "recording"
    assert [record.message[:40] for record in caplog.records] == [
        "the request b'{\"do\": \"mark\", \"text\": \"bo", "an answer is no JSON",
    ]  # fmt: skip


def test_a_status_that_tells_of_an_error_is_no_refusal(tmp_path: Path) -> None:
    status = {"state": "sealing", "error": "the disk failed", "exit_code": 1}

    with serving(tmp_path / "control", lambda _: status) as path:
        assert ask(path, {"do": "status"}) == status


def test_a_descriptor_comes_with_its_answer_and_is_not_kept(tmp_path: Path) -> None:
    content = tmp_path / "figures"
    content.write_bytes(b"figures")
    given_away: list[int] = []

    def snapshot(request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] != "snapshot":
            return {"state": "recording"}
        given_away.append(os.open(content, os.O_RDONLY | os.O_CLOEXEC))
        return {"fd": given_away[-1], "size_bytes": 7}

    with serving(tmp_path / "control", snapshot) as path, connected(path) as client:
        client.sendall(b'{"do": "snapshot"}\n')
        line, (fd,), _, _ = socket.recv_fds(client, 4096, 4)
        with os.fdopen(fd, "rb") as received:
            assert received.read() == b"figures"
        client.sendall(b'{"do": "status"}\n')
        assert json.loads(client.makefile("rb").readline()) == {"state": "recording"}
        assert ask(path, {"do": "snapshot"}) == {"size_bytes": 7}  # a client without use for it just gets the line

    assert json.loads(line) == {"size_bytes": 7}
    for fd in given_away:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_another_user_is_refused_even_where_the_file_would_let_him(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "peer_uid", lambda _: 4711)

    with pytest.raises(RefusedError, match=f"user 4711 may not control a readout of user {os.geteuid()}"):
        ask(server, {"do": "stop"})


def test_root_is_served_by_the_readout_of_any_user(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "peer_uid", lambda _: 0)
    monkeypatch.setattr("os.geteuid", lambda: 4711)

    assert ask(server, {"do": "status"})["state"] == "recording"


@pytest.mark.system
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else: run as root")
def test_the_kernel_says_who_asks(tmp_path: Path) -> None:
    program = (
        "import os, socket, sys; client = socket.socket(socket.AF_UNIX); os.chdir(sys.argv[1]); os.setuid(65534);"
        "client.connect('control'); print(client.makefile().readline())"
    )
    with serving(tmp_path / "control", handle) as path:
        path.chmod(0o666)
        tmp_path.chmod(0o755)
        said = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)

    assert json.loads(said.stdout)["error"] == "user 65534 may not control a readout of user 0"


def test_a_system_without_threads_to_give_refuses_in_words(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none)
        with pytest.raises(RefusedError, match="not served: can't start new thread"):
            ask(server, {"do": "status"})

    assert ask(server, {"do": "status"})["state"] == "recording"


def test_nobody_there_and_nobody_answering_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no readout answers"):
        ask(tmp_path / "nobody", {"do": "status"})

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen(0)
        with pytest.raises(DeadlineError, match=r"within 0\.1 s"):
            ask(tmp_path / "silent", {"do": "status"}, deadline_s=0.1)
        with pytest.raises(DeadlineError, match="too many are waiting for it already"):
            ask(tmp_path / "silent", {"do": "status"}, deadline_s=0.1)


@pytest.mark.parametrize("answer", [b"", b"no JSON\n", b"[]\n", b"{"])
def test_what_is_no_readout_is_unreachable(tmp_path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(tmp_path / "other"))
        listening.listen()

        def once() -> None:
            client, _ = listening.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        with pytest.raises(UnreachableError, match="no readout answers"):
            ask(tmp_path / "other", {"do": "status"})
        thread.join(10.0)
