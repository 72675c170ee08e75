"""The slow, obvious reference of `daq.wire.tracking`, one source and one packet at a time.

Which words of a source came, which are missing, which came twice, from word numbers alone.

A tracker keeps one open account from a *baseline* (the first word that concerns us) to an *end* (the highest
word known to have been sent). What lies between and did not come is the gap; so the sum `sent = received +
gap` holds by construction, and only the verdict on late words depends on the bounded list of missing
intervals.

Baseline: the number in a start packet, or in the first packet seen. While no start has been seen, packets
that overtook each other at the very beginning move the baseline down. A start packet after data is a restart
of the front end: the account is closed and added to the total. A second copy of a start packet is no restart
while the account is younger than `REORDER_PACKETS` and the front end has not said *end*.

One thing cannot be seen: a front end that restarts while every copy of its start packet is lost. Its words
then count as duplicates until they pass the old end. Front ends therefore send the start packet more than
once.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from daq.wire.native import MAX_PAYLOAD_BYTES

MAX_INTERVALS = 1024
REORDER_PACKETS = 64
"""How far packets may overtake each other at a start."""
REORDER_WORDS = REORDER_PACKETS * MAX_PAYLOAD_BYTES


class Arrival(Enum):
    """What a packet turned out to be."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """All its words came before, or belong to an account that is closed."""
    PARTLY_DUPLICATE = "partly duplicate"
    LATE = "late"
    """Fills a gap found before; its words are older than others already passed on."""
    RESTART = "restart"
    """The first packet after the front end began again; all its words are new."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one packet changed.

    `new` are the words that had not come before, as ranges `(from, to)` within the packet. `gap_words` went
    missing just before this packet, `filled_words` are no longer missing.
    """

    arrival: Arrival
    new: tuple[tuple[int, int], ...]
    gap_words: int = 0
    filled_words: int = 0


class SequenceTracker:
    """The account of one source, in words.

    `intervals` limits the memory of what is missing; the oldest is forgotten. Words of a forgotten interval
    stay in the gap; should they come after all, they count as duplicates.
    """

    def __init__(self, intervals: int = MAX_INTERVALS) -> None:
        self.duplicates = 0
        self.restarts = 0
        self._limit = intervals
        self._closed_sent = 0
        self._closed_received = 0
        self._closed_by_counter = True
        self._open: _Account | None = None

    @property
    def sent(self) -> int:
        """Return the words the front end is known to have sent since the baseline, over all restarts."""
        return self._closed_sent + (self._open.end - self._open.baseline if self._open else 0)

    @property
    def received(self) -> int:
        """Return the words received, each counted once."""
        return self._closed_received + (self._open.received if self._open else 0)

    @property
    def gap(self) -> int:
        """Return the words sent and not received."""
        return self.sent - self.received

    @property
    def basis(self) -> Literal["sequence", "counter"]:
        """Return `counter` when the front end itself counted up to the end, else `sequence`."""
        counted = self._open is not None and self._open.by_counter and self._closed_by_counter
        return "counter" if counted else "sequence"

    @property
    def next_word(self) -> int | None:
        """Return the number of the word expected next; None before the first packet."""
        return self._open.end if self._open else None

    def seen(self, first: int, words: int, *, start: bool = False, announced: int | None = None) -> Verdict:
        """Account for a packet of `words` words beginning with number `first`; return what it changed.

        `announced` is the header's number of words where the packet was cut short and fewer arrived.
        """
        account = self._open
        if account is not None and not start and announced is None and first == account.end:
            account.extend(words)
            return Verdict(Arrival.NEW, ((0, words),) if words else ())
        account, restarted = self._account_for(first, start=start)
        account.packets += 1
        gap_words = account.skip_to(first)
        new = account.take(first, words)
        self.duplicates += words - sum(stop - begin for begin, stop in new.ranges)
        if announced is not None:
            gap_words += account.skip_to(first + announced)
        ranges = tuple((begin - first, stop - first) for begin, stop in new.ranges)
        arrival = Arrival.RESTART if restarted else _arrival(ranges, words, new.filled)
        return Verdict(arrival, ranges, gap_words, new.filled)

    def counter(self, total: int, *, end: bool = False) -> int:
        """Account for a heartbeat or `end` packet that says `total` words were sent.

        Return the words newly missing. A total behind what came already is an old packet and changes nothing.
        """
        if self._open is None:
            self._open = _Account(total, self._limit)
        account = self._open
        missing = account.skip_to(total)
        account.by_counter = account.by_counter or total >= account.end
        account.ended = account.ended or end
        return missing

    def _account_for(self, first: int, *, start: bool) -> tuple[_Account, bool]:
        """Return the account `first` belongs to and whether this is a restart."""
        account = self._open
        restarted = False
        if account is None:
            account = _Account(first, self._limit)
        elif start and not account.tolerates_start(first):
            self._closed_sent += account.end - account.baseline
            self._closed_received += account.received
            self._closed_by_counter = self._closed_by_counter and account.by_counter
            self.restarts += 1
            account, restarted = _Account(first, self._limit), True
        elif account.may_begin_at(first):
            account.lower_to(first)
        account.started = account.started or start
        self._open = account
        return account, restarted


@dataclass(frozen=True, slots=True)
class _Taken:
    ranges: list[tuple[int, int]]
    filled: int


class _Account:
    """Words from `baseline` to `end`: how many came, and the missing intervals, ascending."""

    __slots__ = (
        "_begins",
        "_limit",
        "_stops",
        "baseline",
        "by_counter",
        "end",
        "ended",
        "packets",
        "received",
        "started",
    )

    def __init__(self, baseline: int, limit: int) -> None:
        self.baseline = self.end = baseline
        self.received = 0
        self.packets = 0
        self.started = False
        self.ended = False
        self.by_counter = False
        self._limit = limit
        self._begins: list[int] = []
        self._stops: list[int] = []

    def extend(self, words: int) -> None:
        """Take the words that were expected next."""
        self.end += words
        self.received += words
        self.packets += 1
        self.by_counter = self.by_counter and not words

    def tolerates_start(self, first: int) -> bool:
        """Tell whether a start packet is a second copy or was overtaken by its followers."""
        if self.ended or self.packets >= REORDER_PACKETS:
            return False
        return first == self.baseline if self.started else self.may_begin_at(first) or first == self.baseline

    def may_begin_at(self, first: int) -> bool:
        """Tell whether the baseline may still move down to `first`."""
        young = not self.started and self.packets < REORDER_PACKETS
        return young and 0 < self.baseline - first <= REORDER_WORDS

    def lower_to(self, first: int) -> None:
        """Move the baseline down."""
        self._begins.insert(0, first)
        self._stops.insert(0, self.baseline)
        self.baseline = first
        self._forget()

    def skip_to(self, end: int) -> int:
        """Make everything from the present end to `end` missing; return how many words."""
        missing = end - self.end
        if missing <= 0:
            return 0
        if self._stops and self._stops[-1] == self.end:
            self._stops[-1] = end
        else:
            self._begins.append(self.end)
            self._stops.append(end)
            self._forget()
        self.end = end
        self.by_counter = False
        return missing

    def take(self, first: int, words: int) -> _Taken:
        """Take words `first` to `first + words`, return the ranges that had not come before."""
        stop = first + words
        ranges = self._fill(first, stop) if words and first < self.end else []
        filled = sum(b - a for a, b in ranges)
        if stop > self.end:
            begin = max(first, self.end)
            ranges = [*ranges, (begin, stop)]
            self.by_counter = False
            self.end = stop
        self.received += sum(b - a for a, b in ranges)
        return _Taken(_joined(ranges), filled)

    def _fill(self, first: int, stop: int) -> list[tuple[int, int]]:
        """Remove `[first, stop)` from the missing intervals and return the parts that were missing."""
        low = bisect_right(self._stops, first)
        high = low
        found: list[tuple[int, int]] = []
        left: list[tuple[int, int]] = []
        while high < len(self._begins) and self._begins[high] < stop:
            begin, end = self._begins[high], self._stops[high]
            found.append((max(begin, first), min(end, stop)))
            left += [(begin, first)] * (begin < first) + [(stop, end)] * (stop < end)
            high += 1
        self._begins[low:high] = [begin for begin, _ in left]
        self._stops[low:high] = [end for _, end in left]
        self._forget()
        return found

    def _forget(self) -> None:
        excess = len(self._begins) - self._limit
        if excess > 0:
            del self._begins[:excess], self._stops[:excess]


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ascending ranges with touching neighbours made one."""
    joined: list[tuple[int, int]] = []
    for begin, stop in ranges:
        if joined and joined[-1][1] == begin:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((begin, stop))
    return joined


def _arrival(ranges: tuple[tuple[int, int], ...], words: int, filled: int) -> Arrival:
    if words and not ranges:
        return Arrival.DUPLICATE
    if sum(stop - begin for begin, stop in ranges) < words:
        return Arrival.PARTLY_DUPLICATE
    return Arrival.LATE if filled else Arrival.NEW
