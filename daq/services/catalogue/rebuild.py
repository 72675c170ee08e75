"""Make the catalogue right again from the directories: what is new or has changed, and what is no longer there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from daq.services.catalogue.database import Database, Stamp
from daq.services.catalogue.directories import Walk, acquisition_directories, describe, is_directory_of
from daq.services.catalogue.entry import Acquisition

BATCH = 100
"""Directories that are read and stored at once, so that what else is to be written waits a fraction of a second."""


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did. `directories` are the acquisitions found, `stored` the rows that were made or renewed.

    `damaged` of them hold no manifest that can be read; `missing` rows have lost their directory, `moved` ones have
    been found elsewhere; `unreadable` folders could not be looked into, the first hundred of them are in `problems`.
    """

    directories: int = 0
    stored: int = 0
    damaged: int = 0
    missing: int = 0
    moved: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)


class Rebuild:
    """A rebuild in small batches, for whoever must not hold others up. `everything` reads what seems unchanged, too."""

    def __init__(self, database: Database, storage: Path, *, keeper: str = "", everything: bool = False) -> None:
        self.result = Rebuilt()
        self._database, self._storage, self._keeper = database, storage.absolute(), keeper
        self._everything = everything
        self._walk = Walk()
        self._left: Iterator[tuple[str, str]] | None = None
        self._known: dict[str, Stamp] = {}
        self._seen: set[str] = set()

    def step(self) -> bool:
        """Do the next batch; return False when all is done. Raise `MissingError` where there is no storage."""
        if self._left is None:
            self._left = acquisition_directories(self._storage, self._walk)
            self._database.make()
            self._known = self._database.stamps()
        batch = list(islice(self._left, BATCH))
        if batch:
            self._take(batch)
            return True
        self._settle_missing()
        self.result.unreadable, self.result.problems = self._walk.unreadable, self._walk.problems
        return False

    def _take(self, batch: list[tuple[str, str]]) -> None:
        self._seen.update(directory for directory, _ in batch)
        self.result.directories += len(batch)
        changed = [directory for directory, stamp in batch if self._everything or not self._is_right(directory, stamp)]
        rows = refreshed(self._database, {directory: {} for directory in changed}, self._keeper)
        self._database.store(rows)
        self.result.stored += len(rows)
        self.result.damaged += sum(row.state == "damaged" for row in rows)

    def _is_right(self, directory: str, stamp: str) -> bool:
        """Return True where the row was made of the manifest as it is; an open recording grows without it."""
        known = self._known.get(directory)
        return known is not None and known.stamp == stamp != "" and known.state in ("sealed", "recovered")

    def _settle_missing(self) -> None:
        """Mark rows below this storage whose directory is not there; take out those that were found elsewhere."""
        is_local = self._database.path is not None
        gone = [
            directory for directory, known in self._known.items()
            if directory not in self._seen and Path(directory).is_relative_to(self._storage)
            and (is_local or known.keeper == self._keeper) and not is_directory_of(Path(directory))
        ]  # fmt: skip
        places: dict[str, list[str]] = {}
        for directory, known in self._database.stamps().items():
            if directory in self._seen:
                places.setdefault(known.id, []).append(directory)
        for row in self._database.of_directories(gone).values():
            there = places.get(row.id, [])
            if len(there) == 1 and there[0] not in self._known:
                self._move(row, there[0])
            elif row.state != "missing":
                self._database.mark_missing(row)
                self.result.missing += 1

    def _move(self, row: Acquisition, directory: str) -> None:
        """Carry over what only the row knows to the directory that it was moved to."""
        found = self._database.of_directories([directory])[directory]
        outcome = row.outcome or found.outcome
        self._database.store([replace(found, outcome=outcome, verified=row.verified, verified_ms=row.verified_ms)])
        self._database.remove(row)
        self.result.moved += 1


def rebuild(database: Database, storage: Path, *, keeper: str = "", everything: bool = False) -> Rebuilt:
    """Do a whole rebuild. Raise `MissingError` where there is no storage, else as the database does."""
    work = Rebuild(database, storage, keeper=keeper, everything=everything)
    while work.step():
        pass
    return work.result


def refreshed(database: Database, known: Mapping[str, Mapping[str, Any]], keeper: str) -> list[Acquisition]:
    """Return the rows of directories as they are on the disk, with what is `known` beside.

    What only the catalogue knows (outcome as the daemon said, verdicts) is kept. A directory that is not there and
    never had a row gives none.
    """
    old = database.of_directories(list(known)) if known else {}
    rows = []
    for directory, changes in known.items():
        found, before = describe(Path(directory)), old.get(directory)
        if found.state == "missing" and before is None and not changes:
            continue
        kept: dict[str, Any] = {"keeper": keeper or (before.keeper if before else "")}
        if before is not None:
            kept |= {"verified": before.verified, "verified_ms": before.verified_ms}
            kept["outcome"] = before.outcome or found.outcome
            if found.state in ("missing", "damaged"):
                found = replace(before, state=found.state, problem=found.problem, stamp=found.stamp)
        rows.append(replace(found, **{**kept, **changes}))
    return rows
