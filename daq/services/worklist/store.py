"""Keeps what the station knows of its worklist on disk: one line for each happening, never changed, synced at once.

The file names patients: mode 0600, in a folder of mode 0700 of the state folder. A line that a power cut tore is cut
off when the file is read; nobody was told that it had been done.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daq.errors import ScandaqError, StorageFailedError
from daq.model.station import utc_now
from daq.services.worklist.kept import Kept, apply
from daq.storage.files import StorageFiles

_LOG = logging.getLogger(__name__)
FOLDER = "worklist"
FILE = "happenings.jsonl"
SECRET = "keys"  # noqa: S105 - the name of a file
_SECRET_BYTES = 32
_KEY_BYTES = 16
KEPT_DAYS = 62
"""Entries that are older are not held in memory, unless a person still has to do something about them."""


class Store:
    """The entries by key. Every method that touches files blocks: call it in a thread, one at a time."""

    def __init__(self, state: Path) -> None:
        self._folder = state / FOLDER
        self._path = self._folder / FILE
        self.known: dict[str, Kept] = {}
        self.damaged = 0
        """Lines that could not be understood when the file was read."""

    def open(self, now: datetime | None = None) -> None:
        """Make the folder, and read what a daemon before this one kept. Raise `StorageFailedError`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            self._cut_off_what_was_torn()
            self._read()
        except OSError as why:
            raise StorageFailedError(f"{self._path} cannot be read: {why.strerror}") from None
        self._forget_old(now or datetime.now(UTC))

    def secret(self) -> bytes:
        """Return what keys of entries are made with, made when it is first wanted. Raise `StorageFailedError`."""
        path = self._folder / SECRET
        with suppress(FileNotFoundError):
            if len(found := path.read_bytes()) == _SECRET_BYTES:
                return found
        made = secrets.token_bytes(_SECRET_BYTES)
        try:
            beside = path.with_suffix(".new")
            beside.unlink(missing_ok=True)
            self._write(beside, made, os.O_EXCL)
            beside.replace(path)
            StorageFiles().sync_directory(self._folder)
        except OSError as why:
            raise StorageFailedError(f"{path} cannot be written: {why.strerror}") from None
        return made

    def note(self, what: str, entry: str, by: str, **more: Any) -> None:
        """Write a happening, durably, then take it in. Raise `StorageFailedError`; then it has not happened."""
        told = {"at_utc": utc_now(), "what": what, "entry": entry, "by": by, **more}
        line = json.dumps(told, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        why = self._append(line)
        if why is not None:
            raise StorageFailedError(f"{self._path} cannot be written: {why}")
        known = dict(self.known)  # others go through the one there is meanwhile
        apply(known, told)
        self.known = known

    @staticmethod
    def new_key() -> str:
        """Return the key of an entry that is made here."""
        return "w-" + base64.b32encode(secrets.token_bytes(_KEY_BYTES)).decode().rstrip("=").lower()

    def _append(self, line: bytes) -> str | None:
        """Return why a line could not be written, None where it is on the disk; no traceback then holds the line."""
        new = not self._path.exists()
        size = None if new else self._path.stat().st_size
        try:
            self._write(self._path, line, os.O_APPEND)
            if new:
                StorageFiles().sync_directory(self._folder)
        except OSError as why:
            with suppress(OSError):  # what was written of it is cut off, or else when the file is read again
                os.truncate(self._path, size or 0)
            return why.strerror or type(why).__name__
        return None

    @staticmethod
    def _write(path: Path, data: bytes, how: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _cut_off_what_was_torn(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            at = size
            while at > 0:
                begin = max(0, at - 65536)
                file.seek(begin)
                found = file.read(at - begin).rfind(b"\n")
                if found >= 0:
                    at = begin + found + 1
                    break
                at = begin
            if at < size:
                _LOG.warning(
                    "%s ended in the midst of a line of %d bytes, which is cut off", self._path.name, size - at
                )
                file.truncate(at)
                os.fsync(file.fileno())

    def _read(self) -> None:
        self.known, self.damaged = {}, 0
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                if not _taken(self.known, line):
                    self.damaged += 1
        if self.damaged:
            _LOG.error("%d lines of %s cannot be understood and are passed over", self.damaged, self._path.name)

    def _forget_old(self, now: datetime) -> None:
        since = now - timedelta(days=KEPT_DAYS)
        self.known = {
            key: kept
            for key, kept in self.known.items()
            if kept.waits or kept.step.start >= since or _last(kept) >= since
        }


def _taken(known: dict[str, Kept], line: bytes) -> bool:
    """Take in a line of the file; return False for one that cannot be understood, whose content is shown nowhere."""
    try:
        told = json.loads(line)
        if not isinstance(told, Mapping):
            return False
        apply(known, told)
    except (ValueError, KeyError, TypeError, RecursionError, ScandaqError):
        return False
    return True


def _last(kept: Kept) -> datetime:
    """Return when something was last acquired of it."""
    return max((datetime.fromisoformat(run.at_utc) for run in kept.runs.values()), default=kept.step.start)
