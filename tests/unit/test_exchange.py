"""Command and reply on the data's own socket: the reply is found among what breaks the framing, data are left alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_readout import Running, plan_of, running, until
from support_slabs import Row, packets_from, rows_of, rows_of_batches

from daq.errors import DeadlineError, RefusedError, UsageError
from daq.model.packets import Flag, Packets
from daq.readout.control import ask
from daq.readout.exchange import Exchanges, Match
from daq.readout.plan import CONTROL
from daq.storage.listing import load_manifest
from daq.storage.reader import open_listmode
from daq.storage.replaying import compare
from daq.wire.native import Header, NativeFlag, encode

OK = Match(0, b"\xff\xff", b"OK")
MALFORMED, PREAMBLE = int(Flag.MALFORMED), int(Flag.PREAMBLE)


def arrived(*datas: bytes, flags: int = MALFORMED) -> Packets:
    return packets_from(Row(65_535, None, 0, flags, bytes(16), data) for data in datas)


@pytest.mark.parametrize(
    ("match", "datagram", "fits"),
    [
        (OK, b"OK", True),
        (OK, b"OK then", True),
        (OK, b"NO", False),
        (OK, b"O", False),
        (OK, b"", False),
        (Match(3, b"\xf0", b"\x50"), b"abc\x5f", True),
        (Match(3, b"\xf0", b"\x50"), b"abc\x60", False),
        (Match(3, b"\xf0", b"\x50"), b"abc", False),
        (Match(0, b"\x00\xff", b"\x00K"), b"?K", True),
    ],
)
def test_a_reply_is_told_by_the_bits_under_the_mask(match: Match, datagram: bytes, fits: bool) -> None:
    assert match.fits(datagram) is fits


@pytest.mark.parametrize(
    ("offset", "mask", "value"), [(0, b"", b""), (-1, b"\xff", b"\x00"), (0, b"\xff", b"ab"), (0, b"\x0f", b"\x10")]
)
def test_a_rule_that_nothing_can_keep_is_refused(offset: int, mask: bytes, value: bytes) -> None:
    with pytest.raises(UsageError, match="match"):
        Match(offset, mask, value)


@given(st.integers(0, 9), st.binary(min_size=1, max_size=5), st.binary(max_size=20))
def test_a_rule_made_from_a_datagram_fits_it(offset: int, mask: bytes, datagram: bytes) -> None:
    part = datagram[offset : offset + len(mask)]
    value = bytes(a & b for a, b in zip(mask, part.ljust(len(mask), b"\0"), strict=True))

    assert Match(offset, mask, value).fits(datagram) is (len(part) == len(mask))


def test_the_first_reply_is_taken_and_flagged_and_the_rest_left_alone() -> None:
    exchanges = Exchanges()
    pending = exchanges.expect(OK)
    packets = arrived(b"garbage", b"OK 42", b"OK 43")

    exchanges.look_at(packets)

    assert exchanges.reply(pending, 0.0) == b"OK 42"
    assert packets.flags.tolist() == [MALFORMED, PREAMBLE, MALFORMED]
    assert [row.data for row in rows_of(packets)] == [b"garbage", b"OK 42", b"OK 43"]


def test_data_are_no_reply_whatever_they_look_like() -> None:
    exchanges = Exchanges()
    pending = exchanges.expect(OK)
    packets = arrived(b"OK 1", flags=0)

    exchanges.look_at(packets)

    assert packets.flags.tolist() == [0]
    with pytest.raises(DeadlineError):
        exchanges.reply(pending, 0.01)


def test_what_was_not_kept_is_no_reply_though_old_bytes_lie_in_its_place() -> None:
    exchanges = Exchanges()
    exchanges.expect(OK)
    packets = arrived(b"OK 1", flags=MALFORMED | int(Flag.DROPPED))

    exchanges.look_at(packets)

    assert packets.flags.tolist() == [MALFORMED | int(Flag.DROPPED)]


def test_without_an_exchange_everything_stays_as_it_came() -> None:
    exchanges = Exchanges()
    pending = exchanges.expect(OK)
    exchanges.look_at(arrived(b"OK 1"))
    exchanges.reply(pending, 0.0)
    packets = arrived(b"OK 2")

    exchanges.look_at(packets)

    assert packets.flags.tolist() == [MALFORMED]


def test_several_exchanges_get_each_its_own_reply() -> None:
    exchanges = Exchanges()
    rules = [Match(0, b"\xff\xff\xff\xff", f"OK {n}".encode()) for n in range(8)]
    pending = [exchanges.expect(rule) for rule in rules]

    exchanges.look_at(arrived(*(f"OK {n}!".encode() for n in reversed(range(8)))))

    assert [exchanges.reply(each, 0.0) for each in pending] == [f"OK {n}!".encode() for n in range(8)]


def test_more_exchanges_than_can_be_looked_out_for_are_refused() -> None:
    exchanges = Exchanges()
    pending = [exchanges.expect(OK) for _ in range(8)]

    with pytest.raises(RefusedError, match="8 exchanges"):
        exchanges.expect(OK)
    with pytest.raises(DeadlineError):
        exchanges.reply(pending[0], 0.0)

    exchanges.expect(OK)


class Device(threading.Thread):
    """A front end on one UDP port: streams to whoever asks, answers `ASK x` with `OK x`, is deaf to anything else."""

    def __init__(self) -> None:
        super().__init__(name="device")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.001)
        self._ended = threading.Event()
        self.port = int(self._socket.getsockname()[1])
        self.sent = 0
        self.answered: list[bytes] = []

    def run(self) -> None:
        peer = None
        while not self._ended.is_set():
            try:
                datagram, sender = self._socket.recvfrom(2048)
            except TimeoutError:
                datagram = b""
            if datagram.startswith(b"ASK "):
                self.answered.append(b"OK " + datagram[4:])
                self._socket.sendto(self.answered[-1], sender)
            elif datagram[:2] == b"\x53\x4e" and peer is None:
                peer = sender
                self._send(peer, NativeFlag.START)
            if peer is not None:
                self._send(peer)
        if peer is not None:
            self._send(peer, NativeFlag.END)

    def end(self) -> None:
        """Say the end to whoever listens, and wait until it is said."""
        self._ended.set()
        self.join(10.0)
        self._socket.close()

    def _send(self, peer: Any, flags: int = 0) -> None:
        words = 0 if flags else 50
        payload = (0x4000_0000 | np.arange(self.sent, self.sent + words, dtype="<u4")).astype("<u4").tobytes()
        self._socket.sendto(encode(Header(3, flags, words, self.sent), payload), peer)
        self.sent += words


@contextmanager
def streaming(folder: Path, **changes: Any) -> Iterator[tuple[Running, Device]]:
    device = Device()
    device.start()
    try:
        with running(plan_of(folder, f"udp://127.0.0.1:{device.port}", **changes)) as run:
            until(lambda: run.readout.status().get("words_received", 0) > 0, "data")
            yield run, device
    finally:
        device.end()


def send(run: Running, command: bytes, wanted: bytes, *, deadline_s: float = 5.0) -> bytes:
    """Send a command over the control socket and return the reply that begins with `wanted`."""
    request = {
        "do": "exchange",
        "bytes": command.hex(),
        "match": {"offset": 0, "mask": (b"\xff" * len(wanted)).hex(), "value": wanted.hex()},
        "deadline_s": deadline_s,
    }
    return bytes.fromhex(ask(run.folder / CONTROL, request, deadline_s=deadline_s + 5.0)["bytes"])


def exchange(run: Running, text: bytes) -> bytes:
    return send(run, b"ASK " + text, b"OK " + text)


@pytest.mark.slow
def test_a_front_end_answers_on_its_data_port_while_it_streams(tmp_path: Path) -> None:
    replies: dict[bytes, bytes] = {}
    with streaming(tmp_path) as (run, device):
        texts = [f"question {n} of {client}".encode() for client in range(3) for n in range(5)]

        def client(mine: list[bytes]) -> None:
            for text in mine:
                replies[text] = exchange(run, text)

        clients = [threading.Thread(target=client, args=(texts[start : start + 5],)) for start in (0, 5, 10)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join(20.0)
        before = run.readout.status()["words_received"]
        until(lambda: run.readout.status()["words_received"] > before, "data that go on")
        device.end()
        code = run.finish()

    manifest = load_manifest(tmp_path / "run")
    assert replies == {text: b"OK " + text for text in texts}
    assert code == 0
    assert manifest.ended_by == "end"
    assert manifest.ledger is not None
    (source,) = manifest.ledger.sources
    assert (source.source, source.sent, source.recorded, source.gap) == (3, device.sent, device.sent, 0)
    assert manifest.ledger.socket.foreign == 0
    with open_listmode(tmp_path / "run") as recorded:
        raw = rows_of_batches(recorded.batches("raw"))
        assert compare(recorded).differences == []
        bins = np.concatenate([batch.column("bin").to_numpy() for batch in recorded.batches("coincidences")])
    kept = [row.data for row in raw if row.flags & PREAMBLE]
    assert kept == device.answered
    assert not any(row.flags & MALFORMED for row in raw)
    assert bins.tolist() == list(range(device.sent))


def test_a_front_end_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    with streaming(tmp_path) as (run, device):
        with pytest.raises(DeadlineError, match=r"did not answer within 0\.2 s"):
            send(run, b"MUTE", b"OK", deadline_s=0.2)
        after = exchange(run, b"are you there?")

    assert after == b"OK are you there?"
    assert device.answered == [after]


def test_an_earlier_reply_is_no_answer_to_a_later_question(tmp_path: Path) -> None:
    with streaming(tmp_path) as (run, _):
        first = exchange(run, b"once")

        with pytest.raises(DeadlineError):
            send(run, b"MUTE", b"OK once", deadline_s=0.1)

    assert first == b"OK once"


def test_a_reply_nobody_waits_for_any_more_is_kept_and_counted_as_foreign(tmp_path: Path) -> None:
    with streaming(tmp_path) as (run, device):
        with pytest.raises(DeadlineError):
            send(run, b"ASK late", b"NEVER", deadline_s=0.1)
        device.end()
        run.finish()

    manifest = load_manifest(tmp_path / "run")
    assert manifest.ledger is not None
    assert manifest.ledger.socket.foreign == 1
    assert manifest.ledger.balanced is True
    with open_listmode(tmp_path / "run") as recorded:
        raw = rows_of_batches(recorded.batches("raw"))
    assert [row.data for row in raw if row.flags & MALFORMED] == [b"OK late"]


def test_an_exchange_over_a_stream_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        plan = plan_of(tmp_path, f"tcp://127.0.0.1:{server.getsockname()[1]}")
        with running(plan) as run:
            until(lambda: run.readout.status()["state"] == "recording", "recording")

            with pytest.raises(RefusedError, match="in a stream a reply cannot be told from data"):
                exchange(run, b"hello")
