"""The slow, obvious reference of `daq.wire.tracking`: a tracker per source, one packet at a time, Python integers."""

from __future__ import annotations

from dataclasses import dataclass, field

from support_sequence import Arrival, SequenceTracker, Verdict

from daq.model.packets import Flag, Packets
from daq.wire.native import MAX_WORD_INDEX
from daq.wire.tracking import MAX_INTERVALS, MAX_SOURCES

Run = tuple[int, int, int]


@dataclass
class ReferenceAccount:
    """One source, in words."""

    tracker: SequenceTracker | None
    received: int = 0
    truncated: int = 0
    dropped: int = 0
    started: bool = False
    ended: bool = False


@dataclass
class Findings:
    """What `Accounted` says, as lists; packets are counted from the first of all."""

    flags: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


class ReferenceAccounts:
    """All sources."""

    def __init__(
        self, *, numbered: bool, word_bytes: int, intervals: int = MAX_INTERVALS, sources: int = MAX_SOURCES
    ) -> None:
        self._numbered = numbered
        self._word_bytes = word_bytes
        self._intervals = intervals
        self._most = sources
        self.sources: dict[int, ReferenceAccount] = {}
        self.foreign = 0

    def account(self, packets: Packets) -> Findings:
        found = Findings()
        for index in range(len(packets)):
            flag = int(packets.flags[index])
            found.flags.append(flag)
            found.kept.append(0 if flag & Flag.DROPPED else int(packets.length[index]))
            self._one(found, packets, index, flag)
        return found

    def figures(self) -> dict[int, tuple[object, ...]]:
        """Return of each source: sent, received, gap, dropped, truncated, duplicates, restarts, basis, ended."""
        figures: dict[int, tuple[object, ...]] = {}
        for source, account in self.sources.items():
            tracker = account.tracker or SequenceTracker()
            figures[source] = (
                tracker.sent if self._numbered else account.received, account.received, tracker.gap, account.dropped,
                account.truncated, tracker.duplicates, tracker.restarts, tracker.basis, account.ended,
            )  # fmt: skip
        return figures

    def _one(self, found: Findings, packets: Packets, index: int, flag: int) -> None:
        if self._numbered and flag & (Flag.PREAMBLE | Flag.MALFORMED) == Flag.PREAMBLE:
            return
        account = None
        if not flag & Flag.MALFORMED and self._can_be(packets, index, flag):
            account = self._account_of(int(packets.source[index]))
        if account is None:
            found.flags[index] |= Flag.MALFORMED
            self.foreign += 1
            return
        if flag & Flag.PREAMBLE:
            return
        if not account.started:
            account.started = True
            found.starts.append(index)
        if account.tracker is None:
            self._stream_row(account, found, packets, index, flag)
        else:
            self._numbered_row(account, account.tracker, found, packets, index, flag)
        if flag & Flag.END and not account.ended:
            account.ended = True
            found.ends.append(index)

    def _can_be(self, packets: Packets, index: int, flag: int) -> bool:
        """Tell whether the words of a packet have numbers that fit."""
        if not self._numbered or flag & Flag.PREAMBLE:
            return True
        words = int(packets.length[index]) // self._word_bytes
        announced = _announced(packets, index)
        if flag & Flag.DROPPED:
            words = announced
        elif flag & Flag.TRUNCATED:
            words = max(words, announced)
        return int(packets.sequence[index]) + words <= MAX_WORD_INDEX

    def _account_of(self, source: int) -> ReferenceAccount | None:
        account = self.sources.get(source)
        if account is None and len(self.sources) < self._most:
            account = ReferenceAccount(SequenceTracker(self._intervals) if self._numbered else None)
            self.sources[source] = account
        return account

    def _stream_row(self, account: ReferenceAccount, found: Findings, packets: Packets, index: int, flag: int) -> None:
        words, left = divmod(int(packets.length[index]), self._word_bytes)
        account.received += words + (1 if left else 0)
        if flag & Flag.DROPPED:
            account.dropped += words + (1 if left else 0)
            return
        account.truncated += 1 if left else 0
        if left:
            found.flags[index] |= Flag.TRUNCATED
        if words:
            found.runs.append((index, int(packets.offset[index]), words * self._word_bytes))

    def _numbered_row(
        self, account: ReferenceAccount, tracker: SequenceTracker, found: Findings,
        packets: Packets, index: int, flag: int,
    ) -> None:  # fmt: skip
        sequence, length = int(packets.sequence[index]), int(packets.length[index])
        if flag & (Flag.HEARTBEAT | Flag.END) and not length:
            missing = tracker.counter(sequence, end=bool(flag & Flag.END))
            if missing:
                found.gaps.append((index, missing))
            return
        announced = _announced(packets, index)
        dropped = bool(flag & Flag.DROPPED)
        words = announced if dropped else length // self._word_bytes
        cut = announced if flag & Flag.TRUNCATED and not dropped else None
        verdict = tracker.seen(sequence, words, start=bool(flag & Flag.START), announced=cut)
        if dropped:
            account.dropped += tracker.received - account.received
        account.received = tracker.received
        if verdict.arrival is Arrival.RESTART:
            account.ended = False
            found.starts.append(index)
        if verdict.arrival is Arrival.DUPLICATE:
            found.flags[index] |= Flag.DUPLICATE
        self._note(found, verdict, index, None if dropped else int(packets.offset[index]))

    def _note(self, found: Findings, verdict: Verdict, index: int, offset: int | None) -> None:
        """Note gap and runs of new words; there are no words where `offset` is None."""
        if verdict.gap_words:
            found.gaps.append((index, verdict.gap_words))
        for begin, stop in verdict.new if offset is not None else ():
            found.runs.append((index, (offset or 0) + begin * self._word_bytes, (stop - begin) * self._word_bytes))


def _announced(packets: Packets, index: int) -> int:
    return int.from_bytes(packets.header[index, 6:8].tobytes(), "little")
