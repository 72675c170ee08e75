"""The compiled receiving loop: every datagram once, whole, in order and parsed as the slow way does."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_slabs import Row, received, rows_of

from daq.model.packets import NO_SEQUENCE, Flag
from daq.readout.receive import ERROR, FULL, IDLE, SLICE, Receiver
from daq.storage import slab as slab_module
from daq.storage.slab import DATA_BYTES, Slab
from daq.wire.native import MAX_WORD_INDEX, Header, NativeFlag, encode

UDP_SEGMENT = 103
LARGEST = 65_507
SIZES = [0, 1, 15, 16, 17, 1471, 1472, 1473, 4096, 9000, 65_000, LARGEST - 1, LARGEST, 0, 12]
SLAB = Slab()
Framing = Literal["native", "none"]


@dataclass
class Wire:
    """A sender and a receiver on loopback."""

    sender: socket.socket
    receiver: Receiver
    socket: socket.socket
    word_bytes: int
    native: bool

    def send(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self.sender.send(datagram)

    def send_joined(self, data: bytes, size: int) -> list[bytes]:
        """Hand the kernel many datagrams of `size` bytes (the last one shorter) in one piece, and return them."""
        self.sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        self.sender.send(data)
        self.sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
        return [data[at : at + size] for at in range(0, len(data), size)]

    def rows(self, slab: Slab | None = None, *, full: list[int] | None = None) -> list[Row]:
        """Return all that waits, with arrival times set to 0; note in `full` the packets of each slab that was full.

        One slab is used again and again: what lies in it from before must not matter.
        """
        slab = slab or SLAB
        slab.clear()
        found: list[Row] = []
        begin = 0
        while True:
            why = self.receiver.receive(slab, begin)
            found += rows_of(slab.view(begin, slab.packets))
            begin = slab.packets
            if why == FULL:
                if full is not None:
                    full.append(slab.packets)
                slab.clear()
                begin = 0
            elif why == IDLE:
                return [row._replace(arrival_ns=0) for row in found]

    def expected(self, datagrams: list[bytes]) -> list[Row]:
        return rows_of(received(datagrams, self.word_bytes, native=self.native))


@contextmanager
def wired(framing: Framing = "native", *, word_bytes: int = 4, gro: bool = True) -> Iterator[Wire]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        sink.bind(("127.0.0.1", 0))
        sender.connect(sink.getsockname())
        receiver = Receiver(sink, framing, word_bytes, gro=gro, idle_ms=1)
        yield Wire(sender, receiver, sink, word_bytes, framing == "native")


@pytest.fixture(scope="module", params=[True, False], ids=["gro", "plain"])
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    with wired(gro=request.param) as made:
        yield made


@pytest.fixture(scope="module", params=[True, False], ids=["gro", "plain"])
def unframed(request: pytest.FixtureRequest) -> Iterator[Wire]:
    with wired("none", word_bytes=8, gro=request.param) as made:
        yield made


def noise(sizes: list[int], seed: int = 1) -> list[bytes]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, size, np.uint8).tobytes() for size in sizes]


def numbered(count: int, *, words: int = 3, source: int = 0) -> list[bytes]:
    payloads = noise([4 * words] * count, seed=count)
    return [encode(Header(source, 0, words, n * words), payload) for n, payload in enumerate(payloads)]


def test_datagrams_of_every_size_come_whole_and_in_order(unframed: Wire) -> None:
    datagrams = noise(SIZES)

    unframed.send(datagrams)
    rows = unframed.rows()

    assert [row.data for row in rows] == datagrams
    assert rows == unframed.expected(datagrams)


def test_what_breaks_the_framing_is_kept_whole_whatever_its_size(wire: Wire) -> None:
    datagrams = noise(SIZES)

    wire.send(datagrams)
    rows = wire.rows()

    assert [row.data for row in rows] == datagrams
    assert {row.flags for row in rows} == {int(Flag.MALFORMED)}
    assert rows == wire.expected(datagrams)


headers = st.builds(
    lambda magic, source, flags, words, first, payload, cut: (
        magic.to_bytes(2, "little")
        + source.to_bytes(2, "little")
        + flags.to_bytes(2, "little")
        + words.to_bytes(2, "little")
        + first.to_bytes(8, "little")
        + bytes(range(256)) * 6
    )[: 16 + payload if cut is None else cut],
    st.sampled_from([0x4E53] * 8 + [0x534E, 0]),
    st.sampled_from([0, 1, 4095, 65_534, 65_535]),
    st.sampled_from([0] * 8 + [1, 2, 4, 8, 3, 6, 16, 0x8000]),
    st.sampled_from([0, 1, 2, 3, 182, 183, 364, 365, 65_535]),
    st.sampled_from([0, 1, 2**32, 2**63, MAX_WORD_INDEX - 3, MAX_WORD_INDEX, MAX_WORD_INDEX + 1, 2**64 - 1]),
    st.sampled_from([0, 1, 4, 7, 8, 12, 16, 1456]),
    st.none() | st.integers(0, 20),
)


@settings(deadline=None, max_examples=40)
@given(datagrams=st.lists(headers, max_size=100))
def test_hostile_headers_are_judged_as_by_the_vectorised_way(wire: Wire, datagrams: list[bytes]) -> None:
    wire.send(datagrams)

    rows = wire.rows()

    assert rows == wire.expected(datagrams)


@pytest.mark.parametrize("packets", [1, 2, 7, 63, 64, 65])
def test_slabs_that_are_full_within_a_batch_lose_and_double_nothing(
    monkeypatch: pytest.MonkeyPatch, wire: Wire, packets: int
) -> None:
    monkeypatch.setattr(slab_module, "MAX_PACKETS", packets)
    datagrams = [*numbered(130), b"", b"garbage", *numbered(3)]
    full: list[int] = []

    wire.send(datagrams)
    rows = wire.rows(Slab(), full=full)

    assert rows == wire.expected(datagrams)
    assert full == [packets] * ((len(datagrams) - 1) // packets)


def test_a_slab_whose_bytes_are_used_up_is_full_before_the_datagram_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, unframed: Wire
) -> None:
    monkeypatch.setattr(slab_module, "DATA_BYTES", 70_000)
    datagrams = noise([60_000, 10_000, 1, 69_999 - LARGEST, LARGEST, 1, 0, 65_000, 5001])
    full: list[int] = []

    unframed.send(datagrams)
    rows = unframed.rows(Slab(), full=full)

    assert rows == unframed.expected(datagrams)
    assert full == [2, 3, 3]


@pytest.mark.parametrize(
    ("size", "whole", "rest"), [(1472, 44, 0), (1472, 40, 100), (1, 64, 0), (16, 50, 3), (500, 1, 499), (30_000, 2, 1)]
)
@pytest.mark.parametrize("packets", [4096, 3])
def test_datagrams_that_the_kernel_joined_are_taken_apart_again(
    monkeypatch: pytest.MonkeyPatch, unframed: Wire, size: int, whole: int, rest: int, packets: int
) -> None:
    monkeypatch.setattr(slab_module, "MAX_PACKETS", packets)
    (data,) = noise([size * whole + rest])

    datagrams = unframed.send_joined(data, size)
    unframed.send([b"alone", b""])
    rows = unframed.rows(Slab())

    assert len(datagrams) == whole + (rest > 0)
    assert [row.data for row in rows] == [*datagrams, b"alone", b""]
    assert rows == unframed.expected([*datagrams, b"alone", b""])


def test_joined_datagrams_have_each_its_own_header(wire: Wire) -> None:
    data = b"".join(numbered(40, words=364)) + encode(Header(0, 0, 2, 40 * 364), b"lastone!")

    datagrams = wire.send_joined(data, 1472)
    rows = wire.rows()

    assert rows == wire.expected(datagrams)
    assert [row.sequence for row in rows] == [364 * n for n in range(41)]


def unavailable(why: str) -> NoReturn:
    """Skip, except in CI, where everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def test_joined_datagrams_come_in_fewer_calls_where_the_kernel_can() -> None:
    with wired() as wire:
        if not wire.receiver.gro:
            unavailable("this kernel has no UDP_GRO: needs Linux 5.0")
        for _ in range(20):
            wire.send_joined(bytes(1472 * 44), 1472)
        wire.rows()

        assert wire.receiver.datagrams == 880
        assert wire.receiver.calls < 60


def test_receiving_without_gro_leaves_it_off() -> None:
    with wired(gro=False) as wire:
        assert wire.socket.getsockopt(socket.IPPROTO_UDP, 104) == 0
        assert not wire.receiver.gro


def test_datagrams_are_counted_once_each_whatever_becomes_of_them(wire: Wire) -> None:
    before = wire.receiver.datagrams

    wire.send([*numbered(10), b"", b"x", *numbered(10)])
    wire.rows()

    assert wire.receiver.datagrams - before == 22


def test_without_framing_nothing_is_numbered_and_a_cut_word_is_flagged(unframed: Wire) -> None:
    datagrams = [encode(Header(3, 0, 2, 8), bytes(16)), bytes(8), bytes(9), b""]

    unframed.send(datagrams)
    slab = Slab()
    slab.header[:] = 0xFF
    unframed.receiver.receive(slab, 0)

    packets = slab.view(0, slab.packets)
    assert packets.sequence.tolist() == [NO_SEQUENCE] * 4
    assert packets.source.tolist() == [0] * 4
    assert packets.flags.tolist() == [0, 0, int(Flag.TRUNCATED), 0]
    assert packets.length.tolist() == [32, 8, 9, 0]
    assert not packets.header.any()


def test_without_room_for_bytes_headers_are_kept_and_what_had_some_is_flagged(wire: Wire) -> None:
    start, words, cut = encode(Header(5, NativeFlag.START, 0, 9)), *numbered(2, source=5)
    slab = Slab()
    slab.keeps_data = False

    wire.send([start, words, cut[:-1], b"garbage", b""])
    wire.receiver.receive(slab, 0)

    packets = slab.view(0, slab.packets)
    malformed, dropped = int(Flag.MALFORMED), int(Flag.DROPPED)
    assert packets.flags.tolist() == [
        int(Flag.START), dropped, dropped | int(Flag.TRUNCATED), dropped | malformed, malformed,
    ]  # fmt: skip
    assert packets.length.tolist() == [0, 12, 11, 7, 0]
    assert packets.header[:3].tobytes() == start + words[:16] + cut[:16]
    assert not slab.starts[:6].any()


def test_a_slab_for_headers_takes_more_than_its_bytes_would(wire: Wire) -> None:
    slab = Slab()
    slab.keeps_data = False
    taken = 0
    while taken < 70:  # datagrams of 65,000 bytes: more than a slab holds
        wire.send([bytes(65_000)] * 10)
        wire.receiver.receive(slab, taken)
        taken += 10

    assert slab.packets == 70
    assert int(slab.length[:70].sum()) > DATA_BYTES


def test_arrival_times_are_of_the_monotonic_clock_and_never_fall(wire: Wire) -> None:
    slab, begin = Slab(), 0
    before = time.monotonic_ns()
    for _ in range(3):
        wire.send(numbered(100))
        wire.receiver.receive(slab, begin)
        begin = slab.packets
    after = time.monotonic_ns()

    arrivals = slab.arrival_ns[: slab.packets]
    assert slab.packets == 300
    assert before <= arrivals[0] <= arrivals[-1] <= after
    assert (np.diff(arrivals) >= 0).all()


def test_a_stream_without_end_is_handed_over_in_slices(wire: Wire) -> None:
    stop = threading.Event()

    def stream() -> None:
        while not stop.is_set():
            wire.send(numbered(20))
            time.sleep(0.001)

    thread = threading.Thread(target=stream)
    thread.start()
    slab, whys, sizes = Slab(), [], []
    try:
        wire.receiver.receive(slab, 0)
        for _ in range(3):
            begin = slab.packets
            whys.append(wire.receiver.receive(slab, begin))
            sizes.append(slab.packets - begin)
    finally:
        stop.set()
        thread.join()
    wire.rows()

    assert set(whys) <= {SLICE, IDLE}
    assert SLICE in whys
    assert max(sizes) > 0


def test_silence_is_told_and_changes_nothing(wire: Wire) -> None:
    slab = Slab()

    assert wire.receiver.receive(slab, 0) == IDLE
    assert slab.packets == 0


def test_that_nobody_is_at_the_other_end_is_told_once_and_data_come_all_the_same() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        device.bind(("127.0.0.1", 0))
        address = device.getsockname()
        device.close()
        udp.connect(address)
        receiver = Receiver(udp, "native", 4, idle_ms=5000)
        slab = Slab()
        asker = threading.Timer(0.05, lambda: udp.send(b"is somebody there?"))
        asker.start()
        told = receiver.receive(slab, 0)
        asker.join()
        udp.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(address)
            udp.send(b"and now?")
            _, peer = again.recvfrom(100)
            again.sendto(numbered(1)[0], peer)
            heard = receiver.receive(slab, 0)

    assert told == ERROR
    assert heard == SLICE
    assert slab.packets == 1


def test_an_error_that_waits_before_the_call_hides_no_data() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device,
    ):
        device.bind(("127.0.0.1", 0))
        udp.connect(device.getsockname())
        udp.send(b"request")
        _, peer = device.recvfrom(100)
        for datagram in numbered(3):
            device.sendto(datagram, peer)
        device.close()
        udp.send(b"to nobody")
        receiver = Receiver(udp, "native", 4, idle_ms=5)
        slab, begin = Slab(), 0
        for _ in range(3):
            receiver.receive(slab, begin)
            begin = slab.packets

    assert slab.packets == 3
