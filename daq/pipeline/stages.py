"""What stands between decoding and writing: positions of heads, singles calibrated, windowed and chosen; their pairs.

Without something to do each gives the rows as they are, so that a path without it is no special case. What is kept from
call to call does not depend on where the rows were cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from daq.model.events import StreamName
from daq.model.processing import Processing
from daq.model.stop import StopCondition
from daq.pipeline.singles import SinglesPass

if TYPE_CHECKING:
    from daq.pipeline.heads import HeadStage
    from daq.pipeline.pairstage import PairStage

Streams = Mapping[StreamName, Mapping[str, npt.NDArray[Any]]]
Ints = npt.NDArray[np.int64]
Ends = Mapping[StreamName, Ints]
"""Rows of each stream of events after each run of a call."""


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """Rows of a call after calibration and windows.

    `every`: all of them, marks included; `chosen`: the events that go on, `ends` of them after each run. `rates` int64
    [cuts, modules + 1]: singles per module from cut to cut.
    """

    every: Streams
    chosen: Streams
    ends: Ends
    rates: Ints


class PairRelease(NamedTuple):
    """A limit on pairs that was reached: the single of the call that released the pair (-1: a flush), the pair's time,
    the limit in words.
    """  # noqa: D205

    single: int
    time_ps: int
    limit: str


class Stages:
    """The stages of one acquisition. One thread uses them."""

    def __init__(
        self, singles: SinglesPass | None = None, pair: PairStage | None = None, heads: HeadStage | None = None
    ) -> None:
        """Use `of`, or begin with what is given."""
        self._heads = heads
        self._singles = singles
        self.pair = pair

    @classmethod
    def of(cls, processing: Processing, stop: StopCondition, *, ordered: bool) -> Self:
        """Return the stages that a processing asks for. `ordered`: what goes on is copied before the next call."""
        untouched = processing.model_copy(update={"heads": ()}).is_none and processing.modules_of is None
        return cls(
            None if untouched else SinglesPass(processing, reuse=ordered),
            _pair_stage(processing, stop) if processing.pairing else None,
            _head_stage(processing, reuse=ordered) if processing.heads else None,
        )

    def fork(self) -> Stages:
        """Return stages that go on with what is chosen and with the pairs; these are left with counting singles."""
        twin = copy(self)
        twin._heads = self._heads.fork() if self._heads else None  # noqa: SLF001 - another of our kind
        twin._singles = deepcopy(self._singles)  # noqa: SLF001 - another of our kind
        self.pair = None
        return twin

    @property
    def pair_counts(self) -> dict[str, int]:
        """Return the pairs of the present step, by the names of limits; empty where none are made."""
        return dict(self.pair.limits.counts) if self.pair else {}

    @property
    def counters(self) -> dict[str, Any]:
        """Return what was counted over the whole acquisition, as plain data."""
        return {
            **({"heads": self._heads.counts} if self._heads else {}),
            **(self._singles.counts if self._singles else {}),
            **({"pairing": self.pair.counts} if self.pair else {}),
        }

    @property
    def warnings(self) -> list[str]:
        """Return what there is to say about channels of heads, a sentence each."""
        return self._heads.warnings if self._heads else []

    @property
    def excluded(self) -> Ints:
        """Return the singles that were not chosen, by source number."""
        return self._singles.excluded if self._singles else np.empty(0, np.int64)

    @property
    def pairs_wait_from_ps(self) -> int | None:
        """Return the time of the first single whose windows are open; None where none is."""
        return self.pair.waits_from_ps if self.pair else None

    def singles(self, streams: Streams, ends: Ints, sources: npt.NDArray[np.uint16], cuts: Ints) -> Passed:
        """Return the rows of a call after calibration and windows.

        `ends` int64 [runs, >= 2]: rows of singles and of coincidences after each run, `sources` the source of each.
        `cuts` are the runs before which the singles per module are counted.
        """
        events: Any = {stream: columns for stream, columns in streams.items() if stream != "marks"}
        after: dict[StreamName, Ints] = {"singles": ends[:, 0], "coincidences": ends[:, 1]}
        if "singles" not in streams or (self._singles is None and self._heads is None):
            return Passed(streams, events, after, np.empty((0, 0), np.int64))
        rows = self._heads(streams["singles"], ends[:, 0], sources) if self._heads else streams["singles"]
        every: Any = {**streams, "singles": rows}
        if self._singles is None:
            return Passed(every, {**events, "singles": rows}, after, np.empty((0, 0), np.int64))
        found = self._singles(rows, ends[:, 0], sources, cuts)
        every = {**streams, "singles": found.every}
        return Passed(every, {**events, "singles": found.chosen}, {**after, "singles": found.ends}, found.in_modules)

    def take_modules(self) -> Ints:
        """Return the singles per module [modules + 1] since the last cut; of no length where no module is known."""
        return self._singles.take_modules() if self._singles else np.empty(0, np.int64)

    def append_pairs(
        self, rows: dict[StreamName, list[Any]], released: Streams, *, flush: bool = False
    ) -> PairRelease | None:
        """Add the pairs of singles that were released to `rows`; return the limit that they reach.

        `flush`: nothing that comes later pairs with what was.
        """
        if self.pair is None or "singles" not in released:
            return None
        found = self._made(rows, self.pair.push(released["singles"]))
        if not flush:
            return found
        left = self._made(rows, self.pair.flush())
        return found or left

    def _made(self, rows: dict[StreamName, list[Any]], pairs: dict[str, npt.NDArray[Any]]) -> PairRelease | None:
        if len(pairs["time_ps"]):
            rows.setdefault("coincidences", []).append(pairs)
        hit = self.pair.hit if self.pair else None
        return None if hit is None else PairRelease(hit[1], hit[0].time_ps, hit[0].limit)

    def step(self, condition: StopCondition, since_ps: int) -> None:
        """Begin another step at a time."""
        if self.pair:
            self.pair.limits.step(condition.counts, since_ps)

    def pause(self, since_ps: int) -> None:
        """Count no pairs from a time on."""
        if self.pair:
            self.pair.limits.pause(since_ps)

    def resume(self, since_ps: int) -> None:
        """Count pairs from a time on."""
        if self.pair:
            self.pair.limits.resume(since_ps)

    def decide_no_pairs(self) -> None:
        """Decide no limit on pairs from here on."""
        if self.pair:
            self.pair.limits.decide_no_more()


def _head_stage(processing: Processing, *, reuse: bool) -> HeadStage:
    """Return the stage of heads, whose loops are loaded where there are heads alone."""
    from daq.pipeline.heads import HeadStage

    return HeadStage(processing.heads, reuse=reuse)


def _pair_stage(processing: Processing, stop: StopCondition) -> PairStage:
    """Return the stage that pairs, whose loops take seconds to compile: load them where they are needed alone."""
    from daq.pipeline.pairstage import PairStage

    return PairStage(processing, stop)
