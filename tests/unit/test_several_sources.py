"""Several front ends in one acquisition: each has the number of its address, and what becomes of one stays its own."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support_readout import FrontEnd, Running, free_port, manifest_of, plan_of, received, recorded, running, until

from daq.errors import DeadlineError, RefusedError, UsageError
from daq.readout.opening import open_source
from daq.readout.plan import parse_source
from daq.readout.streams import TcpSource
from daq.storage.reader import open_listmode
from daq.storage.replaying import compare

EACH = 50


@contextmanager
def two_pushing(folder: Path, *numbers: int) -> Iterator[tuple[Running, list[FrontEnd]]]:
    """Yield a readout that listens for front ends with these numbers of their own, and the front ends."""
    ports = [free_port() for _ in numbers]
    with ExitStack() as stack:
        run = stack.enter_context(running(plan_of(folder, *(f"udp://@127.0.0.1:{port}" for port in ports))))
        until(lambda: run.readout.status()["state"] == "recording" or bool(run.code), "recording")
        ends = [FrontEnd(port, source=number) for port, number in zip(ports, numbers, strict=True)]
        for end in ends:
            stack.callback(end.close)
        yield run, ends


def marks(run: Running, *kinds: str) -> list[tuple[str, int, str]]:
    found = [mark for batch in open_listmode(run.folder / "run").batches("marks") for mark in batch.to_pylist()]
    return [(mark["kind"], mark["source"], mark["text"]) for mark in found if mark["kind"] in kinds]


def replays(run: Running) -> bool:
    result = compare(open_listmode(run.folder / "run"))
    assert result.differences == []
    return bool(result.rows)


def test_what_comes_from_an_address_has_its_number_whatever_the_front_end_calls_itself(tmp_path: Path) -> None:
    with two_pushing(tmp_path, 5, 5) as (run, ends):
        for end in ends:
            end.start()
            end.time(1)
        ends[0].words(packets=3, each=EACH)
        ends[1].words(packets=7, each=EACH)
        ends[0].end()
        ends[1].end()
        assert run.finish() == 0

    assert recorded(run) == {0: 3 * EACH + 1, 1: 7 * EACH + 1}
    assert sorted(marks(run, "source_start", "source_end")) == [
        ("source_end", 0, ""), ("source_end", 1, ""), ("source_start", 0, ""), ("source_start", 1, ""),
    ]  # fmt: skip
    assert replays(run)


def test_another_number_at_the_same_address_is_foreign_and_a_loss_stays_with_its_own(tmp_path: Path) -> None:
    with two_pushing(tmp_path, 5, 6) as (run, ends):
        other = FrontEnd(ends[0].port, source=6)
        for end in ends:
            end.start()
        ends[0].words(each=EACH)
        received(run, EACH)
        other.words(packets=2, each=EACH)
        ends[1].sent += EACH
        ends[1].words(each=EACH)
        ends[0].end()
        ends[1].end()
        other.close()
        assert run.finish() == 0

    assert recorded(run) == {0: EACH, 1: EACH}
    ledger = manifest_of(run).ledger
    assert ledger is not None
    assert ([source.gap for source in ledger.sources], ledger.socket.foreign) == ([0, EACH], 2)
    assert replays(run)


def test_one_that_ended_before_another_began_does_not_end_the_recording(tmp_path: Path) -> None:
    with two_pushing(tmp_path, 0, 0) as (run, ends):
        ends[0].start()
        ends[0].words(each=EACH)
        ends[0].end()
        received(run, EACH)
        run.thread.join(0.3)
        assert run.thread.is_alive()
        ends[1].start()
        ends[1].words(each=EACH)
        ends[1].end()
        assert run.finish() == 0

    assert recorded(run) == {0: EACH, 1: EACH}


class Sender:
    """A front end that takes one TCP connection."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self._listening.getsockname()[1]}"
        self._peer: socket.socket | None = None

    @property
    def peer(self) -> socket.socket:
        if self._peer is None:
            self._peer, _ = self._listening.accept()
        return self._peer

    def prompts(self, count: int) -> None:
        self.peer.sendall(b"".join((0x4000_0000 | n).to_bytes(4, "little") for n in range(count)))

    def end(self) -> None:
        self.peer.close()

    def break_off(self) -> None:
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()

    def close(self) -> None:
        self._listening.close()
        if self._peer is not None:
            self._peer.close()


@contextmanager
def two_streaming(folder: Path) -> Iterator[tuple[Running, list[Sender]]]:
    with ExitStack() as stack:
        senders = [Sender() for _ in range(2)]
        for sender in senders:
            stack.callback(sender.close)
        run = stack.enter_context(running(plan_of(folder, *(sender.url for sender in senders))))
        until(lambda: run.readout.status()["state"] == "recording" or bool(run.code), "recording")
        yield run, senders


def test_streams_that_end_end_the_recording_when_all_have(tmp_path: Path) -> None:
    with two_streaming(tmp_path) as (run, senders):
        senders[0].prompts(300)
        senders[0].end()
        received(run, 300)
        senders[1].prompts(500)
        senders[1].end()
        assert run.finish() == 0

    assert recorded(run) == {0: 300, 1: 500}
    assert sorted(marks(run, "source_end")) == [("source_end", 0, ""), ("source_end", 1, "")]
    assert manifest_of(run).ended_by == "end"
    assert "lost_sources" not in manifest_of(run).time
    assert replays(run)


def test_a_stream_that_breaks_is_marked_and_said_and_the_other_goes_on(tmp_path: Path) -> None:
    with two_streaming(tmp_path) as (run, senders):
        for sender in senders:
            sender.prompts(300)
        received(run, 600)
        senders[1].break_off()
        until(lambda: "1" in run.readout.status()["lost_sources"], "a lost source")
        senders[0].prompts(200)
        received(run, 800)
        assert run.readout.status()["silent_sources"] == []
        senders[0].end()
        assert run.finish() == 0

    assert recorded(run) == {0: 500, 1: 300}
    why = f"{senders[1].url}: the front end broke the connection: Connection reset by peer"
    assert manifest_of(run).time["lost_sources"] == {"1": why}
    assert why in run.last_status["warnings"]
    assert ("source_end", 1, "") in marks(run, "source_end")
    assert replays(run)


def test_when_all_streams_are_lost_the_recording_is_sealed_and_says_which(tmp_path: Path) -> None:
    with two_streaming(tmp_path) as (run, senders):
        for sender in senders:
            sender.prompts(300)
        received(run, 600)
        for sender in senders:
            sender.break_off()
        assert run.finish() == 5

    assert recorded(run) == {0: 300, 1: 300}
    assert (manifest_of(run).state, manifest_of(run).ended_by) == ("sealed", "fault")
    assert "all 2 front ends are lost: " in run.last_status["error"]


def test_when_one_cannot_begin_all_are_told_to_stop_and_why_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int]] = []

    def begin(source: TcpSource) -> None:
        told.append(("begin", source.number))
        if source.number == 0:
            raise DeadlineError("the board was started and does not run after 1 s")

    monkeypatch.setattr(TcpSource, "begin", begin)
    monkeypatch.setattr(TcpSource, "ended", lambda source: told.append(("ended", source.number)))
    with two_streaming(tmp_path) as (run, _):
        assert run.finish() == 7

    assert told == [("begin", 1), ("begin", 0), ("ended", 0), ("ended", 1)]
    assert (manifest_of(run).state, manifest_of(run).ended_by) == ("sealed", "fault")
    assert "does not run after 1 s" in run.last_status["error"]


@pytest.mark.parametrize(
    ("urls", "words"),
    [
        (["tcp://127.0.0.1:1", "udp://127.0.0.1:1"], "all udp or all tcp"),
        (["tcp://127.0.0.1:1", "file:///tmp/words"], "files do not say what came when"),
        (["udp://127.0.0.1:1", "udp://127.0.0.1:1"], "an address is given twice"),
    ],
)
def test_addresses_that_cannot_be_one_acquisition_are_refused(tmp_path: Path, urls: list[str], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        open_source(plan_of(tmp_path, *urls))


def test_when_one_of_several_cannot_be_reached_none_stays_open(tmp_path: Path) -> None:
    sender = Sender()
    with contextlib.closing(sender):
        wrong = f"tcp://127.0.0.1:{free_port(socket.SOCK_STREAM)}"
        with pytest.raises(Exception, match=f"{wrong}: Connection refused"):
            open_source(plan_of(tmp_path, sender.url, wrong))
        assert sender.peer.recv(1) == b""


def test_an_address_names_the_port_for_commands() -> None:
    address = parse_source("tcp://board.example:9000?control=9760")

    assert (address.port, address.control, str(address)) == (9000, 9760, "tcp://board.example:9000")
    assert parse_source("tcp://board.example:9000").control is None


@pytest.mark.parametrize("said", ["control=0", "control=65536", "control=", "control=x", "port=1", "control=1&x=2"])
def test_anything_else_behind_an_address_is_refused(said: str) -> None:
    with pytest.raises(UsageError, match=r"can stand \?control=PORT"):
        parse_source(f"tcp://board.example:9000?{said}")
    with pytest.raises(UsageError):
        parse_source("udp://board.example:9000?control=1")
