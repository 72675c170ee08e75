"""Appends the documents of a run to `run.jsonl` in a thread, so that nobody else waits for the disk.

The file begins to exist when the recording's manifest does, for a recording is only begun in an empty directory. What
cannot be written waits, bounded, and is tried again. A line torn by a crash is closed by the next one and skipped by
readers.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from daq.storage.manifest import MANIFEST

_RETRY_S = 0.5
_AWAIT_S = 0.05


class RunFile:
    """Appends lines to a `run.jsonl` in a thread of its own: no call here waits for the disk but `join`.

    `trouble` is called from that thread with a text when writing begins to fail, with None when it works again.
    `dropped` counts lines that found `most_bytes` waiting, `lost` those that were still waiting at the end.
    """

    def __init__(
        self, path: Path, *, trouble: Callable[[str | None], None], sync_s: float = 2.0, most_bytes: int = 16 << 20
    ) -> None:
        self.path = path
        self.dropped = self.lost = self.written = self.syncs = 0
        self.sync_last_s = self.sync_max_s = 0.0
        self.sha256: str | None = None
        self._trouble = trouble
        self._troubled = False
        self._sync_s = sync_s
        self._most_bytes = most_bytes
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._offset = 0  # in the first line: a disk that fills up takes the beginning of one
        self._since_s = 0.0
        self._change = threading.Condition()
        self._sync_wanted = False
        self._ending = False
        self._fd: int | None = None
        self._size: int | None = None
        self._dirty = False
        self._synced_s = 0.0
        self._thread = threading.Thread(target=self._run, name="run-documents", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def begun(self) -> bool:
        """Return True once there is a file."""
        return self._size is not None

    @property
    def pressed(self) -> bool:
        """Return True while so much waits that only the documents a run needs should be added."""
        return self._waiting_bytes > self._most_bytes // 2

    @property
    def waiting_bytes(self) -> int:
        """Return how much is not handed to the disk yet."""
        return self._waiting_bytes

    @property
    def waiting_s(self) -> float:
        """Return how long the first line has been waiting."""
        return time.monotonic() - self._since_s if self._lines else 0.0

    def append(self, line: bytes, *, sync: bool = False) -> bool:
        """Let a line be written, and synced at once where `sync`; return False where too much waits already."""
        with self._change:
            if self._waiting_bytes + len(line) > self._most_bytes or self._ending:
                self.dropped += 1
                return False
            if not self._lines:
                self._since_s = time.monotonic()
            self._lines.append(line)
            self._waiting_bytes += len(line)
            self._sync_wanted = self._sync_wanted or sync
            self._change.notify()
        return True

    def join(self, deadline_s: float) -> bool:
        """Have everything written, synced and hashed, and end the thread; return False where it took too long."""
        with self._change:
            self._ending = True
            self._change.notify()
        if self._thread.is_alive():
            self._thread.join(deadline_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        """Write until the end is asked for, and then once more; what fails is tried again."""
        last = False
        while not last:
            last = self._await_work()
            pause_s = 0.0
            try:
                if self._open():
                    self._write()
                    self._sync(wanted=last)
                    self._tell(None)
                else:
                    pause_s = _AWAIT_S
            except OSError as why:
                self._tell(f"{self.path} cannot be written: {why.strerror}")
                self._close()
                pause_s = _RETRY_S
            if pause_s:
                self._pause(pause_s)
        self._finish()

    def _await_work(self) -> bool:
        """Wait for lines, for the end, or until a sync is due; return True at the end."""
        with self._change:
            left_s = max(0.0, self._synced_s + self._sync_s - time.monotonic()) if self._dirty else None
            self._change.wait_for(lambda: self._lines or self._ending, left_s)
            return self._ending

    def _pause(self, pause_s: float) -> None:
        with self._change:
            self._change.wait_for(lambda: self._ending, pause_s)

    def _open(self) -> bool:
        """Open the file, again where writing failed; return False as long as there is no recording."""
        if self._fd is not None:
            return True
        if self._size is None and not (self.path.parent / MANIFEST).exists():
            return False
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        size = os.fstat(self._fd).st_size
        if size != self._size:  # not what this thread left: begin with a line of its own
            self._offset = 0
            if size and os.pread(self._fd, 1, size - 1) != b"\n":
                size += os.write(self._fd, b"\n")
        if self._size is None:
            _sync_directory(self.path.parent)
        self._size = size
        return True

    def _write(self) -> None:
        """Write all that waits. A disk that fills up takes the beginning of a line; its rest follows later."""
        while self._lines and self._fd is not None:
            line = self._lines[0]
            taken = os.write(self._fd, line[self._offset :])
            self._dirty = True
            self._offset += taken
            self._size = (self._size or 0) + taken
            if self._offset == len(line):
                self._offset = 0
                with self._change:
                    self._lines.popleft()
                    self._waiting_bytes -= len(line)
                    self._since_s = time.monotonic()
                self.written += 1

    def _sync(self, *, wanted: bool) -> None:
        begin_s = time.monotonic()
        due = wanted or self._sync_wanted or begin_s >= self._synced_s + self._sync_s
        if not (self._dirty and due) or self._fd is None:
            return
        self._sync_wanted = False
        os.fdatasync(self._fd)
        self._dirty = False
        self._synced_s = time.monotonic()
        self.syncs += 1
        self.sync_last_s = self._synced_s - begin_s
        self.sync_max_s = max(self.sync_max_s, self.sync_last_s)

    def _finish(self) -> None:
        """Give up what could not be written, and hash what is there."""
        with self._change:
            self.lost = len(self._lines)
        if self._fd is None:
            return
        self._close()
        try:
            with self.path.open("rb") as file:
                self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as why:
            self._tell(f"{self.path} cannot be read: {why.strerror}")

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            with suppress(OSError):  # it was told already: by the write or by the sync before
                os.close(fd)

    def _tell(self, trouble: str | None) -> None:
        """Say that writing fails, or that it works again; once each."""
        if (trouble is not None) != self._troubled:
            self._troubled = trouble is not None
            self._trouble(trouble)


def _sync_directory(path: Path) -> None:
    """Make the name of a new file durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
