"""`python -m benchmarks.blaster`: a front end as fast as the machine sends, over loopback, in a process of its own.

It sends the datagrams of `benchmarks.pattern` in the native framing, again and again, with running word numbers and,
unless told otherwise, running times: a start flag, heartbeats each 100 ms, three end packets for each source. The first
line on stdout says where it listens, as the simulators' does; the last one says what was sent and how late.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import select
import signal
import socket
import sys
import time
from typing import Any

import numpy as np

from benchmarks.pattern import DETECTORS, Pattern, make_pattern
from benchmarks.sendkernel import ADDRESS_WORDS, Count, address_of, send_until
from daq.errors import WireError
from daq.wire.native import MAX_PAYLOAD_BYTES, Header, NativeFlag, decode, encode

UDP_SEGMENT = 103
MOST_SEGMENTS = 44
"""Datagrams of 1472 bytes that one send of 65,507 bytes carries."""
MESSAGES = 64
SLICE_NS = 20_000_000
HEARTBEAT_NS = 100_000_000
END_COPIES = 3
END_PAUSE_S = 0.1
"""Before each: what a busy receiver has before it must not push all of them out."""
_START = np.uint64(int(NativeFlag.START) << 32)
_WAIT_S = 0.1
_GROUP_S = 0.002
"""The most a paced group of segments waits for its last datagram."""


class Blaster:
    """One run: a pattern, a connected socket, a pace."""

    def __init__(self, pattern: Pattern, out: socket.socket, arguments: argparse.Namespace) -> None:
        self._pattern = pattern
        self._out = out
        self._rate_per_ns = (arguments.rate or 0.0) / pattern.words_per_datagram / 1e9
        self._segments = self._segments_of(arguments)
        self._quota = (
            math.ceil(arguments.words / pattern.words_per_datagram) if arguments.words else np.iinfo(np.int64).max
        )
        self._seconds = arguments.seconds if not arguments.words else math.inf
        self._epochs = pattern.epochs if arguments.rebase else 0
        self._tick_us = arguments.tick_us
        self.stopped = False
        self.count = np.zeros(len(Count), np.int64)
        self.heartbeats = 0

    def _segments_of(self, arguments: argparse.Namespace) -> int:
        if not arguments.gso:
            return 1
        size = self._pattern.rows.shape[1] * 8
        self._out.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        most = int(min(MOST_SEGMENTS * 1472 // size, 64))
        return most if not self._rate_per_ns else max(1, min(most, int(self._rate_per_ns * 1e9 * _GROUP_S)))

    def stop(self) -> None:
        """End the run after the slice at hand."""
        self.stopped = True

    def run(self) -> dict[str, Any]:
        """Send everything and return the account."""
        rows = self._pattern.rows
        rows[: self._pattern.sources, 0] |= _START
        messages = np.zeros((MESSAGES, ADDRESS_WORDS), np.uint64)
        vectors = np.zeros((MESSAGES, 2), np.uint64)
        cpu_s = time.process_time()
        began = now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        heartbeat_ns = began + HEARTBEAT_NS
        ends_ns = began + int(self._seconds * 1e9) if math.isfinite(self._seconds) else np.iinfo(np.int64).max
        while now < ends_ns and self.count[Count.DATAGRAMS] < self._quota and not self.stopped:
            until = min(now + SLICE_NS, ends_ns)
            send_until(
                self._out.fileno(), address_of(rows), rows, self._pattern.epoch_at, self._pattern.epoch_begin,
                np.uint64(self._epochs), np.uint64(self._pattern.words_per_source), messages, vectors, self.count,
                self._segments, began, until, self._quota, self._rate_per_ns, self._tick_us,
            )  # fmt: skip
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            if now >= heartbeat_ns:
                heartbeat_ns += HEARTBEAT_NS
                self._tell(NativeFlag.HEARTBEAT)
        seconds = (now - began) / 1e9
        cpu_s = time.process_time() - cpu_s
        for _ in range(END_COPIES):
            time.sleep(END_PAUSE_S)
            self._tell(NativeFlag.END)
        return self._account(seconds, cpu_s)

    def _tell(self, flag: NativeFlag) -> None:
        """Send every source's number of words so far."""
        for source, sent in enumerate(self._sent_words()):
            try:
                self._out.send(encode(Header(source, flag, 0, sent)))
                self.heartbeats += 1
            except OSError:
                self.count[Count.ERRORS] += 1

    def _sent_words(self) -> list[int]:
        """Return the words each source sent: the number in the header it sends next."""
        rows, sources = self._pattern.rows, self._pattern.sources
        at = int(self.count[Count.POSITION])
        following = [at + (source - at) % sources for source in range(sources)]
        return [int(rows[row % len(rows), 1]) for row in following]

    def _account(self, seconds: float, cpu_s: float) -> dict[str, Any]:
        datagrams = int(self.count[Count.DATAGRAMS])
        words = datagrams * self._pattern.words_per_datagram
        return {
            "words": words,
            "packets": datagrams,
            "words_per_source": self._sent_words(),
            "seconds": round(seconds, 6),
            "words_per_s": round(words / seconds),
            "datagrams_per_s": round(datagrams / seconds),
            "asked_words_per_s": round(self._rate_per_ns * 1e9 * self._pattern.words_per_datagram) or None,
            "lateness_max_ms": round(int(self.count[Count.LATENESS_NS]) / 1e6, 3) if self._rate_per_ns else None,
            "cpu_s": round(cpu_s, 3),
            "calls": int(self.count[Count.CALLS]),
            "send_errors": int(self.count[Count.ERRORS]),
            "send_again": int(self.count[Count.AGAIN]),
            "heartbeats": self.heartbeats,
            "segments": self._segments,
            "detector_words_per_s": round(self._pattern.detector_rate_words_per_s),
            "complete": not self.stopped,
        }


def main() -> int:
    """Prepare, say so, wait for a request unless told where to send, send, say what was sent."""
    arguments = _arguments()
    if arguments.cpu is not None:
        os.sched_setaffinity(0, {arguments.cpu})
    pattern = make_pattern(
        words=arguments.pattern_words,
        words_per_datagram=arguments.words_per_datagram,
        sources=arguments.sources,
        detector_rate_words_per_s=arguments.detector_rate or arguments.rate or 2e7,
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind(("127.0.0.1", arguments.port))
        out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        blaster = Blaster(pattern, out, arguments)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: blaster.stop())
        url = f"udp://127.0.0.1:{out.getsockname()[1]}"
        print(
            json.dumps({"ready": True, "kind": "blaster", "endpoints": {"udp": url}, "faults": None, "udp": url}),
            flush=True,
        )
        peer = arguments.to or _requested(out, blaster)
        if peer is None:
            return 0
        out.connect(peer)
        if arguments.priority:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(arguments.priority))
        print(json.dumps(blaster.run()), flush=True)
    return 0


def _requested(out: socket.socket, blaster: Blaster) -> tuple[str, int] | None:
    """Return who asks for the run; None when told to stop before."""
    while not blaster.stopped:
        if not select.select([out], [], [], _WAIT_S)[0]:
            continue
        datagram, peer = out.recvfrom(2048)
        try:
            if decode(datagram, 8).header.flags & NativeFlag.REQUEST:
                return str(peer[0]), int(peer[1])
        except WireError:
            continue
    return None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blaster", description=__doc__)
    parser.add_argument(
        "--to", type=_address, metavar="HOST:PORT", help="send there at once; default: wait for a request"
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="own port (default: a free one)")
    parser.add_argument("--rate", type=float, metavar="R", help="words per second (default: flat out)")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="length of the run (default 5)")
    parser.add_argument("--words", type=int, metavar="N", help="words of the run, rounded up to whole datagrams")
    parser.add_argument("--sources", type=int, default=32, metavar="N", help="front ends (default 32)")
    parser.add_argument("--words-per-datagram", type=int, default=MAX_PAYLOAD_BYTES // 8, metavar="N")
    parser.add_argument("--gso", action="store_true", help="many datagrams to a send, by UDP_SEGMENT")
    parser.add_argument("--no-rebase", dest="rebase", action="store_false", help="repeat the times as well")
    parser.add_argument(
        "--detector-rate", type=float, metavar="R", help="words per second of detector time (default: RATE)"
    )
    parser.add_argument(
        "--pattern-words", type=int, default=1 << 20, metavar="N", help="length of the pattern (default 2^20)"
    )
    parser.add_argument(
        "--tick-us", type=int, default=200, metavar="US", help="paced: sleep at least so long (default 200)"
    )
    parser.add_argument("--cpu", type=int, metavar="N", help="run on this core only")
    parser.add_argument("--priority", type=int, default=0, metavar="N", help="real-time priority (SCHED_FIFO)")
    arguments = parser.parse_args()
    if not 1 <= arguments.words_per_datagram <= MAX_PAYLOAD_BYTES // 8:
        parser.error(f"--words-per-datagram: 1 to {MAX_PAYLOAD_BYTES // 8}")
    if not 1 <= arguments.sources <= DETECTORS:
        parser.error(f"--sources: 1 to {DETECTORS}")
    return arguments


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
