"""Keep the ledger of every source while packets pass: live, at import and at replay alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from daq.listmode.codegen import CAUSES
from daq.model.layout import Layout
from daq.model.ledger import Basis, Beside, Ledger, Socket, SourceLedger
from daq.model.packets import NO_SEQUENCE, Flag, Packets
from daq.model.tofpet2_rules import chips_of
from daq.wire import petsys_account
from daq.wire.mcpha_tracking import PollTracker
from daq.wire.petsys_account import FrameFigures, FrameWalked
from daq.wire.tracking import MAX_INTERVALS, MAX_SOURCES, Figures, Tracker

if TYPE_CHECKING:
    from daq.wire.fers_tracking import EventTracker
    from daq.wire.petsys_tracking import FrameTracker

    AnyTracker = Tracker | FrameTracker | PollTracker | EventTracker

__all__ = ["MAX_SOURCES", "Accounted", "Accounts", "Framing", "unnumbered"]

Framing = Literal["native", "stream", "none", "petsys-gbe", "mcpha"]
"""How packets are numbered: by the native header, not at all but without loss (TCP, file), not at all, by the frames
they hold, by counters that are read again and again."""

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Accounted:
    """Packets after accounting: with the flags to store, and without the words that found no room.

    All arrays are int64 and ascending in packets. A run of new words to decode is `run_length` bytes from `run_offset`
    of `packets.data` on, and belongs to packet `run_packet`. `gap_words` were found missing just before packet
    `gap_packet`. `starts` are the packets with which a source begins or begins again, `ends` those that end one.
    `run_source`, `gap_source` and `start_source`, uint16, are whose: a packet may hold words of several sources.
    `lossy` int64 [4, n]: packet, source, units of which the front end says that it lost some or all, those
    of which it lost all.
    """

    packets: Packets
    run_packet: Int64s
    run_offset: Int64s
    run_length: Int64s
    gap_packet: Int64s
    gap_words: Int64s
    starts: Int64s
    ends: Int64s
    run_source: npt.NDArray[np.uint16]
    gap_source: npt.NDArray[np.uint16]
    start_source: npt.NDArray[np.uint16]
    lossy: Int64s

    def runs(self) -> list[tuple[int, int, int]]:
        """Return (packet, byte offset, bytes) of each run of new words."""
        columns = (self.run_packet, self.run_offset, self.run_length)
        return list(zip(*(column.tolist() for column in columns), strict=True))


class Accounts:
    """The accounts of all sources of one acquisition.

    One thread accounts. What it has accounted for when `account` returns, any thread may ask: each figure is of one
    moment, and arrays that were given out never change.
    """

    def __init__(
        self,
        framing: Framing,
        word_bytes: int,
        unit: Literal["word", "event", "frame"],
        *,
        intervals: int = MAX_INTERVALS,
        layout: Layout | None = None,
    ) -> None:
        """Begin without sources. `intervals` is how many stretches of missing words are remembered of each.

        Where packets hold frames, `layout` names the units that may send them.
        """
        self._framing = framing
        self._unit = unit
        if framing == "petsys-gbe":
            from daq.wire.petsys_tracking import FrameTracker  # its loop takes seconds to compile

            known = chips_of(layout) if layout is not None else None
            self._tracker: AnyTracker = FrameTracker(known, intervals=intervals)
        elif framing == "mcpha":
            self._tracker = PollTracker.of(layout)
        elif layout is not None and layout.decoder == "fers":
            from daq.wire.fers_tracking import EventTracker  # so does its

            self._tracker = EventTracker()
        else:
            self._tracker = Tracker(word_bytes, numbered=framing == "native", intervals=intervals)

    @classmethod
    def of(cls, layout: Layout, framing: Framing, unit: Literal["word", "event", "frame"]) -> Accounts:
        """Return the accounts of packets whose words are those of `layout`."""
        return cls(framing, layout.word_bytes, unit, layout=layout)

    @property
    def foreign(self) -> int:
        """Return the packets that no source can be made of."""
        return self._tracker.figures.foreign

    @property
    def figures(self) -> Figures:
        """Return the figures of all sources at one moment."""
        return self._tracker.figures

    @property
    def source_numbers(self) -> npt.NDArray[np.uint16]:
        """Return the numbers of the sources in the order in which they came; the other arrays have the same order."""
        return self._tracker.figures.source

    @property
    def received(self) -> Int64s:
        """Return the words received per source, each counted once."""
        return self._tracker.figures.received

    @property
    def dropped(self) -> Int64s:
        """Return the words received per source that found no room."""
        return self._tracker.figures.dropped

    @property
    def gap(self) -> Int64s:
        """Return the words sent and not received per source."""
        return self._tracker.figures.gap

    def account(self, packets: Packets) -> Accounted:
        """Return `packets` with final flags and what of them is to be decoded, and bring the accounts up to date."""
        walked = self._tracker.walk(packets)
        dropped = (walked.flags & np.uint8(Flag.DROPPED)) != 0
        final = Packets(
            packets.data, packets.offset, np.where(dropped, 0, packets.length), packets.source,
            packets.sequence, packets.arrival_ns, walked.flags, packets.header,
        )  # fmt: skip
        if isinstance(walked, FrameWalked):
            whose, lossy = (walked.run_source, walked.gap_source, walked.start_source), walked.lossy
        else:
            found = walked.run_packet, walked.gap_packet, walked.starts
            whose = packets.source[found[0]], packets.source[found[1]], packets.source[found[2]]
            lossy = np.empty((4, 0), np.int64)
        return Accounted(
            final, walked.run_packet, walked.run_offset, walked.run_length,
            walked.gap_packet, walked.gap_words, walked.starts, walked.ends, *whose, lossy,
        )  # fmt: skip

    def all_ended(self) -> bool:
        """Return True when there are sources and each has said that it ended."""
        ended = self._tracker.figures.ended
        return bool(len(ended) and ended.all())

    def ledger(
        self,
        counts: npt.NDArray[np.int64],
        counters: tuple[str, ...],
        *,
        durable: dict[int, int] | None,
        kernel_drops: int,
    ) -> Ledger:
        """Return the ledger. `counts` int64 [source numbers, counters] are the decoder's.

        `durable` words per source are what the writer measured; the rest of what was to be written is lost by `disk`.
        None while recording: what is not dropped is taken for written.
        """
        figures = self._tracker.figures
        entries = []
        for row in np.argsort(figures.source).tolist():
            source = int(figures.source[row])
            counted = counts[source] if source < len(counts) else np.zeros(len(counters), np.int64)
            causes = {cause: int(counted[counters.index(cause)]) for cause in CAUSES}
            entries.append(self._entry(figures, row, causes, None if durable is None else durable.get(source, 0)))
        replies = figures.replies if isinstance(figures, FrameFigures) else 0
        socket = Socket(kernel_drops=kernel_drops, foreign=figures.foreign, replies=replies)
        return Ledger(unit=self._unit, sources=tuple(entries), socket=socket)

    def _entry(self, figures: Figures, row: int, causes: dict[str, int], durable: int | None) -> SourceLedger:
        received, dropped = int(figures.received[row]), int(figures.dropped[row])
        gap = figures.exact_gap(row)
        offered = received - dropped
        disk = 0 if durable is None else offered - durable
        broken = causes["unknown"] + causes["out_of_range"] + int(figures.truncated[row])
        beside = Beside(duplicates=int(figures.duplicates[row]), untimed=causes["untimed"])
        if isinstance(figures, FrameFigures):
            beside, broken = _frames_beside(figures, row, broken), int(figures.frames[row, petsys_account.MALFORMED])
        malformed = min(broken, offered - disk)
        return SourceLedger(
            source=int(figures.source[row]),
            basis=self._basis(figures, row),
            sent=None if self._framing == "none" else received + gap,
            gap=gap,
            received=received,
            recorded=(offered if durable is None else durable) - malformed,
            malformed=malformed,
            ring_full=dropped,
            disk=disk,
            beside=beside,
        )

    def _basis(self, figures: Figures, row: int) -> Basis:
        if self._framing == "native" or self._framing == "mcpha":  # noqa: PLR1714 - mypy narrows this one
            return "counter" if figures.by_counter[row] else "sequence"
        return "sequence" if self._framing == "petsys-gbe" else self._framing


def _frames_beside(figures: FrameFigures, row: int, malformed_events: int) -> Beside:
    """Return what stands beside the account of a source that is counted in frames."""
    frames = figures.frames[row]
    return Beside(
        duplicates=int(figures.duplicates[row]), malformed_events=malformed_events,
        lossy_frames=int(frames[petsys_account.SOME_LOST]), lost_frames=int(frames[petsys_account.ALL_LOST]),
        idle_frames=int(frames[petsys_account.IDLE]), events=int(frames[petsys_account.EVENTS]),
    )  # fmt: skip


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
