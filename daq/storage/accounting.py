"""Keep the ledger of every source while packets pass: live, at import and at replay alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from daq.listmode.codegen import CAUSES
from daq.model.ledger import Basis, Beside, Ledger, Socket, SourceLedger
from daq.model.packets import NO_SEQUENCE, Flag, Packets
from daq.wire.sequence import Arrival, SequenceTracker, Verdict

Framing = Literal["native", "stream", "none"]
"""How packets are numbered: by the native header, not at all but without loss (TCP, file), not at all."""

MAX_SOURCES = 4096
"""More sources than this are taken for garbage: their packets are kept, flagged malformed and counted foreign."""

_BASIS: dict[Framing, Basis] = {"stream": "stream", "none": "none", "native": "sequence"}


@dataclass(slots=True)
class Account:
    """What is known of one source, in words; `received` counts each word once."""

    tracker: SequenceTracker | None
    received: int = 0
    truncated: int = 0
    dropped: int = 0
    started: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Accounted:
    """Packets after accounting.

    `flags` are those to store; `decode` is (packet, byte offset, bytes) of each run of new words, in order; `gaps` maps
    a packet to the words found missing just before it; `starts` are packets with which a source begins or begins again,
    `ends` those that end one.
    """

    packets: Packets
    decode: list[tuple[int, int, int]]
    gaps: dict[int, int] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


class Accounts:
    """The accounts of all sources of one acquisition."""

    def __init__(self, framing: Framing, word_bytes: int, unit: Literal["word", "event", "frame"]) -> None:
        self._framing = framing
        self._word_bytes = word_bytes
        self._unit = unit
        self.sources: dict[int, Account] = {}
        self.foreign = 0

    def account(self, packets: Packets) -> Accounted:
        """Return `packets` with final flags and what of them is to be decoded, and bring the accounts up to date."""
        flags = packets.flags.copy()
        kept = np.where(flags & int(Flag.DROPPED), 0, packets.length)
        result = Accounted(
            Packets(
                packets.data, packets.offset, kept, packets.source,
                packets.sequence, packets.arrival_ns, flags, packets.header,
            ),
            [],
        )  # fmt: skip
        fields = zip(
            packets.source.tolist(), packets.sequence.tolist(), packets.offset.tolist(),
            packets.length.tolist(), flags.tolist(), strict=True,
        )  # fmt: skip
        for index, (source, sequence, offset, length, flag) in enumerate(fields):
            self._one(result, index, source, sequence, offset, length, flag)
        return result

    def all_ended(self) -> bool:
        """Return True when there are sources and each has said that it ended."""
        accounts = tuple(self.sources.values())  # asked by the receiving thread while sources are added
        return bool(accounts) and all(account.ended for account in accounts)

    def ledger(
        self,
        counts: npt.NDArray[np.int64],
        counters: tuple[str, ...],
        *,
        durable: dict[int, int] | None,
        kernel_drops: int,
    ) -> Ledger:
        """Return the ledger. `counts` int64 [sources, counters] are the decoder's.

        `durable` words per source are what the writer measured; the rest of what was to be written is lost by `disk`.
        None while recording: what is not dropped is taken for written.
        """
        entries = []
        for source, account in sorted(self.sources.items()):
            row = counts[source] if source < len(counts) else np.zeros(len(counters), np.int64)
            causes = {cause: int(row[counters.index(cause)]) for cause in CAUSES}
            entries.append(self._entry(source, account, causes, None if durable is None else durable.get(source, 0)))
        return Ledger(
            unit=self._unit, sources=tuple(entries), socket=Socket(kernel_drops=kernel_drops, foreign=self.foreign)
        )

    def _entry(self, source: int, account: Account, causes: dict[str, int], durable: int | None) -> SourceLedger:
        tracker = account.tracker
        offered = account.received - account.dropped
        disk = 0 if durable is None else offered - durable
        malformed = min(causes["unknown"] + causes["out_of_range"] + account.truncated, offered - disk)
        sent = None if self._framing == "none" else account.received
        return SourceLedger(
            source=source,
            basis=tracker.basis if tracker else _BASIS[self._framing],
            sent=tracker.sent if tracker else sent,
            gap=tracker.gap if tracker else 0,
            received=account.received,
            recorded=(offered if durable is None else durable) - malformed,
            malformed=malformed,
            ring_full=account.dropped,
            disk=disk,
            beside=Beside(duplicates=tracker.duplicates if tracker else 0, untimed=causes["untimed"]),
        )

    def _one(
        self, result: Accounted, index: int, source: int, sequence: int, offset: int, length: int, flag: int
    ) -> None:
        if flag & Flag.MALFORMED:
            self.foreign += 1
            return
        account = self._account_of(source)
        if account is None:
            result.packets.flags[index] = flag | Flag.MALFORMED
            self.foreign += 1
            return
        if flag & Flag.PREAMBLE:
            return
        if not account.started:
            account.started = True
            result.starts.append(index)
        if account.tracker is None:
            self._stream_row(account, result, index, offset, length, flag)
        else:
            self._numbered(account, account.tracker, result, index, sequence, offset, length, flag)
        if flag & Flag.END and not account.ended:
            account.ended = True
            result.ends.append(index)

    def _account_of(self, source: int) -> Account | None:
        account = self.sources.get(source)
        if account is None and len(self.sources) < MAX_SOURCES:
            account = Account(SequenceTracker() if self._framing == "native" else None)
            self.sources[source] = account
        return account

    def _stream_row(self, account: Account, result: Accounted, index: int, offset: int, length: int, flag: int) -> None:
        words, left = divmod(length, self._word_bytes)
        account.received += words + (1 if left else 0)
        if flag & Flag.DROPPED:
            account.dropped += words + (1 if left else 0)
            return
        account.truncated += 1 if left else 0
        if left and not flag & Flag.TRUNCATED:
            result.packets.flags[index] = flag | Flag.TRUNCATED
        if words:
            result.decode.append((index, offset, words * self._word_bytes))

    def _numbered(
        self, account: Account, tracker: SequenceTracker, result: Accounted,
        index: int, sequence: int, offset: int, length: int, flag: int,
    ) -> None:  # fmt: skip
        if flag & (Flag.HEARTBEAT | Flag.END) and not length:
            missing = tracker.counter(sequence, end=bool(flag & Flag.END))
            if missing:
                result.gaps[index] = missing
            return
        announced = int.from_bytes(result.packets.header[index, 6:8].tobytes(), "little")
        dropped = bool(flag & Flag.DROPPED)
        words = announced if dropped else length // self._word_bytes
        cut = announced if flag & Flag.TRUNCATED and not dropped else None
        verdict = tracker.seen(sequence, words, start=bool(flag & Flag.START), announced=cut)
        if dropped:
            account.dropped += tracker.received - account.received
        account.received = tracker.received
        self._apply(account, result, verdict, index, offset)

    def _apply(self, account: Account, result: Accounted, verdict: Verdict, index: int, offset: int) -> None:
        """Note what a numbered packet changed: gaps, restarts, and which of its words are new and here."""
        if verdict.arrival is Arrival.RESTART:
            account.ended = False
            result.starts.append(index)
        if verdict.gap_words:
            result.gaps[index] = verdict.gap_words
        if verdict.arrival is Arrival.DUPLICATE:
            result.packets.flags[index] |= Flag.DUPLICATE
        if result.packets.flags[index] & Flag.DROPPED:
            return
        for begin, stop in verdict.new:
            result.decode.append((index, offset + begin * self._word_bytes, (stop - begin) * self._word_bytes))


def unnumbered(rows: list[tuple[int, bytes]], *, source: int, arrival_ns: int, header_bytes: int = 16) -> Packets:
    """Return the rows `(flags, bytes)` of a stream framer as packets of one source."""
    lengths = np.array([len(data) for _, data in rows], np.int64)
    count = len(rows)
    return Packets(
        data=np.frombuffer(b"".join(data for _, data in rows), np.uint8),
        offset=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if count else np.empty(0, np.int64),
        length=lengths,
        source=np.full(count, source, np.uint16),
        sequence=np.full(count, NO_SEQUENCE, np.uint64),
        arrival_ns=np.full(count, arrival_ns, np.int64),
        flags=np.array([flag for flag, _ in rows], np.uint8),
        header=np.zeros((count, header_bytes), np.uint8),
    )
