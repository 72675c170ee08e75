"""The file of what happened to alarms: one JSON object a line, the newest last; the one before it is kept beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MOST_BYTES = 4 << 20
"""From this size on the file is put aside as `NAME.1`, in place of the one before, and a new one begins."""
_KEYS = {"number": int, "at_utc": str, "device": str, "name": str, "priority": str, "text": str, "guidance": str,
         "what": str, "by": str}  # fmt: skip


def load_happenings(path: Path, most: int) -> tuple[list[dict[str, Any]], int]:
    """Return the newest `most` lines in order, and how many lines were none of ours. Raise `OSError`."""
    lines: list[dict[str, Any]] = []
    foreign = 0
    for file in (_aside(path), path):
        try:
            texts = file.read_bytes().splitlines()
        except FileNotFoundError:
            continue
        for text in texts:
            line = _line(text)
            foreign += line is None
            lines += [] if line is None else [line]
    return lines[-most:], foreign


def append_happenings(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Append lines; a file that is full is put aside first. Raise `OSError`."""
    try:
        if path.stat().st_size >= MOST_BYTES:
            path.replace(_aside(path))
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if file.tell() and not _ends(path):
            file.write(b"\n")  # the last line was torn: the next one shall not be lost with it
        file.write(b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines))


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _ends(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def _line(text: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or any(not isinstance(told.get(key), kind) for key, kind in _KEYS.items()):
        return None
    details = told.get("details", "")
    if not isinstance(details, str):
        return None
    return {**{key: told[key] for key in _KEYS}, "details": details}
