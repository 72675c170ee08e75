"""Pair a slice of recorded singles by itself, so that slices can be paired in any order, at once, anywhere.

A slice owns the windows that its singles open. A window looks forward only, no further than half window and delay, so a
slice needs a tail: the singles after it within twice that reach, or up to where order begins anew. What windows of the
tail give comes last and is taken off again, counts too: paired alone, the tail says how much that is. Twice, because
counting what stayed unpaired asks for every partner of those singles that a window of the slice reaches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Columns = Mapping[str, npt.NDArray[Any]]
Rows = dict[str, npt.NDArray[Any]]

_LOOK_ROWS = 1 << 12


class Pairs(Protocol):
    """What pairs singles: `daq.pipeline.pairing.Pairer`."""

    @property
    def counts(self) -> dict[str, int]:
        """What was counted so far."""

    def push(self, singles: Mapping[str, npt.NDArray[Any]]) -> Rows:
        """Take singles; return the coincidences that are complete."""

    def flush(self) -> Rows:
        """Return the others; nothing that comes later pairs with what was."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a window looks ahead, ps: half window and delay together; which singles pair at all, as in `Pairer`."""

    reach_ps: int
    window_mask: int = 0


@dataclass(frozen=True, slots=True)
class Paired:
    """Coincidences whose windows the singles of a slice open, in order, and how many of each kind and cause."""

    rows: list[Rows]
    counts: dict[str, int]
    singles: int


def pair_slice(runs: Iterable[Columns], own: int, reach: Reach, pairer: Pairs) -> Paired:
    """Return what the first `own` singles of `runs` open, the singles after them being their tail.

    `runs` are taken no further than the tail goes. `pairer` holds nothing, and holds nothing afterwards; its rows come
    in the order of the singles that open their windows.
    """
    before, made, tail, rest = pairer.counts, [], Tail(reach), own
    for run in runs:
        mine, after = cut(run, rest)
        if rest:
            made.append(pairer.push(mine))
            tail.follow(mine)
            rest -= length(mine)
        if not rest and tail.add(after):
            break
    made += [pairer.push(run) for run in tail.runs]
    made.append(pairer.flush())
    with_tail = pairer.counts
    opened_by_tail = sum(length(pairer.push(run)) for run in tail.runs) + length(pairer.flush())
    alone = pairer.counts
    counts = {name: 2 * with_tail[name] - before.get(name, 0) - alone[name] for name in with_tail}
    return Paired(_without_last(made, opened_by_tail), counts, own - rest)


def slices_of(runs: Iterable[Columns], rows: int, reach: Reach) -> Iterator[tuple[list[Columns], int]]:
    """Yield slices of at least `rows` rows: their runs with those of the tail, and how many rows are their own.

    For singles that lie in no file. The runs must keep their memory.
    """
    source = iter(runs)
    ahead: deque[Columns] = deque()
    while True:
        mine, tail, own = [], Tail(reach), 0
        while own < rows and (run := ahead.popleft() if ahead else next(source, None)) is not None:
            mine.append(run)
            tail.follow(run)
            own += length(run)
        if not own:
            return
        is_end = any(tail.add(run) for run in ahead)
        while not is_end and (run := next(source, None)) is not None:
            ahead.append(run)
            is_end = tail.add(run)
        yield [*mine, *tail.runs], own


class Tail:
    """Collects the singles behind a slice that its windows reach."""

    def __init__(self, reach: Reach) -> None:
        self.runs: list[Columns] = []
        self._span_ps = 2 * reach.reach_ps
        self._mask = reach.window_mask
        self._last_ps: int | None = None
        self._newest_ps = 0

    def follow(self, run: Columns) -> None:
        """See singles of the slice: the tail begins behind the last one that can pair."""
        for stop in range(length(run), 0, -_LOOK_ROWS):
            start = max(0, stop - _LOOK_ROWS)
            found = self._can_pair(run, start, stop)
            if len(found):
                self._last_ps = self._newest_ps = int(run["time_ps"][start + int(found[-1])])
                return

    def add(self, run: Columns) -> bool:
        """Take the rows of `run` that belong to the tail; return True when it ends there."""
        if self._last_ps is None:
            return True
        for start in range(0, length(run), _LOOK_ROWS):
            found = self._can_pair(run, start, start + _LOOK_ROWS)
            times = run["time_ps"][start : start + _LOOK_ROWS][found]
            ends = (np.diff(times, prepend=self._newest_ps) < 0) | (times > self._last_ps + self._span_ps)
            if ends.any():
                self.runs.append(cut(run, start + int(found[int(np.argmax(ends))]))[0])
                return True
            self._newest_ps = int(times[-1]) if len(times) else self._newest_ps
        self.runs.append(run)
        return False

    def _can_pair(self, run: Columns, start: int, stop: int) -> npt.NDArray[np.intp]:
        """Return the places, from `start` on, of the rows before `stop` that are not late and in a window."""
        part = slice(start, stop)
        can = np.ones(len(run["time_ps"][part]), np.bool_)
        if "late" in run:
            can &= ~run["late"][part]
        if self._mask:
            can &= (run["windows"][part] & np.uint16(self._mask)) != 0
        return np.flatnonzero(can)


def cut(run: Columns, row: int) -> tuple[Columns, Columns]:
    """Return the rows before `row` and the others, as views."""
    return {name: values[:row] for name, values in run.items()}, {name: values[row:] for name, values in run.items()}


def length(run: Columns) -> int:
    """Return the number of rows."""
    return len(run["time_ps"])


def _without_last(made: list[Rows], rows: int) -> list[Rows]:
    """Return the runs without the last `rows` rows."""
    while made and rows >= length(made[-1]):
        rows -= length(made.pop())
    if rows:
        made[-1] = dict(cut(made[-1], length(made[-1]) - rows)[0])
    return [run for run in made if length(run)]
