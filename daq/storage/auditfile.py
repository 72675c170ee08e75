"""The audit log on the disk: append-only files that one chain runs through. Bytes once written are never changed.

A file that a crash left with a torn line, or that has been tampered with, stays as it is: a new file goes on with the
chain, and the line that opens it says what was found. The same way is gone after a disk has failed and come back.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from pathlib import Path
from typing import Protocol

from daq.storage.auditchain import AUDIT_FORMAT, CLOSE, OPEN, Fields, Head, Line, Value, chained, file_name, parse_line
from daq.storage.auditlook import WHOLE, Found, look
from daq.storage.files import Handle, StorageFiles

AUDIT_FOLDER = "audit"
"""Name of the log's folder within the state folder of a station."""
MAX_FILE_BYTES = 8 << 20
_CLOSING_BYTES = 2048
"""Room that is left in every file for the line that closes it."""
_MODE = 0o640


class OwnLine(Protocol):
    """Makes the fields of a line that the log writes about itself."""

    def __call__(self, verb: str, what: str, *, old: Value = None, new: Value = None, reason: str = "") -> Fields:
        """Return all fields but number and hashes."""


class AuditFile:
    """Appends lines durably, one at a time. Not for two threads.

    `condition` says how the log ended when it was opened last: `whole`, or what was wrong with it.
    """

    def __init__(
        self, folder: Path, own: OwnLine, *, files: StorageFiles | None = None, max_bytes: int = MAX_FILE_BYTES
    ) -> None:
        self.folder = folder
        self.head = Head()
        self.condition = WHOLE
        self._own = own
        self._files = files or StorageFiles()
        self._max_bytes = max_bytes
        self._handle: Handle | None = None
        self._number = 0
        self._size = 0
        self._digest = hashlib.sha256()
        self._doubtful = b""
        """The line whose fate is not known since writing it has failed."""

    def append(self, fields: Fields) -> None:
        """Write a line and return once it is on the disk.

        Raise `OSError`; the same fields may then be given again: a line that did reach the disk is not written twice.
        """
        try:
            if not self._is_unchanged() and self._resume():
                return
            if self._size + len(chained(fields, self.head)[0]) + _CLOSING_BYTES > self._max_bytes:
                self._rotate()
            self._put(fields)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file. The next line opens it again."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._files.close(handle)

    def _put(self, fields: Fields) -> None:
        """Append one line to the open file."""
        line, head = chained(fields, self.head)
        self._doubtful = line
        self._write(self._size, line)
        self._doubtful = b""
        self.head = head
        self._size += len(line)
        self._digest.update(line)

    def _write(self, offset: int, line: bytes) -> None:
        if self._handle is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), str(self.folder))
        self._files.write_at(self._handle, offset, line)
        self._files.datasync(self._handle)

    def _is_unchanged(self) -> bool:
        """Return True where the open file still stands under its name and nobody else has written to it."""
        if self._handle is None:
            return False
        try:
            named = self._handle.path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._handle.fd)
        return (named.st_dev, named.st_ino, named.st_size) == (mine.st_dev, mine.st_ino, self._size)

    def _resume(self) -> bool:
        """Open the log where its chain ends; return True where the doubtful line turned out to be there."""
        self.close()
        known, doubtful = self.head, self._doubtful
        if not known.seq:  # later a folder that is missing means that the storage is gone
            _make_folder(self.folder, self._files)
        found = look(self.folder)
        self.condition = found.condition
        if found.head.seq < known.seq:
            self.condition = f"ends with {found.head.seq}, was written up to {known.seq}"
        is_there = bool(doubtful) and self.condition == WHOLE and found.last_line + b"\n" == doubtful
        if is_there and found.ends_in is not None:
            self._confirm(found.ends_in, doubtful)
        self.head = max(known, found.head, key=lambda head: head.seq)
        self._doubtful = b""
        if found.newest and found.appendable and self.condition == WHOLE:
            self._reopen(found.newest, found.number)
        else:
            self._begin(found, self.condition)
        return is_there and not _is_own(doubtful)

    def _confirm(self, path: Path, line: bytes) -> None:
        """Write the last line again, so that it is on the disk: after a failed sync the page cache alone may have it.

        Its bytes are the same. Until this has succeeded the line stays doubtful.
        """
        size = self._open(path)
        self._write(size - len(line), line)
        self.close()

    def _open(self, path: Path) -> int:
        """Open an existing file and return its size."""
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._handle = Handle(fd, path, direct=False)
        _lock(self._handle)
        return os.fstat(fd).st_size

    def _reopen(self, path: Path, number: int) -> None:
        self._size, self._number = self._open(path), number
        self._digest = hashlib.sha256(path.read_bytes())
        self._files.sync_directory(self.folder)

    def _begin(self, found: Found, condition: str) -> None:
        """Begin a file with the line that names the one before and says in which condition that is."""
        before = found.ends_in.name if found.ends_in else ""
        if found.newest and not found.size:  # what a full disk left of the last attempt
            self._reopen(found.newest, found.number)
        else:
            self._create(found.number + 1)
        reason = "" if condition == WHOLE else "the file before ends otherwise than it should; it stays as it was found"
        self._put(self._own(OPEN, before, old=condition, new=AUDIT_FORMAT, reason=reason))

    def _create(self, number: int) -> None:
        path = self.folder / file_name(number)
        self._handle = self._files.create(path)
        path.chmod(_MODE)
        _lock(self._handle)
        self._size, self._number, self._digest = 0, number, hashlib.sha256()
        self._files.sync_directory(self.folder)

    def _rotate(self) -> None:
        """Close the file with a line that has its hash and names the next one, and begin that."""
        before, after = file_name(self._number), self._number + 1
        self._put(self._own(CLOSE, file_name(after), new=f"sha256:{self._digest.hexdigest()}"))
        self.close()
        self._create(after)
        self._put(self._own(OPEN, before, old=WHOLE, new=AUDIT_FORMAT))


def _is_own(raw: bytes) -> bool:
    """Return True for a line that the log wrote about itself when it opened or closed a file."""
    line = parse_line(raw.removesuffix(b"\n"))
    return isinstance(line, Line) and line.content.get("verb") in (OPEN, CLOSE)


def _make_folder(folder: Path, files: StorageFiles) -> None:
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        files.make_directory(path)


def _lock(handle: Handle) -> None:
    """Keep a second writer out. Raise `BlockingIOError` where there is one."""
    try:
        fcntl.flock(handle.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(errno.EAGAIN, "another process writes this audit log", str(handle.path)) from None
