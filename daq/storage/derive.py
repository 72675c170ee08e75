"""From packets to rows: the one path that readout, import and replay share.

account -> decode -> calibrate -> window -> order -> pair, with the host's marks between the rows. What comes out is a
function of packets, arrival times and the host's commands, never of how packets were cut; UTC is asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.listmode.decoder import Decoded, Decoder
from daq.model.events import StreamName
from daq.model.order import OrderRule
from daq.model.packets import Packets
from daq.model.processing import Processing
from daq.model.stop import StopCondition, is_limit
from daq.pipeline.beatcount import Gaps
from daq.pipeline.order import Order
from daq.pipeline.pairlimits import PAIR_COUNTERS
from daq.pipeline.stages import Ends, Stages, Streams
from daq.pipeline.stopping import Hit, StopCounter
from daq.pipeline.windowlimits import require_places
from daq.storage.accounts import Accounted, Accounts
from daq.storage.decoding import Decoding, Withheld
from daq.storage.derivedfigures import Figures
from daq.storage.derivedmarks import Lossy, Seconds, between_packets, gap_times, noted, rate_marks
from daq.storage.hostmarks import AxisPlace, axes_marks, merged, one_mark, times_of
from daq.storage.steps import MOTION_LOST, MOVING, WHOLE
from daq.storage.streams import dtypes_of, processed_columns

if TYPE_CHECKING:
    from daq.pipeline.pairstage import PairStage

Rows = dict[StreamName, list[Any]]
"""Per stream the runs of columns in order; marks carry the extra column `text`."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What ended the step: the limit's name and the time of the deciding event."""

    by: str
    time_ps: int


class Derivation(Figures):
    """One acquisition's path from packets to rows, step after step."""

    def __init__(
        self,
        decoder: Decoder,
        accounts: Accounts,
        *,
        imported: bool = False,
        stop: StopCondition | None = None,
        processing: Processing | None = None,
        order: OrderRule | None = None,
        feet_first: bool = False,
        utc_of: Callable[[int], int] = lambda _: 0,
    ) -> None:
        """Start before the first packet, in the first step.

        Without an order rule rows stay as they came. `utc_of` gives UTC ns for a host monotonic time in ns.
        `feet_first`: how the patient lies, for limits on counts in a region of the picture. Raise `RefusedError` for
        pairs that are to be made of rows without an order, and for a region where singles have no positions.
        """
        if processing is not None and processing.pairing is not None and order is None:
            raise RefusedError("singles can be paired only where they are put in order of time")
        self._decoding = Decoding(decoder)
        self.accounts = accounts
        self._carry = decoder.start(imported=imported)
        done, until = processing or Processing(), stop or StopCondition()
        self._has_places = "x_mm" in processed_columns(decoder.columns, done).get("singles", ())
        require_places(until.counts, there=self._has_places)
        self._counter = StopCounter(until, rule=order, windows=[each.name for each in done.windows], turned=feet_first)
        self._stages = Stages.of(done, until, ordered=order is not None)
        self._order = Order(order, dtypes_of(decoder.columns, processing)) if order else None
        self._utc_of = utc_of
        self._imported = imported
        self._seconds = Seconds()
        self._lossy = Lossy()
        self._is_paused = False
        self.motion_was_lost = False
        self.packets_seen = 0
        self.stopped: Stopped | None = None
        self._back_ps, self._max_step_ps = 0, order.max_step_ps if order else 0
        self._withheld = Withheld()
        self.decoded: Streams = {}
        """The last call's rows as they came, calibrated and windowed: to be looked at before the next call."""

    def account(self, packets: Packets) -> Accounted:
        """Account for the packets; write `.packets` as raw rows, then hand the result to `rows`."""
        return self.accounts.account(packets)

    def rows(self, accounted: Accounted, *, shed: bool = False) -> Rows:
        """Return the rows of accounted packets, host marks between them.

        `shed`: decode for the counters, the marks and the stop alone; the events give no rows.
        """
        words = _words(accounted)
        latest_before = self._carry.state[:, 2].copy()
        seconds = np.empty(0, np.int64) if self._imported else self._seconds.of(accounted.packets)
        decoded = self._decoding(words, self._carry, keep=self._order is None and not shed)
        passed = self._stages.singles(
            decoded.streams, decoded.ends, words.source, np.searchsorted(accounted.run_packet, seconds)
        )
        gaps = (
            gap_times(accounted, words.source, decoded.ends[:, 3], latest_before) if self._counter.judges_beats else ()
        )
        hit = self._decided(passed.every, decoded, words.source, gaps)
        self.decoded = passed.every
        rows: Rows = {}
        if not shed:
            hit = self._first(hit, self._released_rows(rows, passed.chosen, passed.ends, words.source, decoded.told))
        before, self.stopped = self.stopped, self.stopped if hit is None else Stopped(hit.limit, hit.time_ps)
        jumps = self._order.take_jumps() if self._order else []
        if any(jump.step_ps < 0 for jump in jumps):
            self._note_that_it_went_back(passed.every)
        zero = None if before is not None else self._frames_begin(hit)
        marks = between_packets(
            accounted, seen=self.packets_seen, hit=hit, zero=zero, jumps=jumps, seconds=seconds, rates=passed.rates,
            lossy=self._lossy, utc_of=self._utc_of,
        )  # fmt: skip
        if len(marks) or decoded.rows("marks"):
            times = times_of(marks, accounted.run_packet, words.source, decoded.ends[:, 3], latest_before)
            columns = merged(decoded.streams.get("marks"), marks, times, accounted.run_packet, decoded.ends[:, 2])
            rows["marks"] = [self._withheld.without(noted(noted(columns, "stop", hit), "frame_zero", zero))]
        self.packets_seen += len(accounted.packets)
        return rows

    def _note_that_it_went_back(self, streams: Streams) -> None:
        """Compare the newest rows with the time that is told: a damaged word that was ahead has not moved that."""
        newest_ps = [int(rows["time_ps"][-1]) for rows in streams.values() if len(rows.get("time_ps", ()))]
        back_ps = self.latest_ps - max(newest_ps, default=self.latest_ps)
        if back_ps > self._max_step_ps:
            self._back_ps = max(self._back_ps, back_ps)

    def reserve(self, rows: int) -> None:
        """Make room for as many rows that wait for their turn, so that none has to be made while data flow."""
        if self._order is not None:
            self._order.reserve(rows)

    def skip(self, accounted: Accounted) -> None:
        """Pass over packets whose words count nowhere: they tell the time to those that follow."""
        counts = self._carry.counts.copy()
        self._decoding(_words(accounted), self._carry, keep=False)
        self._carry.counts[: len(counts)] = counts
        self._carry.counts[len(counts) :] = 0
        self.decoded = {}
        self.packets_seen += len(accounted.packets)

    def mark(
        self, kind: str, *, time_ps: int | None = None, value: int | None = None, value2: float = np.nan, text: str = ""
    ) -> Rows:
        """Return a mark of the host, at the present time unless given; its value is the packets seen unless given."""
        seen = self.packets_seen if value is None else value
        now_ps = self.latest_ps if time_ps is None else time_ps
        return {"marks": [one_mark(kind, now_ps, value=seen, value2=value2, text=text)]}

    def positions(self, told: Sequence[AxisPlace]) -> Rows:
        """Return the marks of where axes were, behind one that says after how many packets they were told.

        Their moments are detector time: a sweep goes on, and ends, where there is nothing left to count.
        """
        rows: Rows = {"marks": [*self.mark("axes")["marks"], axes_marks(told)]}
        if self.latest_ps and told and not self._is_paused:
            self._counter.tell(max(place.time_ps for place in told))
        return rows

    def start(self, name: str = "", *, moving: bool = False) -> Rows:
        """Return the mark of the beginning, which is that of the first step, too."""
        return self.mark("start", value=0, value2=MOVING if moving else np.nan, text=name)

    def step(self, condition: StopCondition, text: str = "", *, moving: bool = False) -> Rows:
        """Begin another step: its counts begin at zero, its time now."""
        require_places(condition.counts, there=self._has_places)
        self._counter = self._counter.following(condition, since_ps=self.latest_ps)
        self._stages.step(condition, self.newest[1])
        self.stopped = None
        self._is_paused = False
        self.motion_was_lost = False
        return self._after_lossy(self.mark("step", value2=MOVING if moving else np.nan, text=text))

    def pause(self) -> Rows:
        """Stop counting towards the limits; everything is recorded all the same. Twice is once."""
        if self._is_paused:
            return {}
        self._is_paused = True
        self._counter.pause(self.latest_ps)
        self._stages.pause(self.newest[1])
        return self.mark("pause")

    def resume(self) -> Rows:
        """Count again; the detector time of the pause is not the step's."""
        if not self._is_paused:
            return {}
        self._is_paused = False
        self._counter.resume(self.latest_ps)
        self._stages.resume(self.newest[1])
        return self.mark("resume")

    def motion_lost(self, text: str = "") -> Rows:
        """End the step, if it lasts: nothing counts any more. Twice is once."""
        if self.motion_was_lost:
            return {}
        self.motion_was_lost = True
        lost = self.mark("motion_lost", text=text)["marks"]
        return {"marks": [*lost, *self.stop_now(MOTION_LOST).get("marks", [])]}

    @property
    def paused(self) -> bool:
        """True between `pause` and `resume`."""
        return self._is_paused

    def flush(self) -> Rows:
        """Release what waits for its turn because every source is silent; the mark lets a replay do the same.

        Pairs go on, so that they depend on the rows of singles alone, and sorting those later gives the same: windows
        stay open until a later single, or an earlier one with which order begins anew, or the end closes them.
        """
        rows, stop = self._released(pairs=False)
        rows["marks"] = [*self.mark("flush")["marks"], *stop]
        return rows

    def stop_now(self, by: str, *, whole: bool = False) -> Rows:
        """End the step by something that is not in the data (operator, host time, stall, end) and return the mark.

        `whole`: by the word of who ended it, nothing is missing.
        """
        if self.stopped is not None:
            return {}
        self.stopped = Stopped(by, self.latest_ps)
        return self._after_lossy(self.mark("stop", value2=WHOLE if whole else np.nan, text=by))

    def _after_lossy(self, rows: Rows) -> Rows:
        """Return marks with those of what front ends lost up to now before them."""
        return {"marks": [*self._lossy.marks(self._carry.state[:, 2]), *rows["marks"]]}

    def finish(self, by: str) -> Rows:
        """Release all that waits and stop, if nothing did; nothing comes after."""
        rows, stop = self._released()
        rates = rate_marks(self._stages.take_modules(), self.latest_ps)
        lossy = self._lossy.marks(self._carry.state[:, 2])
        marks = [*lossy, *stop, *self.stop_now(by).get("marks", []), *rates, *self._withheld.take()]
        return {**rows, "marks": marks}

    def decides(self, limit: str) -> bool:
        """Return True for a limit on pairs that are made here, which no host can have decided."""
        return self._stages.pair is not None and limit.partition("=")[0] in PAIR_COUNTERS and is_limit(limit)

    def shed(self, *, pairs_alone: bool) -> None:
        """Do from here on as when rows are shed, which has been marked: what a limit on pairs counts nobody sees."""
        self._stages.decide_no_pairs()
        if not pairs_alone:
            self._withheld.begin()

    def part_with_pairs(self) -> PairStage | None:
        """Make no more pairs: return the stage that made them, to go on with the singles released from here on."""
        self._stages.decide_no_pairs()
        pair, self._stages.pair = self._stages.pair, None
        return pair

    def take_pairs_back(self, pair: PairStage) -> None:
        """Make pairs again, by a stage that has seen all singles released meanwhile."""
        self._stages.pair = pair

    def fork(self) -> Derivation:
        """Return a twin that goes on from here with the events; this one is left with counters and marks.

        The twin takes the order and the pairs; limits on pairs are decided no more.
        """
        self._stages.decide_no_pairs()
        twin = copy(self)
        twin._decoding, twin._withheld = self._decoding.fresh(), self._withheld.copy()  # noqa: SLF001 - of our kind
        twin._withheld.begin()  # noqa: SLF001 - another of our kind
        twin._counter, twin.stopped = StopCounter(StopCondition()), None  # noqa: SLF001 - another of our kind
        twin._seconds = deepcopy(self._seconds)  # noqa: SLF001 - another of our kind
        twin._lossy = deepcopy(self._lossy)  # noqa: SLF001 - another of our kind
        twin._stages = self._stages.fork()  # noqa: SLF001 - another of our kind
        self._carry, self.accounts, self._order = self._carry.copy(), deepcopy(self.accounts), None
        return twin

    def join(self, twin: Derivation) -> None:
        """Take the order and the pairs, and the marks they gave, back from a twin that has caught up."""
        self._withheld = twin._withheld
        self._order = twin._order
        self._stages.pair = twin._stages.pair

    def _released(self, *, pairs: bool = True) -> tuple[Rows, list[Any]]:
        """Release all that waits, with `pairs` also those; return the rows, and the mark of a limit on pairs that was
        reached with them.
        """  # noqa: D205
        rows: Rows = {}
        if self._order is not None:
            released = self._order.flush()
            _append(rows, released)
            hit = self._stages.append_pairs(rows, released, flush=pairs)
            if hit is not None and self.stopped is None:
                self.stopped = Stopped(hit.limit, hit.time_ps)
                return rows, self.mark("stop", time_ps=hit.time_ps, text=hit.limit)["marks"]
        return rows, []

    def _released_rows(
        self, rows: Rows, events: Streams, ends: Ends, sources: npt.NDArray[np.uint16],
        told: npt.NDArray[np.int64] | None,
    ) -> Hit | None:  # fmt: skip
        """Add the rows that these events release, and their pairs; return the limit that the pairs reach."""
        if self._order is None:
            _append(rows, events)
            return None
        released = self._order.push(events, ends, sources, told)
        _append(rows, released)
        hit = self._stages.append_pairs(rows, released)
        if "coincidences" in rows:
            self.decoded = {**self.decoded, "coincidences": rows["coincidences"][-1]}
        if hit is None:
            return None
        run = int(np.searchsorted(self._order.released_after, hit.single, "right"))
        return Hit(min(run, len(sources) - 1), hit.time_ps, hit.limit)

    def _decided(self, streams: Streams, decoded: Decoded, sources: npt.NDArray[np.uint16], gaps: Gaps) -> Hit | None:
        """Count, and return the limit that these rows reach as they come."""
        if self._is_paused or self.motion_was_lost:
            self._counter.passed(streams, decoded.ends, sources, decoded.told, gaps)
            return None
        hit = self._counter.seen(streams, decoded.ends, sources, decoded.told, gaps)
        return hit if self.stopped is None else None

    def _frames_begin(self, hit: Hit | None) -> Hit | None:
        """Return what the frames of the step began with in this call, unless it ended before."""
        zero = self._counter.zero
        return zero if zero is not None and (hit is None or zero.run <= hit.run) else None

    def _first(self, hit: Hit | None, of_pairs: Hit | None) -> Hit | None:
        """Return which limit was reached first; at one packet that of rows as they come."""
        if of_pairs is None or self.stopped is not None:
            return hit
        return of_pairs if hit is None or of_pairs.run < hit.run else hit


def _words(accounted: Accounted) -> Packets:
    """Return the runs of new words as packets."""
    packets, index = accounted.packets, accounted.run_packet
    return Packets(
        packets.data, accounted.run_offset, accounted.run_length, accounted.run_source, packets.sequence[index],
        packets.arrival_ns[index], np.zeros(len(index), np.uint8), packets.header[index],
    )  # fmt: skip


def _append(rows: Rows, streams: Streams) -> None:
    for stream, columns in streams.items():
        if len(columns["time_ps"]):
            rows.setdefault(stream, []).append(columns)
