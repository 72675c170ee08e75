"""The marks that a derivation puts between rows: seconds of host time, gaps, jumps, the stop, singles per module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.model.events import MARKS, NO_SOURCE
from daq.storage.hostmarks import HostMarks, collected, times_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from daq.model.packets import Packets
    from daq.pipeline.order import Jump
    from daq.pipeline.stopping import Hit
    from daq.storage.accounts import Accounted

CLOCK_PERIOD_NS = 1_000_000_000
NO_MODULE = -1
"""`value2` of a `singles_rate` mark of detectors that no module has."""

SHED_PAIRS = "pairs"
"""Text of the `shed` mark from which on no pairs are made, but all else goes on."""

Ints = npt.NDArray[np.int64]


class Seconds:
    """Seconds of host time, told by the arrival of packets."""

    def __init__(self) -> None:
        self._next_ns: int | None = None

    def of(self, packets: Packets) -> Ints:
        """Return the packets that arrived first in a new second of host time, the very first one included."""
        found: list[int] = []
        arrival = packets.arrival_ns
        while len(arrival):
            due = int(arrival[0]) if self._next_ns is None else self._next_ns
            late = np.flatnonzero(arrival >= due)
            if not len(late):
                break
            found.append(int(late[0]))
            self._next_ns = int(arrival[late[0]]) + CLOCK_PERIOD_NS
        return np.array(found, np.int64)


class Lossy:
    """Sums what front ends say that they lost from mark to mark, so that marks are few however much is lost."""

    def __init__(self) -> None:
        self._sums = np.zeros((0, 2), np.int64)

    def before(self, cuts: Ints, lossy: Ints) -> Ints:
        """Add `Accounted.lossy` of a call; return int64 [4, n] likewise: the sums before each cut, a packet, ascending.

        What follows the last cut stays.
        """
        missing = int(lossy[1].max()) + 1 - len(self._sums) if lossy.size else 0
        if missing > 0:
            self._sums = np.concatenate([self._sums, np.zeros((missing, 2), np.int64)])
        place = np.searchsorted(cuts, lossy[0], "right")
        taken = []
        for number, cut in enumerate([*cuts.tolist(), None]):
            mine = lossy[:, place == number]
            np.add.at(self._sums, mine[1], mine[2:].T)
            if cut is not None:
                sums = self.take()
                taken.append(np.vstack([np.full((1, sums.shape[1]), cut), sums]))
        return np.concatenate([np.empty((4, 0), np.int64), *taken], axis=1)

    def take(self) -> Ints:
        """Return int64 [3, n], source, units, those lost wholly, of all since the last mark, which this is."""
        sources = np.flatnonzero(self._sums[:, 0])
        taken = np.concatenate([sources[np.newaxis], self._sums[sources].T])
        self._sums[sources] = 0
        return taken

    def marks(self, latest_ps: Ints) -> list[dict[str, Any]]:
        """Return the marks of what is left, at the latest times [sources], as columns."""
        source, units, wholly = self.take()
        if not len(source):
            return []
        return [{
            "time_ps": latest_ps[source], "kind": np.full(len(source), MARKS.index("lossy"), np.uint8),
            "source": source.astype(np.uint16), "value": units, "value2": wholly.astype(np.float64),
            "text": [""] * len(source),
        }]  # fmt: skip


def between_packets(
    accounted: Accounted, *, seen: int, hit: Hit | None, zero: Hit | None, jumps: list[Jump], seconds: Ints,
    rates: Ints, lossy: Lossy, utc_of: Callable[[int], int],
) -> HostMarks:  # fmt: skip
    """Return the marks of a call whose first packet is number `seen`, in order.

    `hit` ends the step, with `zero` its frames begin. `seconds` are the packets with which one begins, `rates`
    [seconds, modules + 1] the singles per module before each.
    What `lossy` sums is told before each clock and stop.
    """
    if hit is zero is None and not jumps and not len(seconds) and not _tells(accounted):
        return collected([])
    packets = accounted.packets
    stop, begin = (np.array([accounted.run_packet[one.run] + 1] if one else [], np.int64) for one in (hit, zero))
    jumped = np.array([accounted.run_packet[jump.packet] + 1 for jump in jumps], np.int64)
    arrivals = packets.arrival_ns[seconds]
    utc = np.array([utc_of(int(arrival)) for arrival in arrivals], np.int64)
    second, module, count = _rates(rates)
    lost = lossy.before(np.unique(np.concatenate([seconds, stop])), accounted.lossy)
    return collected(
        [
            ("lossy", lost[0], lost[1].astype(np.uint16), lost[2], lost[3].astype(np.float64)),
            ("frame_zero", begin, _nowhere(begin), seen + begin, _nan(begin)),
            ("stop", stop, _nowhere(stop), seen + stop, _nan(stop)),
            (
                "jump", jumped, np.array([jump.source for jump in jumps], np.uint16),
                np.array([jump.step_ps for jump in jumps], np.int64), _nan(jumped),
            ),
            ("clock", seconds, _nowhere(seconds), utc, arrivals.astype(np.float64)),
            ("singles_rate", seconds[second], _nowhere(second), count, module.astype(np.float64)),
            *(
                (kind, found, whose, np.zeros(len(found), np.int64), _nan(found))
                for kind, found, whose in (
                    ("source_start", accounted.starts, accounted.start_source),
                    ("source_end", accounted.ends, packets.source[accounted.ends]),
                )
            ),
            (
                "gap", accounted.gap_packet, accounted.gap_source,
                accounted.gap_words, _nan(accounted.gap_packet),
            ),
        ]
    )  # fmt: skip


def gap_times(accounted: Accounted, sources: Any, latest_ps: Ints, before_ps: Ints) -> list[tuple[int, int]]:
    """Return the runs of a call before which units are missing, ascending, with the times that their marks will have.

    `sources` and `latest_ps` [runs]: the source of each run, its latest time after it; `before_ps` that before all.
    """
    if not len(accounted.gap_packet):
        return []
    packets, whose = accounted.gap_packet, accounted.gap_source
    gaps = collected([("gap", packets, whose, np.zeros(len(packets), np.int64), _nan(packets))])
    times = times_of(gaps, accounted.run_packet, sources, latest_ps, before_ps)
    return list(zip(np.searchsorted(accounted.run_packet, gaps.packet).tolist(), times.tolist(), strict=True))


def _tells(accounted: Accounted) -> bool:
    """Return True where packets themselves give marks: most calls have none, and this is asked with each."""
    return any(map(len, (accounted.starts, accounted.ends, accounted.gap_packet, accounted.lossy[0])))


def rate_marks(counts: Ints, time_ps: int) -> list[dict[str, Any]]:
    """Return the marks of singles per module [modules + 1] at a time, as columns; none where no module is known."""
    _, module, count = _rates(counts.reshape(1, -1))
    rows = len(module)
    if not rows:
        return []
    return [{
        "time_ps": np.full(rows, time_ps, np.int64), "kind": np.full(rows, MARKS.index("singles_rate"), np.uint8),
        "source": np.full(rows, NO_SOURCE, np.uint16), "value": count, "value2": module.astype(np.float64),
        "text": [""] * rows,
    }]  # fmt: skip


def noted(columns: dict[str, Any], kind: str, hit: Hit | None) -> dict[str, Any]:
    """Return the marks with what decided, and the time of the deciding event, in the one of a kind."""
    if hit is not None:
        at = int(np.flatnonzero(columns["kind"] == MARKS.index(kind))[0])
        columns["text"][at] = hit.limit
        columns["time_ps"] = np.array(columns["time_ps"])
        columns["time_ps"][at] = hit.time_ps
    return columns


def chosen(columns: dict[str, Any], wanted: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return the rows that are wanted of columns, of which `text` is a list."""
    text = [text for text, want in zip(columns["text"], wanted.tolist(), strict=True) if want]
    return {**{name: values[wanted] for name, values in columns.items() if name != "text"}, "text": text}


def _rates(rates: Ints) -> tuple[Ints, Ints, Ints]:
    """Return second, module and count of each mark: one of every module, of no module only where there are singles."""
    seconds, modules = rates.shape
    second, module = np.divmod(np.arange(seconds * modules), max(modules, 1))
    shown = (module < modules - 1) | (rates.ravel() > 0)
    named = np.where(module < modules - 1, module, NO_MODULE)
    return second[shown], named[shown], rates.ravel()[shown]


def _nan(like: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.full(len(like), np.nan)


def _nowhere(like: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    return np.full(len(like), NO_SOURCE, np.uint16)
