"""From a source into slabs and round the ring: bounded, in order, each packet once, waiting only where it may."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from support_readout import PETLINK, free_port, plan_of, until
from support_slabs import Row, packets_from, received, rows_of

from daq.model.packets import Flag, Packets
from daq.readout import filling as filling_module
from daq.readout.filling import Filler
from daq.readout.opening import open_source
from daq.readout.ring import MIN_SLABS, RESERVE_SLABS, Ring
from daq.readout.sources import DatagramSource
from daq.readout.streams import StreamSource
from daq.storage import slab as slab_module
from daq.storage.slab import Slab
from daq.wire.native import Header, NativeFlag, encode

WAIT_S = 10.0


@pytest.fixture
def ring() -> Ring:
    return Ring(0)


@dataclass
class Taken:
    """What came out of a ring: rows per slab, and whether each slab that came was closed once."""

    slabs: list[list[Row]] = field(default_factory=list)
    slices: int = 0
    closed: int = 0
    ended: bool = False
    error: BaseException | None = None

    @property
    def rows(self) -> list[Row]:
        return [row for slab in self.slabs for row in slab]

    @property
    def datas(self) -> list[bytes]:
        return [row.data for row in self.rows]


class Consumer:
    """Takes slices as the processing thread does; gives slabs back when `returning`."""

    def __init__(
        self, ring: Ring, filler: Filler, source: DatagramSource | StreamSource, *, returning: bool = True
    ) -> None:
        self.taken = Taken()
        self.returning = threading.Event()
        if returning:
            self.returning.set()
        self._ring = ring
        self._open: Slab | None = None
        self._threads = [
            threading.Thread(target=self._fill, args=(filler, source)),
            threading.Thread(target=self._take),
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> Taken:
        for thread in self._threads:
            thread.join(WAIT_S)
            assert not thread.is_alive()
        return self.taken

    def _fill(self, filler: Filler, source: DatagramSource | StreamSource) -> None:
        try:
            filler.run(source)
        except ZeroDivisionError as why:
            self.taken.error = why

    def _take(self) -> None:
        while (part := self._ring.get(WAIT_S)) is not None:
            self.taken.slices += 1
            if self._open is None:
                assert part.begin == 0
                self.taken.slabs.append([])
            else:
                assert part.slab is self._open
                assert part.begin == len(self.taken.slabs[-1])
            packets = part.slab.view(part.begin, part.end)
            lengths = np.diff(part.slab.starts[part.begin : part.end + 1])
            kept = Packets(
                packets.data, packets.offset, lengths, packets.source, packets.sequence, packets.arrival_ns,
                packets.flags, packets.header,
            )  # fmt: skip
            self.taken.slabs[-1] += rows_of(kept)
            self._open = None if part.closed else part.slab
            if part.closed:
                self.returning.wait(WAIT_S)
                self._ring.give(part.slab)
                self.taken.closed += 1
        self.taken.ended = self._open is None


@dataclass
class Reading:
    """A filler at work on a socket."""

    ring: Ring
    filler: Filler
    consumer: Consumer
    send: Callable[[list[bytes]], None]
    source: DatagramSource
    stop: threading.Event

    def heard(self, datagrams: int) -> None:
        until(lambda: self.source.receiver.datagrams >= datagrams, f"{datagrams} datagrams heard")

    def processed(self, packets: int) -> None:
        until(lambda: len(self.consumer.taken.rows) >= packets, f"{packets} packets processed")

    def end(self) -> Taken:
        self.stop.set()
        return self.consumer.join()


@contextmanager
def reading(folder: Path, ring: Ring, *, idle: Callable[[], bool] = lambda: False) -> Iterator[Reading]:
    port, stop = free_port(), threading.Event()
    with (
        closing(open_source(plan_of(folder, f"udp://@127.0.0.1:{port}"))) as source,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        assert isinstance(source, DatagramSource)
        sender.connect(("127.0.0.1", port))
        filler = Filler(ring, lambda: not stop.is_set(), idle)
        consumer = Consumer(ring, filler, source)

        def send(datagrams: list[bytes]) -> None:
            for datagram in datagrams:
                sender.send(datagram)

        try:
            yield Reading(ring, filler, consumer, send, source, stop)
        finally:
            stop.set()
            consumer.returning.set()
            consumer.join()


def numbered(begin: int, end: int) -> list[bytes]:
    return [encode(Header(0, 0, 1, n), n.to_bytes(4, "little")) for n in range(begin, end)]


def words(begin: int, end: int) -> list[bytes]:
    return [n.to_bytes(4, "little") for n in range(begin, end)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slabs of eight packets, which never grow too old."""
    monkeypatch.setattr(slab_module, "MAX_PACKETS", 8)
    monkeypatch.setattr(filling_module, "MOST_AGE_NS", 10**12)


@pytest.mark.usefixtures("small")
def test_datagrams_fill_slab_after_slab_round_the_ring(tmp_path: Path) -> None:
    with reading(tmp_path, Ring(0)) as run:
        for n in range(0, 200, 20):
            run.send(numbered(n, n + 20))
            run.processed(n + 20 - 8)
        run.heard(200)
        taken = run.end()

    assert taken.datas == words(0, 200)
    assert [len(slab) for slab in taken.slabs[:-1]] == [8] * (len(taken.slabs) - 1)
    assert taken.ended
    assert run.ring.used == 0.0
    assert not any(row.flags for row in taken.rows)


def test_a_slab_is_handed_over_in_slices_long_before_it_is_full(tmp_path: Path) -> None:
    with reading(tmp_path, Ring(0)) as run:
        run.send(numbered(0, 3))
        run.processed(3)
        run.send(numbered(3, 5))
        run.processed(5)
        taken = run.end()

    assert taken.datas == words(0, 5)
    assert taken.slices >= 3


def test_a_slab_that_is_old_is_closed_though_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling_module, "MOST_AGE_NS", 60_000_000)
    with reading(tmp_path, Ring(0)) as run:
        run.send(numbered(0, 3))
        run.processed(3)
        until(lambda: run.consumer.taken.closed == 1, "the slab closed while nothing comes")
        run.send(numbered(3, 5))
        taken = run.consumer.taken
        run.processed(5)
        run.end()

    assert taken.datas == words(0, 5)
    assert [len(slab) for slab in taken.slabs] == [3, 2]


@pytest.mark.usefixtures("small")
def test_where_no_slab_is_free_headers_are_kept_and_data_again_as_soon_as_there_is_room(tmp_path: Path) -> None:
    with reading(tmp_path, Ring(0)) as run:
        run.consumer.returning.clear()
        run.send(numbered(0, 8 * MIN_SLABS + 5))
        run.heard(8 * MIN_SLABS + 5)
        run.consumer.returning.set()
        until(lambda: run.consumer.taken.closed == MIN_SLABS + 1, "all slabs given back")
        run.send(numbered(37, 50))
        run.heard(50)
        taken = run.end()

    flags = [row.flags for row in taken.rows]
    assert taken.datas == words(0, 32) + [b""] * 5 + words(37, 50)
    assert flags == [0] * 32 + [int(Flag.DROPPED)] * 5 + [0] * 13
    assert [row.sequence for row in taken.rows] == list(range(50))
    assert [row.header for row in taken.rows] == [datagram[:16] for datagram in numbered(0, 50)]


@pytest.mark.usefixtures("small")
def test_when_the_room_for_headers_is_used_up_too_datagrams_wait_in_the_socket(tmp_path: Path) -> None:
    beyond = 8 * (MIN_SLABS + RESERVE_SLABS)
    with reading(tmp_path, Ring(0)) as run:
        run.consumer.returning.clear()
        run.send(numbered(0, beyond + 100))
        run.heard(beyond)
        time.sleep(0.1)
        heard = run.source.receiver.datagrams
        run.consumer.returning.set()
        run.heard(beyond + 100)
        taken = run.end()

    assert heard == beyond
    assert [row.sequence for row in taken.rows] == list(range(beyond + 100))
    assert [row.flags for row in taken.rows[:beyond]] == [0] * 32 + [int(Flag.DROPPED)] * 16
    assert all(
        (row.data, row.flags) in ((word, 0), (b"", int(Flag.DROPPED)))
        for row, word in zip(taken.rows, words(0, beyond + 100), strict=True)
    )


@pytest.mark.usefixtures("small")
def test_a_stop_while_there_is_no_room_ends_the_reading(tmp_path: Path) -> None:
    with reading(tmp_path, Ring(0)) as run:
        run.consumer.returning.clear()
        run.send(numbered(0, 100))
        run.heard(48)
        run.stop.set()
        run.consumer._threads[0].join(WAIT_S)

        assert not run.consumer._threads[0].is_alive()


def test_a_reading_ends_when_there_is_nothing_and_all_has_come(tmp_path: Path) -> None:
    with reading(tmp_path, Ring(0), idle=lambda: True) as run:
        taken = run.consumer.join()

    assert taken.ended
    assert taken.rows == []
    assert not run.filler.any_packet


def test_an_error_in_the_reading_comes_out_after_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with reading(tmp_path, Ring(0)) as run:
        run.send(numbered(0, 3))
        run.processed(3)
        monkeypatch.setattr(run.source.receiver, "receive", lambda *_: 1 / 0)
        taken = run.consumer.join()

    assert isinstance(taken.error, ZeroDivisionError)
    assert taken.datas == words(0, 3)
    assert taken.ended
    assert run.ring.used == 0.0


def test_start_packets_and_garbage_count_as_having_been_heard(tmp_path: Path) -> None:
    with reading(tmp_path, Ring(0)) as run:
        before = run.filler.last_packet_s
        run.send([b"garbage"])
        run.processed(1)
        after = run.filler.last_packet_s
        run.send([encode(Header(0, NativeFlag.START, 0, 0))])
        run.processed(2)

        assert run.filler.any_packet
        assert before < after <= run.filler.last_packet_s


class Scripted(StreamSource):
    """A stream that gives prepared rows, read by read; after the last an error, or the end."""

    def __init__(self, reads: list[list[bytes]], *, fails: bool = False) -> None:
        super().__init__(PETLINK.layout)
        self.reads = reads
        self._fails = fails

    def read(self) -> Packets | None:
        if not self.reads:
            return None if not self._fails else 1 / 0  # type: ignore[return-value]
        datas = self.reads.pop(0)
        return packets_from([Row(0, None, time.monotonic_ns(), 0, bytes(16), data) for data in datas])

    def close(self) -> None:
        """Close nothing."""


def stream(ring: Ring, source: Scripted, stop: threading.Event | None = None, *, returning: bool = True) -> Consumer:
    stop = stop or threading.Event()
    filler = Filler(ring, lambda: not stop.is_set(), lambda: False)
    return Consumer(ring, filler, source, returning=returning)


def test_rows_of_a_stream_go_round_the_ring_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slab_module, "MAX_PACKETS", 3)
    monkeypatch.setattr(slab_module, "DATA_BYTES", 100_000)
    chunks = [[bytes([n]) * (n * 4000 % 65_537) for n in range(k, k + 4)] for k in range(0, 80, 4)]
    expected = [data for chunk in chunks for data in chunk]

    taken = stream(Ring(0), Scripted([[], *chunks, []])).join()

    assert taken.datas == expected
    assert taken.ended
    assert max(len(slab) for slab in taken.slabs) == 3
    assert max(sum(len(row.data) for row in slab) for slab in taken.slabs) <= 100_000


@pytest.mark.usefixtures("small")
def test_a_stream_waits_for_room_without_dropping_anything() -> None:
    ring = Ring(0)
    source = Scripted([[bytes(4)] * 10 for _ in range(20)])
    consumer = stream(ring, source, returning=False)
    until(lambda: ring.used == 1.0, "a full ring")
    time.sleep(0.1)
    left = len(source.reads)
    consumer.returning.set()

    taken = consumer.join()

    assert left > 0
    assert taken.datas == [bytes(4)] * 200
    assert not any(row.flags for row in taken.rows)


@pytest.mark.usefixtures("small")
def test_a_stream_that_waits_for_room_can_be_stopped() -> None:
    ring, stop = Ring(0), threading.Event()
    consumer = stream(ring, Scripted([[bytes(4)] * 100]), stop, returning=False)
    until(lambda: ring.used == 1.0, "a full ring")
    stop.set()
    consumer._threads[0].join(WAIT_S)
    consumer.returning.set()

    taken = consumer.join()

    assert taken.ended
    assert 8 * MIN_SLABS <= len(taken.rows) < 100


def test_an_error_of_a_stream_comes_out_after_what_was_read() -> None:
    taken = stream(Ring(0), Scripted([[b"abcd"], [b"efgh"]], fails=True)).join()

    assert isinstance(taken.error, ZeroDivisionError)
    assert taken.datas == [b"abcd", b"efgh"]
    assert taken.ended


def test_packets_of_the_two_ways_are_the_same(tmp_path: Path) -> None:
    datagrams = [*numbered(0, 5), b"garbage"]
    with reading(tmp_path, Ring(0)) as run:
        run.send(datagrams)
        run.processed(6)
        taken = run.end()

    assert [row._replace(arrival_ns=0) for row in taken.rows] == rows_of(received(datagrams, 4))
