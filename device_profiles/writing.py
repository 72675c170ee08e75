"""Write a file of a calibration once, whole, never over another one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from daq.errors import RefusedError


def write_new(path: Path, content: bytes) -> None:
    """Make the file under another name, durable, and link it: never over another one, never half.

    Raises `RefusedError` where a file is there already, or cannot be made.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                os.link(beside, path)
            finally:
                beside.unlink()
        _make_durable(path.parent)
    except FileExistsError:
        raise RefusedError(f"{path} exists: a calibration is never written over another") from None
    except OSError as why:
        raise RefusedError(f"{path} cannot be written: {why.strerror}") from None


def _make_durable(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
