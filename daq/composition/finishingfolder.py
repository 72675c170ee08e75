"""The folder `images/` of a recording: one process at a time, sums of all files, old ones kept beside new ones."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daq.errors import BusyError, FormatError, MissingError
from daq.storage.manifest import MANIFEST

IMAGES = "images"
VERDICT = "verdict.json"
SUMS = "SHA256SUMS"
_MAKING = ".making"
_BEFORE = "before"
_MOST_TIMES = 10_000
_CHUNK = 1 << 20


def is_finished(directory: Path) -> bool:
    """Return True where the verdict of a recording has been written, which comes last."""
    return (directory / IMAGES / VERDICT).exists()


def is_begun(directory: Path) -> bool:
    """Return True where pictures of a recording were made, or are being made; what is made now may lack the newest."""
    return (directory / IMAGES).is_dir()


@contextmanager
def making_in(images: Path) -> Iterator[Path]:
    """Give an empty folder in `images` and hold the lock. Raise `BusyError` where another process has it.

    What an attempt left that ended in the middle is removed first, for all of it is made anew.
    """
    descriptor = os.open(images, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"{images}: another process makes pictures there; wait until it has ended") from None
        making = images / _MAKING
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        try:
            yield making
        finally:
            shutil.rmtree(making, ignore_errors=True)  # gone where all is in place; else it is made anew
    finally:
        os.close(descriptor)


def write_sums(making: Path) -> tuple[dict[str, str], str]:
    """Write the SHA-256 of every file, in the form that `sha256sum -c` reads; return them, and that of the list."""
    files = {path.name: _sha256(path) for path in sorted(making.iterdir())}
    text = "".join(f"{digest}  {name}\n" for name, digest in files.items())
    (making / SUMS).write_text(text, encoding="utf-8")
    return files, hashlib.sha256(text.encode()).hexdigest()


def put_in_place(making: Path, images: Path) -> None:
    """Move what was made into the folder, durably, the verdict last; what has such a name goes to a folder beside."""
    names = sorted((path.name for path in making.iterdir()), key=lambda name: name == VERDICT)
    older = _listed(images) | {name for name in names if (images / name).exists()}
    if older:
        beside = next(path for path in (images / f"{_BEFORE}-{n}" for n in range(1, _MOST_TIMES)) if not path.exists())
        beside.mkdir()
        for name in sorted(older, key=lambda name: name != VERDICT):
            if (images / name).exists():
                (images / name).rename(beside / name)
    for name in names:
        _sync(making / name)
        (making / name).rename(images / name)
    making.rmdir()
    _sync(images)


def _listed(images: Path) -> set[str]:
    """Return the names in the file of sums that is there: what was made before."""
    return set(read_sums(images)) | ({SUMS} if (images / SUMS).exists() else set())


def read_sums(images: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that was made, by name; none where nothing was."""
    try:
        lines = (images / SUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("  ") for line in lines)
    return {name: digest for digest, _, name in pairs if name and "/" not in name}


def read_verdict(images: Path) -> dict[str, Any]:
    """Return what `verdict.json` says. Raise `MissingError` where the recording was not finished, `FormatError`."""
    if not (images.parent / MANIFEST).is_file():
        raise MissingError(f"{images.parent}: no list-mode directory: {MANIFEST} is not there")
    try:
        told = json.loads((images / VERDICT).read_bytes())
    except FileNotFoundError:
        raise MissingError(f"{images / VERDICT}: not there; daq study finish {images.parent} makes it") from None
    except (OSError, ValueError) as why:
        raise FormatError(f"{images / VERDICT}: cannot be read: {why}") from None
    if not isinstance(told, dict):
        raise FormatError(f"{images / VERDICT}: not a verdict")
    return told


def changed_files(images: Path) -> list[str]:
    """Return which of the files that were made are gone or are not what they were, by their sums."""
    return [
        name
        for name, digest in read_sums(images).items()
        if not (images / name).is_file() or _sha256(images / name) != digest
    ]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
