"""Files that are locked as long as a process lives, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import BinaryIO

from daq.errors import MissingError

_PATIENCE_S = 1.0
_POLL_S = 0.01

SHARED = fcntl.LOCK_SH
EXCLUSIVE = fcntl.LOCK_EX


def open_for_locking(path: Path, flags: int = 0) -> BinaryIO:
    """Return the file; raise `MissingError` where it cannot be opened or is a symbolic link."""
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_NOFOLLOW | flags, 0o600), "r+b", buffering=0)
    except OSError as why:
        raise MissingError(f"{path}: {why.strerror}") from None


def try_lock(file: BinaryIO, operation: int) -> bool:
    """Lock the file until it is closed and return True, or False when somebody else's lock forbids it."""
    try:
        fcntl.flock(file, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(file: BinaryIO) -> bool:
    """Return True as long as somebody else's exclusive lock is on the open file, wherever that is by now."""
    if not try_lock(file, SHARED):
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def lock_soon(file: BinaryIO, operation: int) -> bool:
    """Do the same, trying for a second: those who only look at a lock hold it for a moment."""
    deadline = time.monotonic() + _PATIENCE_S
    while not try_lock(file, operation):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def is_at(file: BinaryIO, path: Path) -> bool:
    """Return True when the open file is what the path names, and not something that was removed."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except OSError:
        return False
