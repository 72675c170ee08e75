"""Keep the account of what the faults did, and of what a perfect receiver must find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from daq.wire.native import HEADER_BYTES
from simulators.faults.badwords import BadWords
from simulators.faults.expected import SourceBook, WordSet
from simulators.faults.items import LOST, Items, Stores, What
from simulators.supply import Supply

Framing = Literal["native", "stream", "none"]


@dataclass(slots=True)
class Injected:
    """What the faults did to one source. Words and packets as the front end counts them; copies apart."""

    packets: int = 0
    dropped_packets: int = 0
    dropped_words: int = 0
    duplicated_packets: int = 0
    duplicated_words: int = 0
    truncated_packets: int = 0
    cut_words: int = 0
    delayed_packets: int = 0
    corrupted_words: int = 0
    dropped_control: int = 0
    restarts: int = 0

    def add(self, items: Items, header_bytes: int, word_bytes: int) -> None:
        """Add items that have gone out or were lost."""
        lost = items["length"] == LOST
        self.dropped_control += int((lost & (items["what"] != What.WORDS)).sum())
        words = items["what"] == What.WORDS
        copies = words & (items["copy"] > 0)
        cut = words & ~lost & (items["length"] < items["whole"])
        self.packets += int((words & ~copies).sum())
        self.dropped_packets += int((words & lost).sum())
        self.dropped_words += int(items["words"][words & lost].sum())
        self.duplicated_packets += int(copies.sum())
        self.duplicated_words += int(items["words"][copies].sum())
        self.truncated_packets += int(cut.sum())
        whole = np.maximum(items["length"][cut] - header_bytes, 0) // word_bytes
        self.cut_words += int((items["words"][cut] - whole).sum())
        self.delayed_packets += int((words & ~lost & (items["delay"] > 0)).sum())


class PlainBook:
    """What a receiver finds without word numbers: all bytes that came are words."""

    def __init__(self, bad: BadWords, word_bytes: int) -> None:
        self._bad = bad
        self._word_bytes = word_bytes
        self.heard = False
        self.received = 0
        self.malformed = 0

    def add(self, data: npt.NDArray[np.uint8]) -> None:
        """Add the bytes of a datagram, or a piece of a stream that ends with it or between words."""
        words, left = divmod(len(data), self._word_bytes)
        self.heard = True
        self.received += words + bool(left)
        self.malformed += bool(left)
        if self._bad.possible and words:
            self.malformed += int(self._bad.mask(data[: words * self._word_bytes]).sum())

    def figures(self, framing: Framing) -> dict[str, Any]:
        """Return the figures of the source."""
        known = framing == "stream"
        return {
            "basis": "stream" if known else "none",
            "sent": self.received if known else None,
            "gap": 0,
            "received": self.received,
            "malformed": self.malformed,
            "duplicates": 0,
        }


class Recorder:
    """The account of one run with faults. `passed` takes every item when it goes out, also those that are lost."""

    def __init__(self, supply: Supply, framing: Framing, stores: Stores, bad: BadWords) -> None:
        self.framing = framing
        self.header_bytes = HEADER_BYTES if framing == "native" else 0
        self.garbage = 0
        self.foreign = 0
        self.injected = {source: Injected() for source in supply.sources}
        self._supply = supply
        self._stores = stores
        self._bad = bad
        self._word_bytes = supply.layout.word_bytes
        self._books: dict[int, SourceBook] = {}
        self._plain = PlainBook(bad, self._word_bytes)
        self._offered: dict[int, tuple[int, int]] = {}
        self._before: dict[int, int] = {}

    def passed(self, items: Items) -> None:
        """Account for items that have gone out, or were lost, in their order."""
        garbage = items["what"] == What.GARBAGE
        sent = items["length"] != LOST
        self.garbage += int(garbage.sum())
        if self.framing == "native":
            framed = sent & (items["length"] >= HEADER_BYTES) & ~garbage
            self.foreign += int((sent & ~framed).sum())
            for source, rows in _by_source(items[framed]):
                self._books.setdefault(source, SourceBook()).add(rows, HEADER_BYTES, self._word_bytes)
        else:
            for item in items[sent]:
                self._plain.add(self._stores.bytes_of(item))
        for source, rows in _by_source(items[~garbage]):
            self.injected[source].add(rows, self.header_bytes, self._word_bytes)
            self._offer(source, rows)

    def malformed(self, source: int, session: int, places: npt.NDArray[np.int64]) -> None:
        """Note malformed words of a session by their numbers; what of them comes counts."""
        if self.framing == "native" and len(places):
            book = self._books.setdefault(source, SourceBook())
            book.bad.setdefault(session, WordSet()).add(places, places + 1)

    def before(self, words: dict[int, int], packets: dict[int, int], counters: dict[int, int]) -> None:
        """Note what went out whole, by source, before there was any fault, and the last counter sent."""
        self._before = words
        for source, count in words.items():
            self._offered[source] = (0, count)
            self.injected[source].packets = packets.get(source, 0)
            if self.framing == "native":
                self._books[source] = SourceBook.begun(count, counters.get(source))

    def offered(self, source: int) -> int:
        """Return the words that the front end has sent since its last start, lost ones included."""
        return self._offered.get(source, (0, 0))[1]

    def tail(self, data: bytes) -> None:
        """Account for the piece of a word at the end of a stream."""
        if data:
            self._plain.add(np.frombuffer(data, np.uint8))

    def expected(self) -> dict[str, Any]:
        """Return what the ledger of a receiver must say that heard everything that went out."""
        for source, places, words in self._bad_before():
            if self.framing == "native":
                self.malformed(source, 0, places)
            else:
                self._plain.heard = True
                self._plain.received += words
                self._plain.malformed += len(places)
        self._before = {}
        if self.framing == "native":
            books = {source: book for source, book in sorted(self._books.items()) if book.accounts}
            sources = [{"source": source, **book.figures()} for source, book in books.items()]
        else:
            sources = [{"source": 0, **self._plain.figures(self.framing)}] if self._plain.heard else []
        unknown = any(source["sent"] is None for source in sources)
        return {"sources": sources, "foreign": self.foreign, "balanced": None if unknown else True}

    def summary(self) -> dict[str, int]:
        """Return what the faults did in all."""
        each = [asdict(injected) for injected in self.injected.values()]
        return {**{key: sum(one[key] for one in each) for key in each[0]}, "garbage_datagrams": self.garbage}

    def _offer(self, source: int, items: Items) -> None:
        session = int(items["session"].max())
        known, words = self._offered.get(source, (session, 0))
        told = items[(items["what"] == What.WORDS) & (items["session"] == session)]
        highest = int((told["first"] + told["words"]).max()) if len(told) else 0
        self._offered[source] = (session, max(highest, words if session == known else 0))

    def _bad_before(self) -> Iterator[tuple[int, npt.NDArray[np.int64], int]]:
        """Yield source, malformed words by number, words, of what went out before there was any fault.

        The supply gives its words again for that.
        """
        left = {source: count for source, count in self._before.items() if count}
        passed = dict.fromkeys(left, 0)
        if not self._bad.possible:
            yield from ((source, np.zeros(0, np.int64), count) for source, count in left.items())
            return
        for chunks in self._supply.slices() if left else ():
            for chunk in chunks:
                words = min(len(chunk.words) // self._word_bytes, left.get(chunk.source, 0))
                if words:
                    bad = np.flatnonzero(self._bad.mask(chunk.words[: words * self._word_bytes]))
                    yield chunk.source, bad + passed[chunk.source], words
                    passed[chunk.source] += words
                    left[chunk.source] -= words
            if not any(left.values()):
                return


def _by_source(items: Items) -> Iterator[tuple[int, Items]]:
    """Yield the items of each source, in their order."""
    if not len(items):
        return
    sources = items["source"]
    if (sources == sources[0]).all():
        yield int(sources[0]), items
        return
    order = np.argsort(sources, kind="stable")
    begins = np.flatnonzero(np.diff(sources[order], prepend=sources[order][:1] - 1))
    for rows in np.split(order, begins[1:]):
        yield int(sources[rows[0]]), items[rows]
