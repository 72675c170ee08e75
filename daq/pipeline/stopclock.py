"""The detector time that a step's duration is measured by: the latest, of sources whose clocks can be believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import uint64

from daq.model.kernel import inlined, kernel
from daq.model.order import NEVER_PS, OrderRule
from daq.pipeline.stages import Streams

Ints = npt.NDArray[np.int64]
Sources = npt.NDArray[np.uint16]

FOREVER_PS = (1 << 63) - 1
_NO_TIMES = np.empty(0, np.int64)


@dataclass(slots=True)
class StopClock:
    """Tells the detector time as rows come, and times without rows; the next step goes on with it.

    By `rule` a source whose clock has jumped ahead, while another one is live, does not tell the time. One that is
    alone does when its next run agrees: a single broken time stamp ends no step.
    """

    rule: OrderRule | None = None
    _newest: Ints = field(default_factory=lambda: np.array([0, 0, 0, 0, NEVER_PS], np.int64))
    """The time by rows, whether there is one yet; a later time that waits to be confirmed, whether there is one; the
    time that was told without rows."""
    _last: Ints = field(default_factory=lambda: _NO_TIMES)
    """Latest time of each source."""

    @property
    def now_ps(self) -> int | None:
        """Return the time; None before the first row that has one."""
        told_ps, heard_ps = int(self._newest[4]), self.heard_ps
        if heard_ps is None:
            return None if told_ps == NEVER_PS else told_ps
        return max(heard_ps, told_ps)

    @property
    def heard_ps(self) -> int | None:
        """Return the time that rows tell by themselves, whatever was told besides; None before any."""
        return int(self._newest[0]) if self._newest[1] else None

    def tell(self, time_ps: int) -> None:
        """Go on to a time that no row tells: an axis moves on where nothing is left to count."""
        self._newest[4] = max(self._newest[4], time_ps)

    def reach(
        self, limit_ps: int, streams: Streams, ends: Ints, sources: Sources, told: Ints | None = None
    ) -> int | None:
        """Go on with the rows; return the first run by which the time is `limit_ps` or later, None where it is not.

        `ends` int64 [runs, >= 3]: rows of singles, coincidences and marks after each run; `sources` that of each run,
        `told` the time that each tells without a row, `NEVER_PS` for none.
        """
        if not len(ends):
            return None
        missing = int(sources.max()) + 1 - len(self._last)
        if missing > 0:
            self._last = np.concatenate([self._last, np.full(missing, NEVER_PS)])
        run = _first_run(
            limit_ps,
            self.rule.max_disorder_ps if self.rule else 0,
            self.rule.max_step_ps if self.rule else FOREVER_PS,
            self._newest,
            self._last,
            np.ascontiguousarray(sources),
            np.ascontiguousarray(ends[:, :3]),
            np.full(len(ends), NEVER_PS) if told is None else told,
            _times(streams, "singles"),
            _times(streams, "coincidences"),
            _times(streams, "marks"),
        )
        return int(run) if run >= 0 else None


def _times(streams: Streams, stream: Any) -> Ints:
    return np.ascontiguousarray(streams.get(stream, {}).get("time_ps", _NO_TIMES), np.int64)


@inlined
def _latest(times: Ints, begin: int, end: int, latest_ps: int) -> int:
    """Return the latest of `times[begin:end]` and `latest_ps`."""
    for row in range(begin, end):
        latest_ps = max(latest_ps, times[uint64(row)])  # unsigned, so that many are compared at once
    return latest_ps


@inlined
def _another_is_live(last: Ints, own: int, now_ps: int, max_disorder_ps: int) -> bool:
    """Return True where a source other than `own` is not further behind than sources may be."""
    for other in range(last.size):  # noqa: SIM110 - numba compiles no generators
        if other != own and now_ps - max_disorder_ps <= last[other] <= now_ps:
            return True
    return False


@kernel(
    "int64(int64, int64, int64, int64[::1], int64[::1], uint16[::1], int64[:, ::1], int64[::1],"
    "int64[::1], int64[::1], int64[::1])"
)
def _first_run(
    limit_ps: int, max_disorder_ps: int, max_step_ps: int, newest: Ints, last: Ints, sources: Sources, ends: Ints,
    told: Ints, singles: Ints, pairs: Ints, marks: Ints,
) -> int:  # fmt: skip
    """Return the first run by which the time reaches `limit_ps`, or -1; bring `newest` and `last` on."""
    hit = -1
    singles_done, pairs_done, marks_done = 0, 0, 0
    for run in range(ends.shape[0]):
        own_ps = _latest(singles, singles_done, ends[run, 0], told[run])
        own_ps = _latest(pairs, pairs_done, ends[run, 1], own_ps)
        own_ps = _latest(marks, marks_done, ends[run, 2], own_ps)
        singles_done, pairs_done, marks_done = ends[run, 0], ends[run, 1], ends[run, 2]
        if own_ps == NEVER_PS:
            continue
        own, now_ps = sources[run], newest[0]
        last[own] = own_ps
        if newest[1] and own_ps - max(now_ps, newest[4]) > max_step_ps:
            if _another_is_live(last, own, now_ps, max_disorder_ps):
                continue
            if newest[3] == 0 or own_ps < newest[2] - max_disorder_ps:
                newest[2], newest[3] = own_ps, 1
                continue
        newest[3] = 0
        if newest[1] == 0 or own_ps > now_ps:
            newest[0], newest[1] = own_ps, 1
        if hit < 0 and max(newest[0], newest[4]) >= limit_ps:
            hit = run
    return hit
