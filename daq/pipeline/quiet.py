"""How long each head had no event: what a detector that died leaves, whether or not its electronics say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from daq.model.framed import Ints
from daq.pipeline.timetable import Span

HARDLY_PS, BY_CHANCE = 10**11, 30
"""Without events for longer than a tenth of a second and 30 times the mean interval: not by chance (e^-30)."""
_BLOCK = 256
_NEAR_PS = HARDLY_PS // 4
_MOST = 4096
"""Gaps that are kept of a head, the longest."""
_NEVER_PS = 1 << 62


@dataclass(slots=True)
class Quiet:
    """Takes the times of events as they come, in order of time; of each head it keeps the gaps above `HARDLY_PS`."""

    _first_ps: dict[int, int] = field(default_factory=dict)
    _last_ps: dict[int, int] = field(default_factory=dict)
    _gaps: dict[int, Ints] = field(default_factory=dict)

    def note(self, times_ps: Ints, heads: np.ndarray | None, numbers: Sequence[int]) -> None:
        """Take times [n] and heads [n] of events, None where all are of one; `numbers`: the heads that there are."""
        for number in numbers[:1] if heads is None else numbers:
            mine = None if heads is None else heads == number
            if _is_dense(times_ps, mine):
                edge = slice(0, _BLOCK), slice(len(times_ps) // _BLOCK * _BLOCK - _BLOCK, None)
                times = np.concatenate(
                    [times_ps[part] if mine is None else times_ps[part][mine[part]] for part in edge]
                )
                self._see(number, times[[0, -1]], jump=True)
            else:
                self._see(number, times_ps if mine is None else times_ps[mine])

    def _see(self, number: int, times_ps: Ints, *, jump: bool = False) -> None:
        """Take the times of a head; with `jump` there are others, near to each other, between them."""
        if not len(times_ps):
            return
        self._first_ps.setdefault(number, int(times_ps[0]))
        before = self._last_ps.get(number, int(times_ps[0]))
        begin = np.array([before]) if jump else np.concatenate([[before], times_ps[:-1]])
        end = times_ps[:1] if jump else times_ps
        long = end - begin > HARDLY_PS
        if long.any():
            known = self._gaps.get(number, np.empty((0, 2), np.int64))
            gaps = np.concatenate([known, np.stack([begin[long], end[long]], axis=1)])
            self._gaps[number] = gaps[np.argsort(gaps[:, 0] - gaps[:, 1], kind="stable")[:_MOST]]
        self._last_ps[number] = int(times_ps[-1])

    def first_ps(self, number: int) -> int | None:
        """Return when the first event of a head came."""
        return self._first_ps.get(number)

    def longest(self, number: int, spans: Sequence[Span]) -> Span | None:
        """Return the longest time in any of the spans in which a head had no event; None where it was never so quiet.

        Of a head without any event it is all of the longest span.
        """
        gaps = self._gaps.get(number, np.empty((0, 2), np.int64))
        if number in self._first_ps:
            ends = [[-_NEVER_PS, self._first_ps[number]], [self._last_ps[number], _NEVER_PS]]
        else:
            ends = [[-_NEVER_PS, _NEVER_PS]]
        gaps = np.concatenate([gaps, np.array(ends, np.int64)])
        found: Span | None = None
        for begin_ps, end_ps in spans:
            begin, end = np.maximum(gaps[:, 0], begin_ps), np.minimum(gaps[:, 1], end_ps)
            at = int((end - begin).argmax())
            if end[at] - begin[at] > (HARDLY_PS if found is None else found[1] - found[0]):
                found = int(begin[at]), int(end[at])
        return found


def _is_dense(times_ps: Ints, mine: np.ndarray | None) -> bool:
    """Return True where a head has events in every block of events, and these are near to each other in time."""
    blocks = len(times_ps) // _BLOCK
    if not blocks:
        return False
    edges = np.append(times_ps[: blocks * _BLOCK : _BLOCK], times_ps[-1])
    if np.abs(np.diff(edges)).max() > _NEAR_PS:
        return False
    return mine is None or bool(mine[: blocks * _BLOCK].reshape(blocks, _BLOCK).any(axis=1).all())
