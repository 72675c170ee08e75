"""Find the event that decides a stop: the k-th of a family, or the first at or after a detector time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from daq.model.events import DELAYED, PROMPT
from daq.model.order import OrderRule
from daq.model.stop import BEATS, TRIGGERS, StopCondition
from daq.pipeline.beatcount import BeatCount, Gaps
from daq.pipeline.framezero import FrameZeroWatch
from daq.pipeline.stages import Streams
from daq.pipeline.stopclock import FOREVER_PS, Ints, Sources, StopClock
from daq.pipeline.windowlimits import WindowCounts


class Hit(NamedTuple):
    """A limit that was reached: the run (packet) of the deciding event, its time, the limit in words."""

    run: int
    time_ps: int
    limit: str


@dataclass(frozen=True, slots=True)
class _Family:
    """One family's rows of a call: how many after each run, and the time of the k-th."""

    after_run: Ints
    times: Ints

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

    def __init__(
        self,
        condition: StopCondition,
        *,
        since_ps: int = 0,
        rule: OrderRule | None = None,
        clock: StopClock | None = None,
        windows: Sequence[str] = (),
        turned: bool = False,
    ) -> None:
        """Begin a step; its detector time is measured from `since_ps`, by `clock` or, by default, a new one.

        By `rule` the new clock does not believe a source that has jumped ahead while another one is live. `windows`
        are the names of the energy windows in the order of their bits. Raises `RefusedError` for a limit on another.
        `turned`: regions are of the picture turned by half a turn, as that of a patient who lies feet first.
        """
        self._by_window = WindowCounts(condition.counts, windows, turned=turned)
        self._windows, self._turned = tuple(windows), turned
        self._waits = None if condition.zero is None else FrameZeroWatch(condition.zero, windows, since_ps=since_ps)
        gate, beats = condition.gate, condition.counts.get(BEATS)
        self._beats = None if gate is None else BeatCount(gate, beats, since_ps=since_ps)
        self.zero: Hit | None = None
        """What the frames of the step began with in the last call of `seen`; None where that was not in it."""
        self._families = {"events": 0, "singles": 0, "prompts": 0, "delayeds": 0, "coincidences": 0}
        self._condition = condition
        self._since_ps = since_ps
        self._clock = clock or StopClock(rule)

    @property
    def counts(self) -> dict[str, int]:
        """Return the rows of the step by family, singles by window and head besides; of a gated one triggers and beats.

        Those are the triggers that came, and the beats between them that were taken.
        """
        beats = {} if self._beats is None else {BEATS: self._beats.count, TRIGGERS: self._beats.triggers}
        return {**self._families, **self._by_window.counts, **beats}

    @property
    def judges_beats(self) -> bool:
        """True where it matters in which beat something is missing."""
        return self._beats is not None

    def pause(self, time_ps: int) -> None:
        """Take no beat that goes on after a time."""
        if self._beats is not None:
            self._beats.pause(time_ps)

    def resume(self, time_ps: int) -> None:
        """Take beats again that begin after a time."""
        if self._beats is not None:
            self._beats.resume(time_ps)

    @property
    def now_ps(self) -> int | None:
        """Return the detector's time; None before the first row that has one."""
        return self._clock.now_ps

    @property
    def heard_ps(self) -> int | None:
        """Return the time that rows tell by themselves; None before the first that has one."""
        return self._clock.heard_ps

    def tell(self, time_ps: int) -> None:
        """Go on to a time that no row tells; a limit that it reaches is found with the next rows."""
        self._clock.tell(time_ps)

    def following(self, condition: StopCondition, *, since_ps: int) -> StopCounter:
        """Return the counter of the next step, from the time of this one's clock; where that has none, `since_ps`."""
        now_ps = self._clock.now_ps
        return StopCounter(
            condition, since_ps=since_ps if now_ps is None else now_ps, clock=self._clock, windows=self._windows,
            turned=self._turned,
        )  # fmt: skip

    def seen(
        self, streams: Streams, ends: Ints, sources: Sources | None = None, told: Ints | None = None, gaps: Gaps = ()
    ) -> Hit | None:
        """Count the rows; return the limit reached first, or None.

        `ends` int64 [runs, >= 3]: rows of singles, coincidences and marks after each run of the call; `sources` the
        source of each run, all of one where it is not given; `told` as in `StopClock.reach`; `gaps` of which a beat
        may hold one.
        """
        self._look_for_zero(streams, ends)
        hits = [
            *self._by_count(streams, ends),
            *self._by_beats(streams, ends, gaps),
            *self._by_time(streams, ends, _or_one(sources, ends), told),
        ]
        return min(hits) if hits else None

    def passed(
        self, streams: Streams, ends: Ints, sources: Sources | None = None, told: Ints | None = None, gaps: Gaps = ()
    ) -> None:
        """Go on with the time by rows that count for nothing: the time of a pause is not the step's."""
        self.zero = None
        self._by_beats(streams, ends, gaps)
        before_ps = self._now_ps
        self._clock.reach(FOREVER_PS, streams, ends, _or_one(sources, ends), told)
        self._since_ps += self._now_ps - before_ps

    @property
    def _now_ps(self) -> int:
        now_ps = self._clock.now_ps
        return self._since_ps if now_ps is None else now_ps

    @property
    def waits(self) -> bool:
        """True until the frames of a step begin that wait for something."""
        return self._waits is not None

    @property
    def waits_cps(self) -> float | None:
        """Return the rate now, where frames wait for one; None where they do not."""
        waits, now_ps = self._waits, self._clock.now_ps
        return None if waits is None else waits.rate_cps(self._since_ps if now_ps is None else now_ps)

    def _look_for_zero(self, streams: Streams, ends: Ints) -> None:
        """Let the time of the step begin where its frames do."""
        self.zero = None
        found = None if self._waits is None else self._waits.see(streams, ends)
        if self._waits is not None and found is not None:
            run, self._since_ps = found
            self.zero = Hit(run, self._since_ps, self._waits.by)
            self._waits = None

    def _by_count(self, streams: Streams, ends: Ints) -> list[Hit]:
        hits = []
        rows = _rows_by_family(streams)
        for name, count in rows.items():
            limit = self._condition.counts.get(name)
            before, self._families[name] = self._families[name], self._families[name] + count
            if limit is not None and before < limit <= self._families[name]:
                run, time_ps = _family(name, streams, ends).nth(limit - before - 1)
                hits.append(Hit(run, time_ps, f"{name}={limit}"))
        singles: Any = streams.get("singles", {})
        for row, said in self._by_window.see(singles):
            run, time_ps = _Family(ends[:, 0], singles["time_ps"]).nth(row)
            hits.append(Hit(run, time_ps, said))
        return hits

    def _by_beats(self, streams: Streams, ends: Ints, gaps: Gaps) -> list[Hit]:
        found = None if self._beats is None else self._beats.see(streams, ends, gaps)
        return [] if found is None else [Hit(*found, f"{BEATS}={self._condition.counts[BEATS]}")]

    def _by_time(self, streams: Streams, ends: Ints, sources: Sources, told: Ints | None) -> list[Hit]:
        """Go on with the time, also for the sake of the next step, and look whether it ends this one."""
        duration_ps = self._condition.duration_ps
        limit_ps = FOREVER_PS if duration_ps is None or self.waits else self._since_ps + duration_ps
        run = self._clock.reach(limit_ps, streams, ends, sources, told)
        return [] if run is None or duration_ps is None else [Hit(run, limit_ps, "time")]


def _or_one(sources: Sources | None, ends: Ints) -> Sources:
    """Return the source of each run; all of one where none is given."""
    return np.zeros(len(ends), np.uint16) if sources is None else sources


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
