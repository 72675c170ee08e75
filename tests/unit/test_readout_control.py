"""The control socket: whoever talks to it, it stays there for the next one."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_pages import blocks

from daq import errors
from daq.errors import DeadlineError, MissingError, RefusedError, UnexpectedError, UnreachableError, UsageError
from daq.model.refusal import error_of, refusal
from daq.readout import control as control_module
from daq.readout.control import MOST_CLIENTS, ControlServer, ask
from daq.readout.protocol import MAX_LINE_BYTES, REQUESTS, parse_request

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "readout-control.md"
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
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("control")] == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    with serving(tmp_path / "control", handle) as path:
        yield path


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


def test_a_request_is_answered_and_the_socket_is_ours_alone(server: Path) -> None:
    assert ask(server, {"do": "status"}) == {"state": "recording", "request": {"do": "status"}}
    assert server.stat().st_mode & 0o777 == 0o600


def test_one_connection_may_ask_many_things(server: Path) -> None:
    lines = b'{"do": "status"}\n{"do": "explode"}\n{"do": "mark", "text": "a"}\n{"do": "stop", "by": "interlock"}'

    status, refused_, mark, stop = say(server, lines)

    assert status["request"] == {"do": "status"}
    assert "one of status, attend, start" in refused_["error"]
    assert mark["request"] == {"do": "mark", "text": "a"}
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
    with pytest.raises(UsageError, match="request mark: text: Field required; its keys are do, text, monotonic_ns"):
        ask(server, {"do": "mark"})
    with pytest.raises(UnexpectedError, match=r"^unexpected RuntimeError in the readout: boom$"):
        ask(server, {"do": "mark", "text": "boom"})
    with pytest.raises(UnexpectedError, match="cannot be written as JSON"):
        ask(server, {"do": "mark", "text": "no JSON"})

    assert ask(server, {"do": "status"})["state"] == "recording"
    assert [record.message[:40] for record in caplog.records] == [
        "the request b'{\"do\": \"mark\", \"text\": \"bo", "an answer is no JSON",
    ]  # fmt: skip


CLASSES = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.ScandaqError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_of_the_tree_comes_back_as_itself(kind: type[errors.ScandaqError]) -> None:
    again = error_of(refusal(kind("why")))

    assert (type(again), str(again), again.exit_code) == (kind, "why", kind.exit_code)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 7])
def test_an_exit_code_alone_gives_a_class_that_has_it(code: int) -> None:
    assert error_of({"error": "why", "exit_code": code}).exit_code == code
    assert error_of({"error": "why", "exit_code": code, "kind": "os"}).exit_code == code


def test_a_status_that_tells_of_an_error_is_no_refusal(tmp_path: Path) -> None:
    status = {"state": "sealing", "error": "the disk failed", "exit_code": 1}

    with serving(tmp_path / "control", lambda _: status) as path:
        assert ask(path, {"do": "status"}) == status


VALID: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"do": "status"}, {}),
    ({"do": "start"}, {}),
    ({"do": "attend", "within_s": 2}, {"within_s": 2.0}),
    ({"do": "step", "stop": ["prompts=1000", "time=20s"], "name": "angle 12", "moving": True, "last": True}, {}),
    ({"do": "step"}, {"stop": [], "name": "", "moving": False, "last": False}),
    ({"do": "end_step"}, {"by": "operator", "completed": False}),
    ({"do": "end_step", "by": "the bed has arrived", "completed": True}, {}),
    ({"do": "motion_lost"}, {"text": ""}),
    ({"do": "motion_lost", "text": "the bed stands still"}, {}),
    ({"do": "pause"}, {}),
    ({"do": "resume"}, {}),
    ({"do": "mark", "text": "patient moved", "monotonic_ns": 123}, {}),
    ({"do": "mark", "text": "\ud800 no text"}, {"text": "? no text"}),
    ({"do": "stop"}, {"by": "operator"}),
    (EXCHANGE, {}),
    ({**EXCHANGE, "deadline_s": 1}, {}),
    ({"do": "snapshot"}, {}),
]


@pytest.mark.parametrize(("request_", "filled_in"), VALID)
def test_a_request_reaches_the_handler_with_its_defaults(request_: dict[str, Any], filled_in: dict[str, Any]) -> None:
    assert parse_request(json.dumps(request_).encode()) == {**request_, **filled_in}


MATCH = {"offset": 0, "mask": "ff", "value": "0a"}
INVALID: list[tuple[dict[str, Any], str]] = [
    ({"do": "status", "verbose": True}, "verbose: Extra inputs"),
    ({"do": "step", "stop": "time=20s"}, "stop: Input should be a valid list"),
    ({"do": "step", "stop": ["time=soon"]}, "the value must be a time such as"),
    ({"do": "step", "stop": ["hits=1"]}, "possible are end, time="),
    ({"do": "step", "stop": ["end"] * 21}, "stop: List should have at most 20"),
    ({"do": "step", "name": "x" * 201}, "name: String should have at most 200"),
    ({"do": "mark", "text": 5}, "text: Input should be a valid string"),
    ({"do": "mark", "text": "x" * 4001}, "text: String should have at most 4000"),
    ({"do": "mark", "text": "x", "monotonic_ns": 1.5}, "monotonic_ns: Input should be a valid integer"),
    ({"do": "mark", "text": "x", "monotonic_ns": 2**63}, "monotonic_ns: Input should be less than"),
    ({"do": "mark", "text": "x", "monotonic_ns": -1}, "monotonic_ns: Input should be greater"),
    ({"do": "stop", "by": ""}, "by: String should have at least 1"),
    ({"do": "stop", "by": "time"}, "by: Value error, time is what a limit is called"),
    ({"do": "end_step", "by": "prompts=500"}, "by: Value error, prompts=500 is what a limit is called"),
    ({"do": "attend"}, "within_s: Field required"),
    ({"do": "attend", "within_s": 0.05}, "within_s: Input should be greater than or equal to 0.1"),
    ({"do": "attend", "within_s": 61}, "within_s: Input should be less than or equal to 60"),
    ({"do": "attend", "within_s": True}, "within_s: Input should be a valid number"),
    ({"do": "step", "moving": 1}, "moving: Input should be a valid boolean"),
    ({"do": "motion_lost", "text": "x" * 4001}, "text: String should have at most 4000"),
    ({**EXCHANGE, "bytes": "0"}, "bytes: String should match pattern"),
    ({**EXCHANGE, "bytes": "0 0"}, "bytes: String should match pattern"),
    ({**EXCHANGE, "bytes": "00\n"}, "bytes: String should match pattern"),
    ({**EXCHANGE, "bytes": ""}, "bytes: String should match pattern"),
    ({**EXCHANGE, "bytes": "00" * 16_385}, "bytes: String should have at most"),
    ({**EXCHANGE, "data": "00"}, "data: Extra inputs"),
    ({**EXCHANGE, "deadline_s": 0}, "deadline_s: Input should be greater than 0"),
    ({**EXCHANGE, "deadline_s": float("nan")}, "deadline_s: Input should be a finite number"),
    ({**EXCHANGE, "deadline_s": 61}, "deadline_s: Input should be less than or equal to 60"),
    ({**EXCHANGE, "match": {**MATCH, "offset": -1}}, "match.offset: Input should be greater"),
    ({**EXCHANGE, "match": {**MATCH, "mask": "ffff"}}, "match: Value error, mask has 2 bytes, value 1"),
    ({**EXCHANGE, "match": {**MATCH, "mask": "f0"}}, "nothing could match"),
    ({**EXCHANGE, "match": None}, "match: Input should be"),
]


@pytest.mark.parametrize(("request_", "why"), INVALID, ids=lambda value: str(value)[:60])
def test_a_request_that_is_not_valid_says_which_key_and_which_there_are(request_: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=rf"^request {request_['do']}: .*{re.escape(why)}") as refused_:
        parse_request(json.dumps(request_).encode())

    assert (
        "keys are" in str(refused_.value) or "possible are" in str(refused_.value) or "must be" in str(refused_.value)
    )
    assert len(str(refused_.value)) < 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = (
    "stop", "name", "text", "monotonic_ns", "by", "bytes", "match", "deadline_s", "moving", "last", "completed",
    "within_s",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(REQUESTS)), st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_any_values_are_a_request_or_a_usage_error(do: str, values: dict[str, Any]) -> None:
    with suppress(UsageError):
        parsed = parse_request(json.dumps({"do": do, **values}).encode())
        assert parsed["do"] == do
        assert parse_request(json.dumps(parsed).encode()) == parsed


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


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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


def answers(path: Path) -> bool:
    try:
        return bool(ask(path, {"do": "status"})["state"] == "recording")
    except RefusedError:
        return False


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
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
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


# The page about it


def requests_of_the_page() -> list[dict[str, Any]]:
    return [json.loads(code) for code in re.findall(r"`(\{\"do\".*?\})`", PAGE.read_text(encoding="utf-8"))]


def test_the_page_shows_every_request_with_every_key_as_it_is_taken() -> None:
    shown = requests_of_the_page()

    assert [request["do"] for request in shown] == list(REQUESTS)
    for request in shown:
        assert parse_request(json.dumps(request).encode()) == request
        fields = REQUESTS[request["do"]].model_fields
        assert set(request) == {field.alias or name for name, field in fields.items()}


def test_the_refusal_on_the_page_is_the_one_that_is_given(server: Path) -> None:
    (shown,) = (block.text for block in blocks(PAGE.read_text(encoding="utf-8")) if block.language == "json")

    assert say(server, b'{"do": "mark"}\n') == [json.loads(shown)]


def test_the_plain_python_of_the_page_works_and_is_ten_lines(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = (
        block.text for block in blocks(PAGE.read_text(encoding="utf-8")) if "AF_UNIX" in block.text
    )  # fmt: skip

    exec(program, {"control": str(server)})  # noqa: S102 - our own page

    assert capsys.readouterr().out == "recording\n"
    assert len([line for line in program.splitlines() if line]) <= 10
