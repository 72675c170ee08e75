"""Bytes that mean harm, from wires and files: a sentence and its exit code, never a traceback; bounded memory."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support_cli import Done, call, started
from support_cli import done as ended
from support_hostile import MEMORY_BYTES, PROFILE, in_a_sentence, peak_bytes
from support_readout import free_port, until

from daq.storage.accounts import MAX_SOURCES
from daq.storage.verify import verify
from daq.wire.native import Header, NativeFlag, encode


@contextmanager
def listening(tmp_path: Path, *options: str) -> Iterator[tuple[socket.socket, Callable[[], Done], int]]:
    """Yield a socket that reaches a listening `daq record`, what waits for its end, and the readout's process."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    port = free_port()
    arguments = ("record", "--profile", PROFILE, "--source", f"udp://@127.0.0.1:{port}", "--out", tmp_path / "run")
    with (
        started(*arguments, "--json", "--stall", "20", *options, temporary=temporary) as process,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sender.connect(("127.0.0.1", port))
        until((tmp_path / "run" / "raw-00000.arrows").exists, "a recording")
        (folder,) = temporary.iterdir()
        pid = readout_of(folder)
        yield sender, lambda: ended(process), pid


def readout_of(folder: Path) -> int:
    (pid,) = (
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and f"daq.readout\0{folder}".encode() in _command_line(entry)
    )
    return pid


def _command_line(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def send(sender: socket.socket, datagrams: list[bytes]) -> None:
    """Send, a little slower than as fast as possible: it is the readout that is tested, not the kernel's buffer."""
    for at in range(0, len(datagrams), 200):
        for datagram in datagrams[at : at + 200]:
            sender.send(datagram)
        time.sleep(0.005)


def finish(sender: socket.socket) -> None:
    """End with a source that everything else leaves alone."""
    sender.send(encode(Header(4242, NativeFlag.START, 0, 0)))
    sender.send(encode(Header(4242, 0, 1, 0), b"\1\0\0\x40"))


def mutated(rng: random.Random, datagram: bytes) -> bytes:
    data = bytearray(datagram)
    for _ in range(rng.randint(1, 4)):
        what = rng.randrange(4)
        place = rng.randrange(len(data)) if data else 0
        if what == 0 and data:
            data[place] ^= 1 << rng.randrange(8)
        elif what == 1:
            del data[place:]
        elif what == 2:
            data[place:place] = rng.randbytes(rng.randint(1, 40))
        elif data:
            data[place : place + 8] = rng.choice([b"\xff" * 8, bytes(8), b"\xff" * 7 + b"\x7f"])
    return bytes(data)


def whole(tmp_path: Path, made: Done) -> dict[str, Any]:
    """Assert that the recording is sealed, sound and balanced and replays; return its ledger."""
    assert made.code == 0, made.err
    assert verify(tmp_path / "run").verdict == "ok"
    replayed = call("listmode", "replay", tmp_path / "run", "--json")
    assert replayed.json["differences"] == []
    ledger: dict[str, Any] = made.json["ledger"]
    assert ledger["balanced"] is True
    return ledger


def test_random_and_mutated_datagrams_are_kept_counted_and_harm_nothing(tmp_path: Path) -> None:
    rng = random.Random(1)
    datagrams: list[bytes] = []
    for packet in range(1500):
        payload = rng.randbytes(4 * rng.randint(1, 20))
        good = encode(Header(packet % 3, 0, len(payload) // 4, 20 * packet), payload)
        datagrams += [good, mutated(rng, good), rng.randbytes(rng.choice([0, 1, 15, 16, 17, 300, 1472, 9000]))]

    with listening(tmp_path, "--stop", "host=4s") as (sender, result, pid):
        send(sender, datagrams)
        finish(sender)
        until(lambda: not unread(sender.getpeername()[1]), "all read")
        peak = peak_bytes(pid)
        made = result()

    ledger = whole(tmp_path, made)
    sources = {source["source"] for source in ledger["sources"]}
    assert {0, 1, 2, 4242} <= sources
    assert ledger["socket"]["foreign"] > 1000
    assert peak < MEMORY_BYTES


def unread(port: int) -> int:
    """Return the bytes that wait in the receive queue of a UDP port."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port:
            return int(fields[4].split(":")[1], 16)
    return 0


def test_a_flood_of_source_numbers_is_bounded(tmp_path: Path) -> None:
    datagrams = [encode(Header(source, 0, 1, 0), b"\1\0\0\x40") for source in range(65_535)]

    with listening(tmp_path, "--stop", f"prompts={MAX_SOURCES + 1}") as (sender, result, pid):
        send(sender, datagrams[: MAX_SOURCES - 1])
        send(sender, datagrams[MAX_SOURCES:])
        until(lambda: not unread(sender.getpeername()[1]), "all read")
        peak = peak_bytes(pid)
        send(sender, [encode(Header(0, 0, 1, 1), b"\1\0\0\x40")] * 3)
        made = result()

    ledger = whole(tmp_path, made)
    assert len(ledger["sources"]) == MAX_SOURCES
    assert ledger["socket"]["foreign"] >= 65_535 - MAX_SOURCES - 1 - ledger["socket"]["kernel_drops"]
    assert peak < MEMORY_BYTES


def test_word_numbers_at_the_end_of_the_world_are_only_gaps(tmp_path: Path) -> None:
    header = struct.Struct("<HHHHQ")
    datagrams = [encode(Header(0, NativeFlag.START, 0, 0))]
    for first in (2**63 - 1, 2**63, 2**64 - 1, 2**63 - 2, 2**62, 5, 2**63 - 365):
        for flags, words in ((0, 1), (0, 364), (2, 0), (4, 0), (1, 0), (1, 2), (0, 0xFFFF), (8, 0), (0xFFFF, 1)):
            datagrams.append(header.pack(0x4E53, 0, flags, words, first) + bytes(4 * min(words, 364)))
            datagrams.append(header.pack(0x4E53, 0, flags, words, first))

    with listening(tmp_path, "--stop", "host=2s") as (sender, result, _):
        send(sender, datagrams)
        finish(sender)
        made = result()

    ledger = whole(tmp_path, made)
    assert ledger["sources"][0]["gap"] > 2**62


@pytest.mark.parametrize("profile", [PROFILE, "safir64", "singles64"])
def test_random_bytes_over_tcp_are_recorded_or_refused(tmp_path: Path, profile: str) -> None:
    noise = random.Random(3).randbytes(300_001)
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=serve_once, args=(server, noise))
        serving.start()
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        made = call("record", "--profile", profile, "--source", url, "--out", tmp_path / "run", "--json")
        serving.join(20.0)

    in_a_sentence(made)
    assert made.code == (3 if profile == "safir64" else 0)
    assert verify(tmp_path / "run").verdict == "ok"
    if made.code == 0:
        (source,) = made.json["ledger"]["sources"]
        assert source["received"] == -(-len(noise) // (4 if profile == PROFILE else 8))
        assert source["balanced"] is True
        assert call("listmode", "export", tmp_path / "run", "--to", "raw", "--out", tmp_path / "raw").code == 0
        assert (tmp_path / "raw").read_bytes() == noise


def serve_once(server: socket.socket, data: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        try:
            connection.sendall(data)
        except OSError:
            return
