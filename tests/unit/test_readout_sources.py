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
from daq.readout.plan import SourceAddress, parse_source
from daq.readout.sources import Source, open_source
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


@contextmanager
def listening(folder: Path, **changes: Any) -> Iterator[tuple[Source, Callable[[bytes], int]]]:
    """Yield a source that listens on a free port, and a function that sends it a datagram."""
    port = free_port()
    with (
        closing(open_source(plan_of(folder, f"udp://@127.0.0.1:{port}", **changes))) as source,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        yield source, lambda datagram: sender.sendto(datagram, ("127.0.0.1", port))


def test_datagrams_come_in_order_with_their_headers_and_times(tmp_path: Path) -> None:
    words = bytes(range(8))
    with listening(tmp_path) as (source, send):
        assert content(source.read()) == []
        send(encode(Header(3, NativeFlag.START, 0, 40)))
        send(encode(Header(3, 0, 2, 40), words))
        send(b"\x00" * 2000)
        send(b"")
        packets = source.read()

    assert packets is not None
    assert content(packets) == [b"", words, b"\x00" * 2000, b""]
    assert packets.flags.tolist() == [int(Flag.START), 0, int(Flag.MALFORMED), int(Flag.MALFORMED)]
    assert packets.sequence.tolist()[:2] == [40, 40]
    assert (np.diff(packets.arrival_ns) >= 0).all()
    assert not source.lossless
    assert source.framing == "native"


def test_nothing_but_empty_datagrams_is_no_obstacle(tmp_path: Path) -> None:
    with listening(tmp_path) as (source, send):
        send(b"")
        packets = source.read()

    assert packets is not None
    assert packets.flags.tolist() == [int(Flag.MALFORMED)]


def test_large_datagrams_without_framing_are_not_cut(tmp_path: Path) -> None:
    large = [os.urandom(60_000), os.urandom(9000), os.urandom(5)]
    with listening(tmp_path, datagram_framing="none") as (source, send):
        for datagram in large:
            send(datagram)
        packets = source.read()

    assert packets is not None
    assert content(packets) == large
    assert packets.flags.tolist() == [0, 0, int(Flag.TRUNCATED)]
    assert source.framing == "none"


def test_a_read_takes_a_bounded_part_of_what_waits(tmp_path: Path) -> None:
    with listening(tmp_path, datagram_framing="none") as (source, send):
        for _ in range(600):
            send(bytes(4))
        first, second = source.read(), source.read()

    assert (len(content(first)), len(content(second))) == (512, 88)


def test_a_subscriber_asks_until_the_first_datagram_comes(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        device.settimeout(5.0)
        url = f"udp://127.0.0.1:{device.getsockname()[1]}"
        with closing(open_source(plan_of(tmp_path, url))) as source:
            assert content(source.read()) == []
            request, peer = device.recvfrom(2048)
            asked_again = [len(content(source.read())) for _ in range(11)]
            second, _ = device.recvfrom(2048)
            device.sendto(encode(Header(0, 0, 1, 0), bytes(4)), peer)
            heard = content(source.read())
            for _ in range(11):
                source.read()
            device.settimeout(0.0)
            with pytest.raises(BlockingIOError):
                device.recv(2048)

    assert decode(request, 4).header.flags == NativeFlag.REQUEST
    assert second == request
    assert set(asked_again) == {0}
    assert heard == [bytes(4)]


def test_a_device_that_is_not_there_yet_is_asked_again(tmp_path: Path) -> None:
    port = free_port()
    with closing(open_source(plan_of(tmp_path, f"udp://127.0.0.1:{port}"))) as source:
        for _ in range(3):
            assert content(source.read()) == []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            device.bind(("127.0.0.1", port))
            device.settimeout(5.0)
            for _ in range(12):
                source.read()
            _, peer = device.recvfrom(2048)
            device.sendto(encode(Header(0, 0, 1, 0), bytes(4)), peer)
            assert content(source.read()) == [bytes(4)]


def test_an_old_answer_of_the_network_neither_ends_nor_empties_a_stream(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        port = device.getsockname()[1]
        source = open_source(plan_of(tmp_path, f"udp://127.0.0.1:{port}"))
        source.read()
        _, peer = device.recvfrom(2048)
        device.sendto(encode(Header(0, 0, 1, 0), bytes(4)), peer)
        source.read()
        device.sendto(encode(Header(0, 0, 1, 1), b"last"), peer)
    source._socket.send(b"to nobody: the kernel answers that the port is closed")  # type: ignore[attr-defined]

    with closing(source):
        reads = [source.read() for _ in range(3)]

    assert None not in reads
    assert [row for packets in reads for row in content(packets)] == [b"last"]


def test_other_senders_than_the_device_are_not_heard(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        with closing(open_source(plan_of(tmp_path, f"udp://127.0.0.1:{device.getsockname()[1]}"))) as source:
            source.read()
            _, peer = device.recvfrom(2048)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(encode(Header(0, NativeFlag.END, 0, 0)), peer)
            assert content(source.read()) == []


def test_a_socket_tells_its_buffer_and_what_the_kernel_dropped(tmp_path: Path) -> None:
    with listening(tmp_path, socket_buffer_bytes=8192) as (source, send):
        before = source.health()
        for _ in range(200):
            send(bytes(1000))
        after = source.health()

    assert before["socket_buffer_asked_bytes"] == 8192
    assert before["socket_buffer_bytes"] >= 8192
    assert before["kernel_drops"] == 0
    assert after["kernel_drops"] > 100


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
def connection(folder: Path, **changes: Any) -> Iterator[tuple[Source, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        plan = plan_of(folder, f"tcp://127.0.0.1:{server.getsockname()[1]}", **changes)
        with closing(open_source(plan)) as source:
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
        rows = [content(source.read()), content(source.read())]
        end = source.read()

    assert rows == [[b"abcdefgh"], [b"ij"]]
    assert end is None
    assert source.lossless


def test_a_file_that_is_not_there_or_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(MissingError, match="nothing: no such file"):
        open_source(plan_of(tmp_path, (tmp_path / "nothing").as_uri()))
    with pytest.raises(RefusedError, match="pipe: not a regular file"):
        open_source(plan_of(tmp_path, (tmp_path / "pipe").as_uri()))
    with pytest.raises(RefusedError, match="not a regular file"):
        open_source(plan_of(tmp_path, tmp_path.as_uri()))
