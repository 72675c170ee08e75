"""The control socket of the faults: private, one answer per line, gone at the end."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.faults.board import MAX_FAULTS, FaultBoard
from simulators.faults.control import MAX_LINE_BYTES, FaultControl
from simulators.faults.rules import Rules
from simulators.faults.spec import parse_fault
from simulators.options import instrument
from simulators.poisson import PoissonSupply

SUPPLY = PoissonSupply(instrument("head-xye64"), rate_cps=1e5, events=10, sources=2)


def board(*faults: str, wires: tuple[str, ...] = ("udp",)) -> FaultBoard:
    return FaultBoard(Rules(SUPPLY, paced=True, wires=wires), map(parse_fault, faults))


@pytest.fixture
def control() -> Iterator[FaultControl]:
    served = FaultControl(board().handle)
    yield served
    served.close()


def ask(path: Path, text: bytes) -> list[dict[str, Any]]:
    """Send `text`, close our direction, return all answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(text)
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return [json.loads(line) for line in answer.splitlines()]


def test_every_line_has_its_answer_and_every_client_its_turn(control: FaultControl) -> None:
    first = ask(control.path, b'{"add": "loss:share=0.5"}\n{"list": true}\n')
    second = ask(control.path, b'{"clear": true}')  # a last line without its end is a line

    assert first == [{"added": "loss:share=0.5", "faults": ["loss:share=0.5"]}, {"faults": ["loss:share=0.5"]}]
    assert second == [{"cleared": 1, "faults": []}]


def test_nobody_else_can_enter_and_nothing_is_left(control: FaultControl) -> None:
    folder = control.path.parent

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    control.close()
    assert not folder.exists()


@pytest.mark.parametrize(
    "text", [b"\xff\n", b"{\n", b"[" * 10_000 + b"\n", b"7\n", b'{"add": "loss:share=1", "list": true}\n']
)
def test_nonsense_is_answered_with_an_error(control: FaultControl, text: bytes) -> None:
    assert [list(answer) for answer in ask(control.path, text)] == [["error"]]


def test_a_line_without_end_ends_the_conversation(control: FaultControl) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(control.path))
        client.sendall(b"x" * (MAX_LINE_BYTES + 4096))
        answer = client.recv(65536)

    assert json.loads(answer) == {"error": "not one JSON object on one line"}


def test_a_long_path_of_temporary_files_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))

    served = FaultControl(board().handle)
    answers = ask(served.path, b'{"list": true}\n')
    served.close()

    assert answers == [{"faults": []}]
    assert list(deep.iterdir()) == []


def test_a_board_tells_wires_apart() -> None:
    faults = board("loss:share=0.1", "pause:at_s=1,for_s=1", "truncate:at_s=1", wires=("udp", "tcp"))

    assert [fault.spec.kind for fault in faults.faults("udp")] == ["loss", "pause"]
    assert [fault.spec.kind for fault in faults.faults("tcp")] == ["pause", "truncate"]
    assert [why.split(":")[0] for why in faults.refusals("tcp")] == ["fault 'loss"]
    assert faults.active
    assert (faults.clear(), faults.active, faults.texts) == (3, False, [])


def test_a_board_has_an_end() -> None:
    faults = board(*["loss:share=0.1"] * MAX_FAULTS)

    assert "there are 1000 already" in faults.handle({"add": "loss:share=0.1"})["error"]
