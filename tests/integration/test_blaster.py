"""The sender of the benchmarks: what it sends is what it says, and it is valid."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from daq.wire.native import NativeFlag, decode


def sent(*options: str) -> tuple[list[bytes], dict[str, Any]]:
    """Run the sender and return its datagrams and its account."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sink.settimeout(0.2)
        to = f"127.0.0.1:{sink.getsockname()[1]}"
        command = [sys.executable, "-m", "benchmarks.blaster", "--to", to, "--pattern-words", "2000", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["ready"]
            datagrams = []
            account = json.loads(process.stdout.readline())
        while True:
            try:
                datagrams.append(sink.recv(4096))
            except TimeoutError:
                return datagrams, account


@pytest.mark.parametrize("way", [(), ("--gso",)])
def test_the_sender_sends_what_it_says_and_numbers_it_without_gaps(way: tuple[str, ...]) -> None:
    datagrams, account = sent("--words", "9000", "--sources", "3", "--words-per-datagram", "50", *way)

    parsed = [decode(datagram, 8) for datagram in datagrams]
    words = [sum(d.whole_words for d in parsed if d.header.source == s) for s in range(3)]
    assert words == account["words_per_source"] == [3000, 3000, 3000]
    for source in range(3):
        mine = [d.header for d in parsed if d.header.source == source]
        assert [h.first_word_index for h in mine if h.words] == list(range(0, 3000, 50))
        assert [h.flags for h in mine if h.flags & NativeFlag.START] == [NativeFlag.START]
        assert [h.first_word_index for h in mine if h.flags & NativeFlag.END] == [3000] * 3


def test_the_times_of_a_source_run_on_from_one_repetition_to_the_next() -> None:
    datagrams, _ = sent("--words", "6000", "--sources", "1", "--words-per-datagram", "100")

    words = np.concatenate([np.frombuffer(decode(d, 8).payload, "<u8") for d in datagrams])
    is_epoch = (words >> np.uint64(63)).astype(bool)
    epoch = words[is_epoch] & np.uint64((1 << 34) - 1)
    assert epoch.tolist() == list(range(len(epoch)))
    carried = epoch[np.cumsum(is_epoch) - 1]
    ticks = carried[~is_epoch] * np.uint64(1 << 24) + (words[~is_epoch] & np.uint64((1 << 24) - 1))
    assert (np.diff(ticks.astype(np.int64)) >= 0).all()


def test_a_paced_sender_keeps_its_rate() -> None:
    _, account = sent("--rate", "100000", "--seconds", "0.2", "--words-per-datagram", "10", "--sources", "2")

    assert account["words"] <= 0.25 * 100_000
    assert account["asked_words_per_s"] == 100_000
    assert account["lateness_max_ms"] >= 0
