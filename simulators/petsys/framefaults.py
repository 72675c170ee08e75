"""Frames under faults: what the front end loses, sends twice, out of order, cut short or with lies in their heads.

No frame has more than one fault, so that the truth stays simple: what a frame carries arrives whole, or it does not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.model import tofpet2 as t
from simulators.faults.board import FaultBoard
from simulators.faults.network import Fault
from simulators.petsys.encoding import Ints, Words
from simulators.petsys.faultkinds import FRAME_KINDS
from simulators.petsys.loop import EVENTS_LOST, cut

_MOST_LIE = 16
"""A lying frame claims 1 to so many events more than it has."""
_FOREIGN = t.ADDRESS_MASK
"""Address of the last slave at the last port, unless that is the unit itself."""
FRAMES_PER_S = t.CLOCK_HZ / t.FRAME_CLOCKS

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Datagrams: each is `length` bytes from word `begin` of `words` on."""

    words: Words
    begin: Ints
    length: Ints


class FrameFaults:
    """Applies the faults of a board to batches of frames; `counts` says what happened to how much."""

    def __init__(self, board: FaultBoard, datagram_words: int) -> None:
        self.counts: Counter[str] = Counter()
        self._board = board
        self._most = datagram_words
        self._rngs: dict[int, np.random.Generator] = {}

    @property
    def active(self) -> bool:
        """Tell whether there is anything to apply."""
        return self._board.active and any(f.spec.kind in FRAME_KINDS for f in self._board.faults("udp"))

    def pack(self, words: Words, starts: Ints, number: int) -> Packed:
        """Return the datagrams of frames: frame k begins at word `starts[k]` and is frame `number` + k of the run."""
        count = len(starts) - 1
        size, begin = np.diff(starts), starts[:-1]
        words = words.copy()
        hits = self._hits(number, count, size)
        self._lie(words, begin[hits["lie"]])
        self._move(words, begin[hits["port"]])
        self._lose_events(words, size, begin, hits["lost-flag"])
        order = self._order(hits)
        ends = np.concatenate([[0], np.cumsum(size[order])])
        sent = words[np.arange(ends[-1]) + np.repeat(begin[order] - ends[:-1], size[order])]
        cuts = cut(ends, self._most)
        length = np.diff(ends[cuts]) * t.WORD_BYTES
        self._count_behind_lies(hits["lie"][order], cuts, size[order])
        clean = ~np.any([hits[kind] for kind in FRAME_KINDS], axis=0)[order]
        self._truncate(length, cuts, size[order], clean, number)
        return Packed(sent, ends[cuts[:-1]], length)

    def _hits(self, number: int, count: int, size: Ints) -> dict[str, Bools]:
        """Return which frames each kind of fault hits, none by two of them."""
        free = np.ones(count, bool)
        hits = {kind: np.zeros(count, bool) for kind in FRAME_KINDS}
        for fault in self._board.faults("udp"):
            if fault.spec.kind in FRAME_KINDS and fault.spec.kind != "truncate":
                hit = self._drawn(fault, number + np.arange(count)) & free
                if fault.spec.kind == "swap":
                    hit[-1:] = False
                    hit[1:] &= ~hit[:-1]
                    hit[:-1] &= free[1:]
                    free[1:] &= ~hit[:-1]
                free &= ~hit
                hits[fault.spec.kind] |= hit
                name = fault.spec.kind.replace("-", "_")
                self.counts[f"{name}_frames"] += int(hit.sum())
                lost = np.minimum(size[hit] - t.HEADER_WORDS, 1 if fault.spec.kind == "lost-flag" else t.SIZE_MASK)
                self.counts[f"{name}_events"] += int(lost.sum())
        return hits

    def _drawn(self, fault: Fault, numbers: Ints) -> Bools:
        rng = self._rngs.setdefault(fault.number, np.random.default_rng([self._board.seed, fault.number]))
        spec = fault.spec
        when_s = numbers / FRAMES_PER_S
        able: Bools = (when_s >= spec.from_s) & (when_s < spec.until_s)
        return able & (rng.random(len(numbers)) < (spec.share or 0.0))

    def _lie(self, words: Words, begin: Ints) -> None:
        rng = np.random.default_rng([self._board.seed, len(begin), self.counts["lie_frames"]])
        words[begin + 1] += rng.integers(1, _MOST_LIE, len(begin)).astype(np.uint64)

    @staticmethod
    def _move(words: Words, begin: Ints) -> None:
        own = words[begin] >> np.uint64(t.ADDRESS_SHIFT) & np.uint64(t.ADDRESS_MASK)
        foreign = np.where(own == _FOREIGN, 0, _FOREIGN).astype(np.uint64)
        words[begin] ^= (own ^ foreign) << np.uint64(t.ADDRESS_SHIFT)

    @staticmethod
    def _lose_events(words: Words, size: Ints, begin: Ints, hit: Bools) -> None:
        some = hit & (size > t.HEADER_WORDS)
        size[some] -= 1
        words[begin[some]] -= np.uint64(1 << t.SIZE_SHIFT)
        words[begin[some] + 1] -= np.uint64(1)
        words[begin[hit] + 1] |= np.uint64(EVENTS_LOST << t.LOST_SHIFT)

    @staticmethod
    def _order(hits: dict[str, Bools]) -> Ints:
        """Return which frames are sent, in which order."""
        order = np.arange(len(hits["loss"]))
        swapped = np.flatnonzero(hits["swap"])
        order[swapped], order[swapped + 1] = swapped + 1, swapped
        times = np.where(hits["loss"], 0, np.where(hits["duplicate"], 2, 1))
        return np.repeat(order, times[order])

    def _count_behind_lies(self, lying: Bools, cuts: Ints, size: Ints) -> None:
        """Count frames that stand behind a lie in their datagram: a reader that stops there does not see them."""
        if not lying.any():
            return
        before: Ints = np.cumsum(lying) - lying
        first = np.repeat(cuts[:-1], np.diff(cuts))
        behind = (before > before[first]) & ~lying
        self.counts["behind_lie_frames"] += int(behind.sum())
        self.counts["behind_lie_events"] += int((size[behind] - t.HEADER_WORDS).sum())

    def _truncate(self, length: Ints, cuts: Ints, size: Ints, clean: Bools, number: int) -> None:
        """Cut datagrams whose last frame has no other fault, anywhere in that frame."""
        for fault in self._board.faults("udp"):
            if fault.spec.kind == "truncate":
                last = cuts[1:] - 1
                hit = self._drawn(fault, number + last) & clean[last]
                lost = size[last[hit]]
                rng = self._rngs[fault.number]
                length[hit] -= 1 + (rng.random(len(lost)) * (lost * t.WORD_BYTES - 1)).astype(np.int64)
                clean[last[hit]] = False
                self.counts["truncate_frames"] += len(lost)
                self.counts["truncate_events"] += int((lost - t.HEADER_WORDS).sum())
