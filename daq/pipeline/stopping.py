"""Find the event that decides a stop: the k-th of a family, or the first at or after a detector time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daq.model.events import DELAYED, PROMPT
from daq.model.kernel import kernel
from daq.model.order import OrderRule
from daq.model.stop import StopCondition
from daq.pipeline.stages import Streams

Ints = npt.NDArray[np.int64]

_NEVER_PS = -(1 << 63) + 1
_FOREVER_PS = (1 << 63) - 1
_NO_TIMES = np.empty(0, np.int64)


class Hit(NamedTuple):
    """A limit that was reached: the run (packet) of the deciding event, its time, the limit in words."""

    run: int
    time_ps: int
    limit: str


@dataclass(frozen=True, slots=True)
class _Family:
    """One family's rows of a call: how many after each run, and the time of the k-th."""

    after_run: Ints
    times: npt.NDArray[np.int64]

    @property
    def rows(self) -> int:
        return len(self.times)

    def nth(self, index: int) -> tuple[int, int]:
        """Return the run and the time of row `index`."""
        return int(np.searchsorted(self.after_run, index, "right")), int(self.times[index])


class StopCounter:
    """Counts rows of each family as they come and tells when a limit is reached.

    The verdict is a function of the rows in the order of their packets: within a packet singles count before pairs.
    """

    def __init__(self, condition: StopCondition, *, since_ps: int = 0, rule: OrderRule | None = None) -> None:
        """Begin a step; its detector time is measured from `since_ps`.

        By `rule` a source whose clock has jumped ahead, while another one is live, does not tell the time.
        """
        self.counts = {"events": 0, "singles": 0, "prompts": 0, "delayeds": 0, "coincidences": 0}
        self._condition = condition
        self._since_ps = since_ps
        self._rule = np.array([rule.max_disorder_ps, rule.max_step_ps] if rule else [0, _FOREVER_PS], np.int64)
        self._newest = np.zeros(2, np.int64)
        self._last = np.empty(0, np.int64)

    def following(self, condition: StopCondition, *, since_ps: int) -> StopCounter:
        """Return the counter of the next step: from the time that this one was told or, untold, from `since_ps`."""
        told = bool(self._newest[1])
        counter = StopCounter(condition, since_ps=int(self._newest[0]) if told else since_ps)
        counter.__dict__.update(_rule=self._rule, _newest=self._newest.copy(), _last=self._last.copy())
        return counter

    def seen(self, streams: Streams, ends: Ints, sources: npt.NDArray[np.uint16] | None = None) -> Hit | None:
        """Count the rows; return the limit reached first, or None.

        `ends` int64 [runs, >= 3]: rows of singles, coincidences and marks after each run of the call; `sources` the
        source of each run, all of one where it is not given.
        """
        if sources is None:
            sources = np.zeros(len(ends), np.uint16)
        hits = [*self._by_count(streams, ends), *self._by_time(streams, ends, sources)]
        return min(hits) if hits else None

    def pause(self, lost_ps: int) -> None:
        """Take `lost_ps` of detector time, which passed in a pause, out of the step."""
        self._since_ps += lost_ps

    def _by_count(self, streams: Streams, ends: Ints) -> list[Hit]:
        hits = []
        rows = _rows_by_family(streams)
        for name, count in rows.items():
            limit = self._condition.counts.get(name)
            before, self.counts[name] = self.counts[name], self.counts[name] + count
            if limit is not None and before < limit <= self.counts[name]:
                run, time_ps = _family(name, streams, ends).nth(limit - before - 1)
                hits.append(Hit(run, time_ps, f"{name}={limit}"))
        return hits

    def _by_time(self, streams: Streams, ends: Ints, sources: npt.NDArray[np.uint16]) -> list[Hit]:
        if self._condition.duration_ps is None or not len(ends):
            return []
        limit = self._since_ps + self._condition.duration_ps
        missing = int(sources.max()) + 1 - len(self._last)
        if missing > 0:
            self._last = np.concatenate([self._last, np.full(missing, _NEVER_PS)])
        singles, pairs, marks = (_times(streams, stream) for stream in ("singles", "coincidences", "marks"))
        run = _first_run(  # type: ignore[no-untyped-call]
            limit, self._rule, self._newest, self._last, np.ascontiguousarray(sources),
            np.ascontiguousarray(ends[:, :3]), singles, pairs, marks,
        )  # fmt: skip
        return [Hit(int(run), limit, "time")] if run >= 0 else []


@kernel(
    "int64(int64, int64[::1], int64[::1], int64[::1], uint16[::1], int64[:, ::1], int64[::1], int64[::1], int64[::1])"
)
def _first_run(  # type: ignore[no-untyped-def] # noqa: C901 - one loop over what came
    limit, rule, newest, last, sources, ends, singles, pairs, marks
):
    """Return the first run by which the time reaches `limit`, or -1; bring `newest` (time, known?) and `last` on."""
    hit = -1
    begin_0, begin_1, begin_2 = 0, 0, 0
    for run in range(ends.shape[0]):
        top = _NEVER_PS
        for row in range(begin_0, ends[run, 0]):
            top = max(top, singles[row])
        for row in range(begin_1, ends[run, 1]):
            top = max(top, pairs[row])
        for row in range(begin_2, ends[run, 2]):
            top = max(top, marks[row])
        begin_0, begin_1, begin_2 = ends[run, 0], ends[run, 1], ends[run, 2]
        if top == _NEVER_PS:
            continue
        own = sources[run]
        jumped = False
        if newest[1] and top - newest[0] > rule[1]:
            for other in range(last.size):
                if other != own and newest[0] - rule[0] <= last[other] <= newest[0]:
                    jumped = True
        last[own] = top
        if jumped:
            continue
        if newest[1] == 0 or top > newest[0]:
            newest[0], newest[1] = top, 1
        if hit < 0 and newest[0] >= limit:
            hit = run
    return hit


def _times(streams: Streams, stream: Any) -> Ints:
    return np.ascontiguousarray(streams.get(stream, {}).get("time_ps", _NO_TIMES), np.int64)


def _rows_by_family(streams: Streams) -> dict[str, int]:
    singles = len(streams.get("singles", {}).get("time_ps", ()))
    pairs: Any = streams.get("coincidences", {})
    coincidences = len(pairs.get("time_ps", ()))
    prompts = int(np.count_nonzero(pairs["kind"] == PROMPT)) if coincidences else 0
    return {
        "events": singles + coincidences,
        "singles": singles,
        "prompts": prompts,
        "delayeds": coincidences - prompts,
        "coincidences": coincidences,
    }


def _family(name: str, streams: Streams, ends: Ints) -> _Family:
    none = np.empty(0, np.int64)
    singles: Any = streams.get("singles", {}).get("time_ps", none)
    pairs: Any = streams.get("coincidences", {})
    times: Any = pairs.get("time_ps", none)
    if name == "singles":
        return _Family(ends[:, 0], singles)
    if name == "coincidences":
        return _Family(ends[:, 1], times)
    if name == "events":
        return _Family(ends[:, 0] + ends[:, 1], _by_run(singles, times, ends))
    chosen = np.flatnonzero(pairs["kind"] == (PROMPT if name == "prompts" else DELAYED))
    return _Family(np.searchsorted(chosen, ends[:, 1], "left"), times[chosen])


def _by_run(singles: Ints, pairs: Ints, ends: Ints) -> Ints:
    """Return the times of all events, run by run, singles first."""
    if not len(singles) or not len(pairs):
        return singles if len(singles) else pairs
    runs = [np.repeat(np.arange(len(ends)), np.diff(ends[:, column], prepend=0)) for column in (0, 1)]
    order = np.argsort(np.concatenate(runs), kind="stable")
    return np.concatenate([singles, pairs])[order]
