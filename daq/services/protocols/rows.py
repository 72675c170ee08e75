"""The rows of the list of protocols, kept until a file changes, so that hundreds are listed at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from acquisition_protocols.book import Book
from acquisition_protocols.load import LoadedProtocol, available, is_shipped, load_protocol
from acquisition_protocols.signing import signature_path
from acquisition_protocols.versions import FOLDER
from daq.errors import ScandaqError
from daq.model.finding import Finding, errors
from daq.model.protocol import AcquisitionProtocol

Row = dict[str, Any]
Stamp = tuple[tuple[int, int, int] | None, ...]
_MOST_SAID = 5


class Rows:
    """Lists the protocols of a book. `against`: what a station has to say against one. For one thread at a time."""

    def __init__(self, book: Book, against: Callable[[AcquisitionProtocol], Sequence[Finding]]) -> None:
        self._book, self._against = book, against
        self._kept: dict[Path, tuple[Stamp, Row]] = {}

    def all(self) -> tuple[list[Row], bool]:
        """Return every row, those of the site first, and whether anything has changed since it was asked last."""
        there = available(self._book.folders)
        before = {path: stamp for path, (stamp, _) in self._kept.items()}
        rows = [self._row(identity, path) for identity, path in there.items()]
        for gone in self._kept.keys() - set(there.values()):
            del self._kept[gone]
        after = {path: stamp for path, (stamp, _) in self._kept.items()}
        return sorted(rows, key=lambda row: (row["shipped"], row["id"])), before != after

    def _row(self, identity: str, path: Path) -> Row:
        stamp = tuple(_stamp(each) for each in self._told_by(identity, path))
        kept = self._kept.get(path)
        if kept is None or kept[0] != stamp:
            kept = self._kept[path] = stamp, self._read(identity, path)
        return kept[1]

    def _told_by(self, identity: str, path: Path) -> Iterable[Path]:
        yield path
        yield signature_path(path)
        for folder in self._book.folders:
            yield folder / FOLDER / identity

    def _read(self, identity: str, path: Path) -> Row:
        row: Row = {
            "id": identity, "version": None, "title": None, "kind": None, "modality": None, "nuclide": None,
            "steps": None, "sessions": None, "collimators": [], "state": "refused", "state_reason": "",
            "signed_by": None, "signed_utc": None, "meaning": None, "owner": None, "saved_by": None,
            "saved_utc": None, "sha256": None, "shipped": is_shipped(path), "retired": None, "problems": [],
        }  # fmt: skip
        try:
            loaded = load_protocol(path)
            row |= _facts(loaded) | self._history(identity)
        except ScandaqError as why:
            row |= {"state_reason": str(why).removeprefix(f"{path}: "), "problems": [_short(str(why), path)]}
            return row
        wrong = errors(self._against(loaded.protocol))
        return row | {"problems": [str(finding) for finding in wrong[:_MOST_SAID]]}

    def _history(self, identity: str) -> Row:
        """Return whose it is: the first person who saved a version here, and stays it; who saved the one in force."""
        kept = self._book.history(identity)
        saved = next((each.version for each in kept if each.in_force), None)
        owner = next((each.version.by for each in reversed(kept) if each.version.by), None)
        retired = self._book.retired(identity)
        told = None if retired is None else retired.model_dump(mode="json")
        by = saved is not None and saved.by
        return {
            "owner": owner, "saved_by": by or None, "saved_utc": saved.at_utc if saved is not None and by else None,
            "retired": told,
        }  # fmt: skip


def _facts(loaded: LoadedProtocol) -> Row:
    protocol, signed = loaded.protocol, loaded.signature
    return {
        "version": protocol.version, "title": protocol.title, "kind": str(protocol.kind),
        "modality": protocol.modality, "nuclide": protocol.radionuclide, "steps": len(protocol.file.steps),
        "sessions": len(protocol.sessions), "collimators": list(protocol.requirements.collimators),
        "state": loaded.state, "state_reason": loaded.state_reason, "sha256": loaded.sha256,
        "signed_by": signed and signed.by, "signed_utc": signed and signed.at_utc, "meaning": signed and signed.meaning,
    }  # fmt: skip


def _short(why: str, path: Path) -> str:
    return why.replace(f"{path}: ", "").replace(str(path), path.name)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino


def matching(rows: Iterable[Row], text: str, kind: str | None, *, retired: bool) -> list[Row]:
    """Return the rows that have all words of a text, and the kind; those that are retired only where asked for."""
    wanted = text.casefold().split()
    return [
        row
        for row in rows
        if (retired or row["retired"] is None)
        and (kind is None or row["kind"] == kind)
        and all(word in _searched(row) for word in wanted)
    ]


def _searched(row: Row) -> str:
    keys = ("id", "title", "kind", "modality", "nuclide", "state", "owner", "signed_by")
    return " ".join(str(row[key]) for key in keys if row[key]).casefold()
