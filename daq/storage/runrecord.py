"""`run.jsonl`: a line `{"name": ..., "doc": ...}` per document of a run, read back in whatever state it was left."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daq.errors import MissingError, StorageFailedError

RUN_FILE = "run.jsonl"
_MOST_LINE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a `run.jsonl` holds. `skipped` counts lines that are no documents; `torn`: its last line has no end."""

    documents: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    skipped: int = 0
    torn: bool = False


def read_run(path: Path) -> RunRecord:
    """Return the documents of a `run.jsonl` or of the directory it is in; what is no document is skipped and counted.

    Raise `MissingError` where there is no such file, `StorageFailedError` where it cannot be read.
    """
    path = path / RUN_FILE if path.is_dir() else path
    documents: list[tuple[str, dict[str, Any]]] = []
    skipped, line = 0, b"\n"
    try:
        with path.open("rb") as file:
            while piece := file.readline(_MOST_LINE_BYTES):
                continued, line = not line.endswith(b"\n"), piece
                found = None if continued else _document(line)
                if found is not None:
                    documents.append(found)
                elif line.strip() and not continued:
                    skipped += 1
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file") from None
    except OSError as why:
        raise StorageFailedError(f"{path} cannot be read: {why.strerror}") from None
    return RunRecord(documents, skipped, torn=not line.endswith(b"\n"))


def _document(line: bytes) -> tuple[str, dict[str, Any]] | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match content:
        case {"name": str(name), "doc": dict(document)}:
            return name, document
        case _:
            return None


def dump_line(name: str, document: dict[str, Any]) -> bytes:
    """Return the line of a document, ASCII, its end included. Raise `ValueError` or `TypeError` for what is no JSON."""
    return json.dumps({"name": name, "doc": document}, separators=(",", ":"), allow_nan=False).encode() + b"\n"
