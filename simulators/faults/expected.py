"""What a perfect receiver must find, given what really went out: interval arithmetic on the ranges of words.

On purpose nothing of the product's tracker: no state machine per packet, but sets. Of each source and start (a restart
begins another account) there is the set of words that came whole, the copies that came in all, the highest word that
a packet or a counter spoke of. From them

    received   size of the set, from the first word known on
    duplicates words that came in all, less `received`
    sent       the highest word spoken of, less the first word known
    gap        sent less received
    basis      `counter` when a heartbeat or end said that highest number, else `sequence`
    malformed  words of the set that mean nothing in the layout

The first word known is the start packet's; without one the lowest word that came, or a counter that came first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from simulators.faults.items import Items, What

Ranges = npt.NDArray[np.int64]
"""Rows (first, stop), ascending and apart."""

_MERGE_AT = 4096


class WordSet:
    """A set of word numbers, added in ranges; `given` counts every word added, also the second time."""

    def __init__(self) -> None:
        self._merged = np.zeros((0, 2), np.int64)
        self._new: list[Ranges] = []
        self._new_rows = 0
        self.given = 0

    def add(self, first: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]) -> None:
        """Add the words from each `first` to before each `stop`."""
        self._new.append(np.stack([first, stop], axis=1)[stop > first])
        self._new_rows += len(first)
        self.given += int((stop - first).sum())
        if self._new_rows > _MERGE_AT + 2 * len(self._merged):
            self.ranges()

    def ranges(self) -> Ranges:
        """Return the set as ranges, ascending and apart."""
        if self._new:
            self._merged = merged(np.concatenate([self._merged, *self._new]))
            self._new, self._new_rows = [], 0
        return self._merged


def merged(ranges: Ranges) -> Ranges:
    """Return the union of ranges in any order."""
    if not len(ranges):
        return ranges
    ranges = ranges[np.argsort(ranges[:, 0], kind="stable")]
    reach = np.maximum.accumulate(ranges[:, 1])
    begins = np.concatenate([[True], ranges[1:, 0] > reach[:-1]])
    lasts = np.append(np.flatnonzero(begins)[1:], len(ranges)) - 1
    return np.stack([ranges[begins, 0], reach[lasts]], axis=1)


def size(ranges: Ranges) -> int:
    """Return how many numbers are in ranges that are apart."""
    return int((ranges[:, 1] - ranges[:, 0]).sum())


def common(one: Ranges, other: Ranges) -> Ranges:
    """Return what is in both of two sets."""
    low = np.searchsorted(other[:, 1], one[:, 0], "right")
    high = np.searchsorted(other[:, 0], one[:, 1], "left")
    counts = np.maximum(high - low, 0)
    owner = np.repeat(np.arange(len(one)), counts)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    met = other[low[owner] + within]
    return np.stack([np.maximum(one[owner, 0], met[:, 0]), np.minimum(one[owner, 1], met[:, 1])], axis=1)


@dataclass(slots=True)
class Account:
    """What came of a source between two of its starts that came.

    `sets` has more than one member where a restart's start never came, so that its words passed for old ones.
    """

    opened_by: int
    first: int | None = None
    highest: int = 0
    counter: int = -1
    sets: dict[int, WordSet] = field(default_factory=dict)

    def add(self, items: Items, header_bytes: int, word_bytes: int) -> None:
        """Add items of one session, in the order in which they went out."""
        session = int(items["session"][0])
        counting = items["what"] > What.START
        totals = items["first"][counting]
        if self.first is None and counting[0]:
            self.first = int(totals[0])
        if len(totals):
            self.counter = max(self.counter, int(totals.max()))
        data = items[~counting]
        if not len(data):
            return
        if session == self.opened_by:
            lowest = int(data["first"].min())
            self.first = lowest if self.first is None else min(self.first, lowest)
        self.highest = max(self.highest, int((data["first"] + data["words"]).max()))
        whole = (data["length"] - header_bytes) // word_bytes
        self.sets.setdefault(session, WordSet()).add(data["first"], data["first"] + whole)

    def figures(self, bad: dict[int, WordSet]) -> dict[str, int]:
        """Return the figures of this account; `bad` are the malformed words of each session."""
        first = self.first or 0
        known = np.array([[first, np.iinfo(np.int64).max]], np.int64)
        seen = np.zeros((0, 2), np.int64)
        malformed = 0
        for session, words in self.sets.items():
            came = common(words.ranges(), known)
            if session in bad:
                wrong = common(came, bad[session].ranges())
                malformed += size(wrong) - size(common(wrong, seen))
            seen = merged(np.concatenate([seen, came]))
        end = max(self.highest, self.counter, first)
        received = size(seen)
        return {
            "sent": end - first,
            "gap": end - first - received,
            "received": received,
            "malformed": malformed,
            "duplicates": sum(words.given for words in self.sets.values()) - received,
            "counted": int(self.counter == end),
        }


class SourceBook:
    """The accounts of one source."""

    def __init__(self) -> None:
        self.accounts: list[Account] = []
        self.bad: dict[int, WordSet] = {}

    @classmethod
    def begun(cls, words: int, counter: int | None) -> SourceBook:
        """Return the book of a source whose first `words` words came whole, and a counter perhaps."""
        book = cls()
        came = WordSet()
        came.add(np.array([0]), np.array([words]))
        book.accounts.append(Account(0, 0, words, -1 if counter is None else counter, {0: came}))
        return book

    def add(self, items: Items, header_bytes: int, word_bytes: int) -> None:
        """Add items that came and keep the framing, in the order in which they went out."""
        while len(items):
            session = int(items["session"][0])
            begins = not self.accounts or (session > self.accounts[-1].opened_by and bool(items["start"][0]))
            if begins:
                self.accounts.append(Account(session))
            account = self.accounts[-1]
            same = self._same(items, account)
            account.add(items[:same], header_bytes, word_bytes)
            items = items[same:]

    def figures(self) -> dict[str, Any]:
        """Return the figures of the source, over all its accounts."""
        each = [account.figures(self.bad) for account in self.accounts]
        totals: dict[str, Any] = {key: sum(one[key] for one in each) for key in each[0]}
        basis = "counter" if totals.pop("counted") == len(each) else "sequence"
        return {"basis": basis, **totals}

    @staticmethod
    def _same(items: Items, account: Account) -> int:
        """Return how many items from the first on are of one session and belong to `account`."""
        session = items["session"][0]
        other = items["session"] != session
        if session > account.opened_by:
            other |= items["start"]
        other[0] = False
        return int(np.argmax(other)) if other.any() else len(items)
