"""Put the good messages of a segment in order and tell which of them belong: by number, row and checksum chain.

A message with a right checksum can still be out of place: written twice, moved, or come from another file. Neighbours
by number must continue each other: the rows follow, and `prev` is the running checksum after the message before.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daq.storage.entry import Entry

Rejected = tuple["Entry", str]


def in_order(
    found: Sequence[Entry],
    *,
    stream: str,
    segment: int,
    acquisition: str,
    final_chain: int | None = None,
) -> tuple[list[Entry], list[Rejected]]:
    """Return the entries that belong, by number, and those that do not, each with the reason.

    `found` are the entries as they lie in the file. Runs of entries that continue each other are kept or dropped whole;
    of two that contradict each other the one is kept that continues the schema message or ends in the manifest's
    `final_chain`, else the longer one.
    """
    ours, foreign = _of_segment(found, (stream, segment, acquisition))
    unique, copies = _without_copies(ours)
    kept: list[list[Entry]] = []
    dropped: list[Entry] = []
    for run in _runs(sorted(unique, key=lambda entry: entry.number)):
        weight = _weight(run, final_chain)
        while kept and _clashes(kept[-1][-1], run[0]) and _weight(kept[-1], final_chain) < weight:
            dropped += kept.pop()
        if not kept or not _clashes(kept[-1][-1], run[0]):
            kept.append(run)
        else:
            dropped += run
        if len(kept) > 1 and _continues(kept[-2][-1], kept[-1][0]):
            last = kept.pop()
            kept[-1] += last
    rejected = foreign + copies + [(entry, f"{entry} does not continue its neighbours") for entry in dropped]
    return [entry for run in kept for entry in run], rejected


def out_of_place(entries: Sequence[Entry]) -> list[Rejected]:
    """Return the entries that lie before one with a lower number; they are read all the same."""
    moved, latest = [], 0
    by_place = sorted(entries, key=lambda entry: entry.start)
    for entry in by_place:
        if entry.number < latest:
            moved.append((entry, f"{entry} lies after batch {latest - 1}; it is read in its place"))
        latest = max(latest, entry.number)
    return moved


def _of_segment(found: Sequence[Entry], wanted: tuple[str, int, str]) -> tuple[list[Entry], list[Rejected]]:
    ours: list[Entry] = []
    foreign: list[Rejected] = []
    for entry in found:
        if (entry.stream, entry.segment, entry.acquisition) == wanted:
            ours.append(entry)
        elif entry.acquisition != wanted[2]:
            foreign.append((entry, f"a message of acquisition {entry.acquisition:.100}"))
        else:
            foreign.append((entry, f"a message of {entry.stream} segment {entry.segment}"))
    return ours, foreign


def _without_copies(found: Sequence[Entry]) -> tuple[list[Entry], list[Rejected]]:
    seen: set[tuple[int, int]] = set()
    unique, copies = [], []
    for entry in found:
        key = (entry.number, entry.crc32)
        if key in seen:
            copies.append((entry, f"a second copy of {entry}"))
        else:
            unique.append(entry)
        seen.add(key)
    return unique, copies


def _continues(before: Entry, after: Entry) -> bool:
    rows_follow = before.is_schema or after.first_row == before.stop_row
    return after.number == before.number + 1 and after.previous == before.chain and rows_follow


def _clashes(before: Entry, after: Entry) -> bool:
    """Return True when the two cannot both belong to one segment."""
    if after.number <= before.number + 1:
        return not _continues(before, after)
    return after.first_row < before.stop_row


def _runs(entries: Sequence[Entry]) -> list[list[Entry]]:
    runs = [[entry] for entry in entries[:1]]
    for before, after in pairwise(entries):
        if _continues(before, after):
            runs[-1].append(after)
        else:
            runs.append([after])
    return runs


def _weight(run: Sequence[Entry], final_chain: int | None) -> tuple[bool, int]:
    return run[0].is_schema or run[-1].chain == final_chain, len(run)
