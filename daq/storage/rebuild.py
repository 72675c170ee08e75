"""Rows that were shed under overload, derived after all from the raw stream once there is time for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daq.errors import VerificationError
from daq.model.packets import Packets
from daq.storage.derive import Derivation, Rows
from daq.storage.rawpackets import cut_packets, raw_packets
from daq.storage.reader import open_listmode


class Rebuild:
    """What is left to derive, from the packet on at which shedding began."""

    def __init__(self, derivation: Derivation) -> None:
        """Take over the order of `derivation` and what it knew; it goes on with counters and marks alone."""
        self._twin = derivation.fork()
        self._flushes: list[int] = []

    def flushed(self, packets_seen: int) -> None:
        """Note that the host flushed the order after so many packets."""
        self._flushes.append(packets_seen)

    def rows(self, directory: Path, packets: int) -> Iterator[Rows]:
        """Yield the rows of events up to packet number `packets`, as they would have come live.

        All raw rows must be durable. Raise `VerificationError` where they cannot be read back.
        """
        with open_listmode(directory) as recording:
            for run in raw_packets(recording, self._twin.packets_seen):
                yield from self._run(run)
        if self._twin.packets_seen != packets:
            raise VerificationError(
                f"{directory}: {self._twin.packets_seen} packets read back, {packets} were recorded"
            )
        yield from self._flush_if_due()

    def hand_back(self, derivation: Derivation) -> None:
        """Give the order back to `derivation`, as if nothing had been shed."""
        derivation.join(self._twin)

    def _run(self, run: Packets) -> Iterator[Rows]:
        twin, done = self._twin, 0
        while done < len(run):
            yield from self._flush_if_due()
            stop = min(len(run), done + self._flushes[0] - twin.packets_seen) if self._flushes else len(run)
            yield _events(twin.rows(twin.account(cut_packets(run, done, stop))))
            done = stop

    def _flush_if_due(self) -> Iterator[Rows]:
        while self._flushes and self._flushes[0] <= self._twin.packets_seen:
            self._flushes.pop(0)
            yield _events(self._twin.flush())


def _events(rows: Rows) -> Rows:
    """Return the rows of events alone: the marks were written live."""
    return {stream: runs for stream, runs in rows.items() if stream != "marks"}
