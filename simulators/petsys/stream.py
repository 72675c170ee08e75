"""The frames of one run, from a sync until nobody listens any more: which are due, what they are, out they go."""

from __future__ import annotations

import socket
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from daq.model import tofpet2 as t
from daq.wire.petsys import DATA_MARK
from simulators.batch import BATCH, BatchSender, PeerGoneError
from simulators.faults.board import FaultBoard
from simulators.petsys.encoding import Ints, Words
from simulators.petsys.framefaults import FRAMES_PER_S, FrameFaults
from simulators.petsys.loop import Content, Loop, State, Tally
from simulators.petsys.modules import NEVER, frame_at, state_at

FRAME_NS = 1e9 / FRAMES_PER_S
_FAULTY_FRAMES = 4096
_MOST_WAITS = 2000
"""Tries, a millisecond each, to send what the network has no room for."""
_MARK = np.array([DATA_MARK], np.uint8)

Peer = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Pace:
    """`speed` None: flat out, as long as there are events. `frames`: so many have events, None: all that come."""

    speed: float | None
    frames: int | None
    first_id: int = 0


class Stream:
    """One run. `number` is the next frame, from 0 at the sync on; `lateness_ns` how far behind the worst batch left."""

    def __init__(
        self, content: Content, pace: Pace, board: FaultBoard, udp: socket.socket, began_ns: int, datagram_words: int
    ) -> None:
        self.number = 0
        self.datagrams = 0
        self.bytes = 0
        self.lateness_ns = 0
        self.restarts = 0
        self.had_events = False
        self.faults = FrameFaults(board, datagram_words)
        self._content, self._pace, self._board, self._udp = content, pace, board, udp
        self._began_ns = began_ns
        self._id_of_zero = pace.first_id
        self._end = t.FRAME_ID_MASK << 9 if pace.frames is None else pace.frames
        self._over_ns: int | None = None
        self._over_number = 0
        self._enabled = 0
        self._restarted: set[int] = set()
        self._tally = Tally()
        self._counted = 0
        self._state, self._until = State(0), 0
        self._loop: Loop = content.loop(self._state)
        self._ahead: tuple[State, Future[Loop]] | None = None
        self._helper = ThreadPoolExecutor(1, "next frames")
        self.enable(0)

    @property
    def complete(self) -> bool:
        """Tell whether all frames that were to have events are out."""
        return self.number >= self._end

    def enable(self, asics: int) -> None:
        """Send events of these ASICs from the next frame on, a bit each."""
        if asics != self._enabled or not self._until:
            self._enabled = asics
            self.had_events = self.had_events or bool(asics)
            self._ahead = None
            self._enter(self.number)

    def changed(self) -> None:
        """Look at the faults again: there are others now."""
        self._ahead = None
        self._enter(self.number)

    def clocks(self, now_ns: int) -> int:
        """Return the detector's clocks since the sync."""
        if self._pace.speed is None and not self.complete:
            return self.number * t.FRAME_CLOCKS
        return int(self._frames_passed(now_ns) * t.FRAME_CLOCKS)

    def seconds(self, now_ns: int) -> float:
        """Return the detector's time since the sync."""
        return self.clocks(now_ns) / t.CLOCK_HZ

    def step(self, now_ns: int, peer: Peer) -> bool:
        """Send up to a batch of what is due; return whether more is. Raise `PeerGoneError`."""
        due = self.number + _FAULTY_FRAMES
        if self._pace.speed is not None or self.complete:
            due = int(self._frames_passed(now_ns))
            self.lateness_ns = max(self.lateness_ns, int((due - self.number - 1) * self._ns_per_frame))
        if due <= self.number:
            return False
        self._restart()
        if self.number >= self._until:
            self._enter(self.number)
        at = self.number % self._loop.frames
        ready = min(due, self._until, self._next_restart()) - self.number
        stop = min(at + ready, self._loop.frames, at + _FAULTY_FRAMES)
        count = self._send_faulty(at, stop, peer) if self.faults.active else self._send(at, stop, peer)
        self.number += count
        if self.complete and self._over_ns is None and self._pace.speed is None:
            self._over_ns, self._over_number = now_ns, self.number
        return due > self.number

    def close(self) -> None:
        """End the thread that prepares frames."""
        self._helper.shutdown(cancel_futures=True)

    def tally(self) -> Tally:
        """Return what the front end made so far, before faults of frames."""
        self._count()
        return self._tally

    def described(self) -> dict[str, Any]:
        """Return the run's part of the truth file."""
        first = self._pace.first_id & t.FRAME_ID_MASK
        return {
            "first_frame": first,
            "last_frame": (self._id_of_zero + self.number - 1) & t.FRAME_ID_MASK if self.number else None,
            "datagrams": self.datagrams,
            "bytes": self.bytes,
            "lateness_ms": self.lateness_ns / 1e6,
            **self.tally().described(),
        }

    @property
    def _ns_per_frame(self) -> float:
        return FRAME_NS / (self._pace.speed or 1.0)

    def _frames_passed(self, now_ns: int) -> float:
        if self._over_ns is not None:
            return self._over_number + (now_ns - self._over_ns) / FRAME_NS
        return (now_ns - self._began_ns) / self._ns_per_frame

    def _enter(self, number: int) -> None:
        """Begin the state of frame `number`, and have the one after it prepared."""
        self._count()
        state, self._until = state_at(number, self._enabled, self._end, self._board)
        if state != self._state:
            prepared = self._ahead is not None and self._ahead[0] == state
            self._loop = self._ahead[1].result() if self._ahead and prepared else self._content.loop(state)
            self._state = state
        following, _ = state_at(self._until, self._enabled, self._end, self._board)
        self._ahead = None
        if following != state:
            self._ahead = following, self._helper.submit(self._content.loop, following)

    def _count(self) -> None:
        if self.number > self._counted:
            self._tally.add(self._loop.tally(self._counted, self.number))
            self._counted = self.number

    def _restarts(self) -> dict[int, int]:
        """Return before which frame the ids are to begin anew, by the number of the fault."""
        faults = self._board.faults("udp") if self._board.active else ()
        asked = {fault.number: frame_at(fault.spec.at_s or 0.0) for fault in faults if fault.spec.kind == "restart"}
        return {number: frame for number, frame in asked.items() if number not in self._restarted}

    def _next_restart(self) -> int:
        return min((frame for frame in self._restarts().values() if frame > self.number), default=NEVER)

    def _restart(self) -> None:
        """Begin the frame ids anew where a fault says so."""
        for number, frame in self._restarts().items():
            if frame <= self.number:
                self._restarted.add(number)
                self._id_of_zero = -self.number
                self.restarts += 1

    def _send(self, at: int, stop: int, peer: Peer) -> int:
        """Send frames of the loop as they lie there; return how many left."""
        loop = self._loop
        cuts = loop.cuts[np.searchsorted(loop.cuts, at, "right") :][:BATCH]
        bounds = np.concatenate([[at], cuts[cuts < stop], [min(stop, int(cuts[-1]))]])
        loop.number(at, int(bounds[-1]), self._id_of_zero + self.number)
        places = loop.starts[bounds]
        sent = self._put(loop.words, places[:-1], np.diff(places) * t.WORD_BYTES, peer)
        return int(bounds[sent]) - at

    def _send_faulty(self, at: int, stop: int, peer: Peer) -> int:
        loop = self._loop
        loop.number(at, stop, self._id_of_zero + self.number)
        begin = int(loop.starts[at])
        words = loop.words[begin : int(loop.starts[stop])]
        packed = self.faults.pack(words, loop.starts[at : stop + 1] - begin, self.number)
        sent = waits = 0
        while sent < len(packed.begin):
            taken = self._put(packed.words, packed.begin[sent:], packed.length[sent:], peer)
            sent += taken
            waits = 0 if taken else waits + 1
            if waits > _MOST_WAITS:
                raise PeerGoneError("the network takes no more datagrams")
        return stop - at

    def _put(self, words: Words, begin: Ints, length: Ints, peer: Peer) -> int:
        """Send datagrams, return how many the system took."""
        address = np.empty((len(begin), 2), np.uint64)
        address[:, 0] = _MARK.ctypes.data
        address[:, 1] = words.ctypes.data + begin * t.WORD_BYTES
        sender = BatchSender(self._udp, peer, address, np.stack([np.ones_like(length), length], axis=1))
        sent = sender.send(0, len(begin))
        self.datagrams += sent
        self.bytes += int(length[:sent].sum()) + sent
        return sent
