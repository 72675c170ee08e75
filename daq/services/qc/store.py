"""The documents as files, `<state folder>/qc/<year>/<month>/<id>.json`: the truth, which a database is made from.

A document is durable before anybody hears that it was kept: written under another name, synced, renamed, the folder
synced. Calls wait for the disk, so none belongs in a loop.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daq.errors import FormatError, MissingError, RefusedError
from daq.model.qc.documents import Document, document_bytes, document_from
from daq.storage.files import StorageFiles

MOST_BYTES = 32 << 20
"""A document is no larger; 448 blocks with some twenty figures are 2 MB."""
_YEAR, _MONTH = re.compile(r"[0-9]{4}"), re.compile(r"[0-9]{2}")
_END = ".json"
_KEEPER = "keeper"


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the store. `stamp` changes when it does; `folder`: its year and month, `2026-11`."""

    path: Path
    stamp: str
    folder: str


class Store:
    """The folder of documents. Methods raise `OSError` unless they say otherwise."""

    def __init__(self, folder: Path, *, files: StorageFiles | None = None) -> None:
        self.folder = folder
        self._files = files or StorageFiles()

    def path_of(self, identity: str, at_utc: str, end: str = _END) -> Path:
        """Return where a document is, or what lies beside it."""
        return self.folder / at_utc[:4] / at_utc[5:7] / (identity + end)

    def write(self, document: Document) -> str:
        """Write a document durably; return its stamp. Raise `RefusedError` where another file has its name."""
        path = self.path_of(document.id, document.at_utc)
        if not path.exists():
            self.write_bytes(path, document_bytes(document))
        elif self.read(path).sha256 != document.sha256:
            raise RefusedError(f"{path}: another document has this name")
        return stamp_of(path.stat())

    def write_bytes(self, path: Path, data: bytes) -> None:
        """Write a file durably."""
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            self._files.make_directory(folder)
        self._files.rename_durably(data, path)

    def read(self, path: Path) -> Document:
        """Return the document of a file. Raise `FormatError` for one that is damaged or was altered."""
        try:
            document = document_from(_plain(path))
        except FileNotFoundError:
            raise MissingError(f"{path}: the document is not there") from None
        except (ValueError, RecursionError, FormatError) as why:
            raise FormatError(f"{path}: {str(why)[:300]}") from None
        if document.id != path.name.removesuffix(_END):
            raise FormatError(f"{path}: holds the document {document.id}, which is of another name")
        return document

    def keeper(self) -> str | None:
        """Return the name of this folder in a database that others share; None before it has one."""
        try:
            return (self.folder / _KEEPER).read_text(encoding="utf-8").strip()[:200] or None
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise FormatError(f"{self.folder / _KEEPER}: damaged; remove it, and restart the daemon") from None

    def make_keeper(self, station: str) -> str:
        """Give this folder a name of its own, and return it."""
        keeper = f"{station}/{uuid.uuid4().hex}"
        self.write_bytes(self.folder / _KEEPER, keeper.encode() + b"\n")
        return keeper

    def listed(self) -> dict[str, Listed]:
        """Return what files there are, by the id that their name says; of two in several folders the later one.

        A year or month may be a link to a folder elsewhere: documents are written through it, too.
        """
        found: dict[str, Listed] = {}
        for year in _folders(self.folder, _YEAR):
            for month in _folders(Path(year.path), _MONTH):
                folder = f"{year.name}-{month.name}"
                with os.scandir(month.path) as entries:
                    for entry in entries:
                        if entry.name.endswith(_END) and entry.is_file(follow_symlinks=False):
                            listed = Listed(Path(entry.path), stamp_of(entry.stat()), folder)
                            found[entry.name.removesuffix(_END)] = listed
        return found


def _plain(path: Path) -> dict[str, Any]:
    """Return what a file tells. Raise `ValueError`, `FormatError`, `OSError`."""
    if path.stat().st_size > MOST_BYTES:
        raise FormatError(f"larger than the {MOST_BYTES} bytes that a document may have")
    told = json.loads(path.read_bytes())
    if not isinstance(told, dict):
        raise FormatError("no document of quality control")
    return told


def stamp_of(state: os.stat_result) -> str:
    """Return what changes when a file does."""
    return f"{state.st_mtime_ns}:{state.st_size}:{state.st_ino}"


def _folders(folder: Path, name: re.Pattern[str]) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            fit = [entry for entry in entries if name.fullmatch(entry.name) and entry.is_dir()]
    except FileNotFoundError:
        return
    yield from sorted(fit, key=lambda entry: entry.name)
