"""What was made of recordings for others: a list of it that survives, and its files, found by name alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daq.errors import MissingError, RefusedError, StorageFailedError

INDEX = "exports.jsonl"
BESIDE = ".remarks.txt"
"""Ends the name of a file beside an export: what people remarked about what is in it."""
_MOST_FILES = 500
_MOST_LINES = 20_000
_MODE = 0o600
_SHOWN = (".png", ".gif")


@dataclass(frozen=True, slots=True)
class Exports:
    """The folder of exports, what people call it, and the file that lists what was put there. All of it blocks."""

    folder: Path
    title: str
    index: Path

    def told(self) -> dict[str, Any]:
        """Return what people are told of the place: its name, whether something can be written there, what is free."""
        why, free = self._against(), None
        if not why:
            try:
                found = os.statvfs(self.folder)
                free = found.f_bavail * found.f_frsize
            except OSError as gone:
                why = f"it cannot be looked at ({gone.strerror or gone})"
        return {"title": self.title, "problem": why, "free_bytes": free}

    def free_place(self, name: str) -> Path:
        """Return where something new is written. Raise `RefusedError` for a taken name, `StorageFailedError`."""
        why = self._against()
        if why:
            raise StorageFailedError(f"nothing can be exported to {self.title}: {why}")
        out = self.folder / name
        if out.parent != self.folder or out.is_symlink() or out.exists():
            raise RefusedError(f"{name} is there already in {self.title}: nothing is written over; choose another name")
        return out

    def note(self, name: str, told: Mapping[str, Any]) -> None:
        """Keep in the list what was made. Raise `StorageFailedError`."""
        line = json.dumps({"name": name, **told}, separators=(",", ":")) + "\n"
        try:
            descriptor = os.open(self.index, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(line)
        except OSError as why:
            raise StorageFailedError(f"the list of exports cannot be written: {why.strerror or why}") from None

    def of(self, acquisition: str) -> list[dict[str, Any]]:
        """Return what was made of an acquisition and is still there, newest first, with its files."""
        mine = {told["name"]: told for told in self._lines() if told.get("acquisition") == acquisition}
        return [{**told, "files": self._files(name)} for name, told in reversed(mine.items()) if self._there(name)]

    def file(self, name: str, file: str) -> Path:
        """Return a file of what was made here. Raise `MissingError` for any other."""
        if name in {told["name"] for told in self._lines()} and file in {each["name"] for each in self._files(name)}:
            place = self.folder / name
            return place / file if place.is_dir() else place.with_name(file)
        raise MissingError(f"there is no file {file} of {name}")

    def _against(self) -> str:
        """Return why nothing can be written there, empty where it can."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as why:
            return f"it cannot be made ({why.strerror or why})"
        return "" if os.access(self.folder, os.W_OK | os.X_OK) else "this station may not write there"

    def _lines(self) -> list[dict[str, Any]]:
        try:
            lines = self.index.read_bytes().splitlines()[-_MOST_LINES:]
        except FileNotFoundError:
            return []
        except OSError as why:
            raise StorageFailedError(f"the list of exports cannot be read: {why.strerror or why}") from None
        told = (_line(each) for each in lines)
        return [each for each in told if each is not None]

    def _there(self, name: str) -> bool:
        place = self.folder / name
        return not place.is_symlink() and place.exists()

    def _files(self, name: str) -> list[dict[str, Any]]:
        """Return the plain files of it, no links: a folder's, or the one that it is."""
        place = self.folder / name
        if not self._there(name):
            return []
        beside = place.with_name(f"{name}{BESIDE}")
        paths = sorted(place.iterdir())[:_MOST_FILES] if place.is_dir() else [place, beside]
        return [
            {"name": path.name, "size_bytes": path.stat().st_size, "shown": path.suffix in _SHOWN}
            for path in paths
            if path.is_file() and not path.is_symlink()
        ]


def _line(line: bytes) -> dict[str, Any] | None:
    """Return what a line says; None for one that was torn."""
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and isinstance(told.get("name"), str) and "/" not in told["name"] else None
