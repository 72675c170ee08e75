"""Replay as a process, over TCP."""

import hashlib
import socket
import struct
from pathlib import Path

import pytest
from support_simulators import (
    petlink_words,
    read_tcp,
    simulator,
    truth_of,
)

WORDS = petlink_words(200, 20)


@pytest.fixture
def petlink_file(tmp_path: Path) -> Path:
    path = tmp_path / "recording.l"
    path.write_bytes(WORDS)
    return path


def test_tcp_brings_preamble_words_and_the_cut_word_at_the_end(tmp_path: Path) -> None:
    stream = b"SAFIR CListModeData".ljust(32, b"\0") + struct.pack("<4Q", 1 << 63, 1, 2, (1 << 63) | 1) + b"cut"
    path = tmp_path / "cut.clm.safir"
    path.write_bytes(stream)
    truth_file = tmp_path / "truth.json"
    with simulator("replay", path, "--profile", "safir64", "--once", "--truth", truth_file) as server:
        got = read_tcp(server)
        code, errors = server.finish()

    truth = truth_of(truth_file)
    assert got == stream
    assert (code, errors) == (0, "")
    assert (truth["transport"], truth["preamble_bytes"], truth["tail_bytes"]) == ("tcp", 32, 3)
    assert (truth["words"], truth["sources"][0]["packets"]) == (4, None)


def test_a_talkative_tcp_client_still_gets_every_word(petlink_file: Path) -> None:
    with (
        simulator("replay", petlink_file, "--profile", "siemens-petlink32", "--speed", "max") as server,
        socket.create_connection(server.address("tcp"), timeout=20) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
        got = b"".join(iter(lambda: connection.recv(4096), b""))

    assert got == WORDS


def test_a_tcp_client_that_resets_ends_its_run_and_the_next_is_served(tmp_path: Path) -> None:
    path = tmp_path / "long.l"
    path.write_bytes(WORDS * 1000)
    with simulator("replay", path, "--profile", "siemens-petlink32", "--speed", "max") as server:
        with socket.create_connection(server.address("tcp"), timeout=20) as connection:
            connection.recv(1000)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        got = hashlib.sha256(read_tcp(server)).hexdigest()
        code, errors = server.terminate()

    assert got == hashlib.sha256(WORDS * 1000).hexdigest()
    assert code == 0
    assert "simulators: run to tcp://127.0.0.1:" in errors
    assert "Connection reset by peer" in errors or "Broken pipe" in errors
