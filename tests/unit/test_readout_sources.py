"""Sources: what a socket or a file gives, as packets, with every wait bounded."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_readout import free_port, plan_of

from daq.errors import MismatchError, MissingError, RefusedError, UnreachableError, UsageError
from daq.model.packets import Flag, Packets
from daq.readout.opening import open_source
from daq.readout.plan import Receive, SourceAddress, parse_source
from daq.readout.receive import ERROR
from daq.readout.sources import DatagramSource
from daq.readout.streams import StreamSource
from daq.storage.slab import Slab
from daq.wire.native import Header, NativeFlag, decode, encode
from device_profiles.load import load_profile

SAFIR = load_profile("safir64")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("udp://192.0.2.7:9000", SourceAddress(kind="udp", host="192.0.2.7", port=9000)),
        ("udp://@127.0.0.1:9000", SourceAddress(kind="udp", host="127.0.0.1", port=9000, listen=True)),
        ("udp://@:9000", SourceAddress(kind="udp", host="0.0.0.0", port=9000, listen=True)),  # noqa: S104
        ("udp://[::1]:9000", SourceAddress(kind="udp", host="::1", port=9000)),
        ("tcp://frontend.example.org:1", SourceAddress(kind="tcp", host="frontend.example.org", port=1)),
        ("file:///data/run%201.l", SourceAddress(kind="file", path="/data/run 1.l")),
        ("run 1.l", SourceAddress(kind="file", path="run 1.l")),
    ],
)
def test_an_address_says_how_to_reach_a_front_end(url: str, address: SourceAddress) -> None:
    assert parse_source(url) == address


@pytest.mark.parametrize(
    "url",
    ["", "file://", "file:///%00", "a\0b", "http://192.0.2.1:80", "udp://192.0.2.1", "udp://:9000", "udp://192.0.2.1:0",
     "udp://192.0.2.1:65536", "udp://192.0.2.1:x", "tcp://@127.0.0.1:9000", "udp://[::1:9000", "://", "tcp://"],
)  # fmt: skip
def test_an_address_that_makes_no_sense_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="source"):
        parse_source(url)


def content(packets: Packets | None) -> list[bytes]:
    assert packets is not None
    return [packets.data[o : o + n].tobytes() for o, n in zip(packets.offset, packets.length, strict=True)]


class Ear:
    """Reads a source of datagrams as the readout does, all of it into one slab."""

    def __init__(self, folder: Path, url: str, **changes: Any) -> None:
        source = open_source(plan_of(folder, url, **changes))
        assert isinstance(source, DatagramSource)
        self.source = source
        self.slab = Slab()

    def read(self) -> Packets:
        """Ask until something was heard, and return what a slice brings, perhaps nothing."""
        begin = self.slab.packets
        self.source.ask(heard=begin > 0)
        if self.source.receiver.receive(self.slab, begin) == ERROR:
            self.source.clear_error()
        return self.slab.view(begin, self.slab.packets)

    def close(self) -> None:
        self.source.close()


@contextmanager
def listening(folder: Path, **changes: Any) -> Iterator[tuple[Ear, Callable[[bytes], int]]]:
    """Yield an ear on a free port, and a function that sends it a datagram."""
    port = free_port()
    with (
        closing(Ear(folder, f"udp://@127.0.0.1:{port}", **changes)) as ear,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        yield ear, lambda datagram: sender.sendto(datagram, ("127.0.0.1", port))


def test_datagrams_come_in_order_with_their_headers_and_times(tmp_path: Path) -> None:
    words = bytes(range(8))
    with listening(tmp_path) as (ear, send):
        assert content(ear.read()) == []
        send(encode(Header(3, NativeFlag.START, 0, 40)))
        send(encode(Header(3, 0, 2, 40), words))
        send(b"\x00" * 2000)
        send(b"")
        packets = ear.read()

    assert content(packets) == [b"", words, b"\x00" * 2000, b""]
    assert packets.flags.tolist() == [int(Flag.START), 0, int(Flag.MALFORMED), int(Flag.MALFORMED)]
    assert packets.source.tolist()[:2] == [3, 3]
    assert packets.sequence.tolist()[:2] == [40, 40]
    assert (np.diff(packets.arrival_ns) >= 0).all()
    assert ear.source.framing == "native"


def test_nothing_but_empty_datagrams_is_no_obstacle(tmp_path: Path) -> None:
    with listening(tmp_path) as (ear, send):
        send(b"")
        packets = ear.read()

    assert packets.flags.tolist() == [int(Flag.MALFORMED)]


def test_large_datagrams_without_framing_are_not_cut(tmp_path: Path) -> None:
    large = [os.urandom(60_000), os.urandom(9000), os.urandom(5)]
    with listening(tmp_path, datagram_framing="none") as (ear, send):
        for datagram in large:
            send(datagram)
        packets = ear.read()

    assert content(packets) == large
    assert packets.flags.tolist() == [0, 0, int(Flag.TRUNCATED)]
    assert ear.source.framing == "none"


@pytest.mark.slow
def test_a_subscriber_asks_until_the_first_datagram_comes(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        device.settimeout(5.0)
        with closing(Ear(tmp_path, f"udp://127.0.0.1:{device.getsockname()[1]}")) as ear:
            assert content(ear.read()) == []
            request, peer = device.recvfrom(2048)
            asked_again = [len(content(ear.read())) for _ in range(11)]
            second, _ = device.recvfrom(2048)
            device.sendto(encode(Header(0, 0, 1, 0), bytes(4)), peer)
            heard = content(ear.read())
            for _ in range(11):
                ear.read()
            device.settimeout(0.0)
            with pytest.raises(BlockingIOError):
                device.recv(2048)

    assert decode(request, 4).header.flags == NativeFlag.REQUEST
    assert second == request
    assert set(asked_again) == {0}
    assert heard == [bytes(4)]


def test_a_device_that_is_not_there_yet_is_asked_again(tmp_path: Path) -> None:
    port = free_port()
    with closing(Ear(tmp_path, f"udp://127.0.0.1:{port}")) as ear:
        for _ in range(3):
            assert content(ear.read()) == []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            device.bind(("127.0.0.1", port))
            device.settimeout(5.0)
            for _ in range(12):
                ear.read()
            _, peer = device.recvfrom(2048)
            device.sendto(encode(Header(0, 0, 1, 0), bytes(4)), peer)
            assert content(ear.read()) == [bytes(4)]


def test_an_old_answer_of_the_network_neither_ends_nor_empties_a_stream(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        ear = Ear(tmp_path, f"udp://127.0.0.1:{device.getsockname()[1]}")
        ear.read()
        _, peer = device.recvfrom(2048)
        device.sendto(encode(Header(0, 0, 1, 0), bytes(4)), peer)
        ear.read()
        device.sendto(encode(Header(0, 0, 1, 1), b"last"), peer)
    ear.source.send(b"to nobody: the kernel answers that the port is closed")

    with closing(ear):
        reads = [ear.read() for _ in range(3)]

    assert [row for packets in reads for row in content(packets)] == [b"last"]


def test_other_senders_than_the_device_are_not_heard(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        with closing(Ear(tmp_path, f"udp://127.0.0.1:{device.getsockname()[1]}")) as ear:
            ear.read()
            _, peer = device.recvfrom(2048)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(encode(Header(0, NativeFlag.END, 0, 0)), peer)
            assert content(ear.read()) == []


def test_what_came_before_the_start_can_be_thrown_away(tmp_path: Path) -> None:
    with listening(tmp_path) as (ear, send):
        for number in range(100):
            send(encode(Header(0, 0, 1, number), bytes(4)))
        thrown = ear.source.drain()
        send(encode(Header(0, 0, 1, 100), b"kept"))
        kept = content(ear.read())

    assert thrown == 100
    assert kept == [b"kept"]


def test_a_socket_tells_its_buffer_and_what_the_kernel_dropped(tmp_path: Path) -> None:
    with listening(tmp_path, receive=Receive(socket_buffer_bytes=8192)) as (ear, send):
        before = ear.source.health()
        for _ in range(200):
            send(bytes(1000))
        full = ear.source.health()
        heard = len(ear.read())
        after = ear.source.health()

    assert before["socket_buffer_asked_bytes"] == 8192
    assert before["socket_buffer_bytes"] >= 8192
    assert before["kernel_drops"] == 0
    assert full["kernel_drops"] > 100
    assert heard == after["datagrams"] == 200 - full["kernel_drops"]


@pytest.mark.parametrize("url", ["udp://@192.0.2.1:9000", "udp://@no-such-host.example.org.invalid:9000"])
def test_an_address_that_is_not_ours_cannot_be_listened_on(tmp_path: Path, url: str) -> None:
    with pytest.raises(UnreachableError, match="udp://@"):
        open_source(plan_of(tmp_path, url))


@pytest.mark.parametrize("host", ["127.0.0.1", "a..b", "x" * 70])
def test_a_front_end_that_cannot_be_reached_is_named(tmp_path: Path, host: str) -> None:
    port = free_port(socket.SOCK_STREAM)

    with pytest.raises(UnreachableError, match=f"tcp://{host}:{port}"):
        open_source(plan_of(tmp_path, f"tcp://{host}:{port}"))


@contextmanager
def connection(folder: Path, **changes: Any) -> Iterator[tuple[StreamSource, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        plan = plan_of(folder, f"tcp://127.0.0.1:{server.getsockname()[1]}", **changes)
        with closing(open_source(plan)) as source:
            assert isinstance(source, StreamSource)
            peer, _ = server.accept()
            with peer:
                yield source, peer


def test_a_tcp_stream_is_cut_between_words_and_ends_with_what_is_left(tmp_path: Path) -> None:
    with connection(tmp_path) as (source, peer):
        idle = source.read()
        peer.sendall(b"abcdef")
        first = source.read()
        peer.sendall(b"ghijk")
        peer.shutdown(socket.SHUT_WR)
        second, third, fourth = source.read(), source.read(), source.read()

    assert content(idle) == []
    assert (content(first), content(second), content(third)) == ([b"abcd"], [b"efgh"], [b"ijk"])
    assert third is not None
    assert third.flags.tolist() == [int(Flag.TRUNCATED)]
    assert fourth is None


def test_a_broken_connection_gives_what_came_and_then_says_so(tmp_path: Path) -> None:
    with connection(tmp_path) as (source, peer):
        peer.sendall(b"abcdef")
        first = source.read()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        second = source.read()
        with pytest.raises(UnreachableError, match="broke the connection: Connection reset"):
            source.read()

    assert (content(first), content(second)) == ([b"abcd"], [b"ef"])


def test_a_connection_broken_within_the_preamble_is_unreachable_not_a_mismatch(tmp_path: Path) -> None:
    with connection(tmp_path, profile=SAFIR) as (source, peer):
        peer.sendall(b"SAFIR CListModeData")
        assert content(source.read()) == []
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        with pytest.raises(UnreachableError, match="broke the connection"):
            source.read()


def test_another_instrument_on_the_wire_is_a_mismatch(tmp_path: Path) -> None:
    with connection(tmp_path, profile=SAFIR) as (source, peer):
        peer.sendall(b"HTTP/1.1 200 OK\r\n")
        with pytest.raises(MismatchError, match="HTTP"):
            source.read()


def test_a_file_is_read_to_its_end_and_may_end_within_a_word(tmp_path: Path) -> None:
    path = tmp_path / "words.l"
    path.write_bytes(b"abcdefghij")
    with closing(open_source(plan_of(tmp_path, path.as_uri()))) as source:
        assert isinstance(source, StreamSource)
        rows = [content(source.read()), content(source.read())]
        end = source.read()

    assert rows == [[b"abcdefgh"], [b"ij"]]
    assert end is None
    assert source.framing == "stream"


def test_a_file_that_is_not_there_or_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(MissingError, match="nothing: no such file"):
        open_source(plan_of(tmp_path, (tmp_path / "nothing").as_uri()))
    with pytest.raises(RefusedError, match="pipe: not a regular file"):
        open_source(plan_of(tmp_path, (tmp_path / "pipe").as_uri()))
    with pytest.raises(RefusedError, match="not a regular file"):
        open_source(plan_of(tmp_path, tmp_path.as_uri()))
