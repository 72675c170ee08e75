"""Small JSON files that only the daemon's user can read: who may sign in, and who is signed in."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from daq.errors import FormatError, RefusedError, StorageFailedError

_MODE = 0o600
_MOST_BYTES = 4 << 20


def read_private(path: Path, schema: str) -> dict[str, Any] | None:
    """Return what a file says, None where there is none.

    Raise `RefusedError` where it cannot be read, or others can read or write it; `FormatError` for one not of ours.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as why:
        raise RefusedError(f"{path} cannot be read: {why.strerror}") from None
    if mode & 0o077:
        raise RefusedError(f"{path} has the mode {mode:04o}, so that others can read or write it; it must be 0600")
    if len(data) > _MOST_BYTES:
        raise FormatError(f"{path} has more than {_MOST_BYTES} bytes")
    try:
        found = json.loads(data)
    except ValueError:
        raise FormatError(f"{path} is no JSON") from None
    if not isinstance(found, dict) or found.get("schema") != schema:
        raise FormatError(f"{path} is no file of the schema {schema!r}")
    return found


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Replace the file by rename, never readable for others at any instant, and wait for the disk.

    Written by root it belongs to whom its folder belongs. Raise `StorageFailedError`.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with suppress(FileNotFoundError):
            beside.unlink()
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, _MODE)
            _belong(fd, path.parent)
            file.write(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(fd)
        beside.rename(path)
        _sync(path.parent)
    except OSError as why:
        with suppress(OSError):  # the reason for which it failed may hold here as well
            beside.unlink(missing_ok=True)
        raise StorageFailedError(f"{path} cannot be written: {why.strerror}") from None


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Change the file while nobody else does. Raise `StorageFailedError` where its folder cannot be written."""
    lock = path.with_name(f".{path.name}.lock")
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
    except OSError as why:
        raise StorageFailedError(f"{lock} cannot be written: {why.strerror}") from None
    try:
        _belong(fd, path.parent)
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _belong(fd: int, folder: Path) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
