"""Find the event that decides a stop: the k-th of a family, or the first at or after a detector time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.events import DELAYED, PROMPT
from daq.model.stop import StopCondition
from daq.pipeline.stages import Streams

Times = npt.NDArray[np.int64]


class StopCounter:
    """Counts rows of each family as they come and tells when a limit is reached."""

    def __init__(self, condition: StopCondition) -> None:
        self.counts = {"events": 0, "singles": 0, "prompts": 0, "delayeds": 0, "coincidences": 0}
        self._condition = condition

    def seen(self, streams: Streams) -> tuple[str, int] | None:
        """Count the rows; return the limit reached first and the `time_ps` of its event, or None."""
        reached = [*self._by_count(streams), *self._by_time(streams)]
        return min(reached, key=lambda hit: hit[1]) if reached else None

    def copy(self) -> StopCounter:
        """Return an independent counter in the same state."""
        twin = StopCounter(self._condition)
        twin.counts = dict(self.counts)
        return twin

    def _by_count(self, streams: Streams) -> list[tuple[str, int]]:
        reached = []
        for name, times in _families(streams).items():
            limit = self._condition.counts.get(name)
            before, self.counts[name] = self.counts[name], self.counts[name] + len(times)
            if limit is not None and before < limit <= self.counts[name]:
                reached.append((f"{name}={limit}", int(times[limit - before - 1])))
        return reached

    def _by_time(self, streams: Streams) -> list[tuple[str, int]]:
        limit = self._condition.duration_ps
        if limit is None:
            return []
        latest = [int(columns["time_ps"].max()) for columns in streams.values() if len(columns["time_ps"])]
        return [("time", limit)] if latest and max(latest) >= limit else []


def _families(streams: Streams) -> dict[str, Times]:
    none: Times = np.empty(0, np.int64)
    singles: Any = streams.get("singles", {}).get("time_ps", none)
    coincidences = streams.get("coincidences", {})
    pairs: Any = coincidences.get("time_ps", none)
    kind: Any = coincidences.get("kind", np.empty(0, np.uint8))
    return {
        "singles": singles,
        "coincidences": pairs,
        "prompts": pairs[kind == PROMPT],
        "delayeds": pairs[kind == DELAYED],
        "events": np.concatenate([singles, pairs])
        if len(singles) and len(pairs)
        else (singles if len(singles) else pairs),
    }
