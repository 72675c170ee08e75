"""A file's bytes through a read-only memory map, with a bound on what a long walk keeps in memory."""

from __future__ import annotations

import errno
import logging
import mmap
from contextlib import contextmanager
from typing import TYPE_CHECKING

from daq.errors import MissingError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RELEASE_BYTES = 32 << 20
_MADV_POPULATE_READ = 22
_LOG = logging.getLogger(__name__)


class Releaser:
    """Lets go of pages that a walk has passed, so that one of any length stays small in memory.

    The data stay in the page cache: whoever still looks at a released page gets it again.
    """

    def __init__(self, pages: mmap.mmap | None, start: int = 0) -> None:
        """Walk from about byte `start` on."""
        self._pages = pages
        self._released = start // _RELEASE_BYTES * _RELEASE_BYTES

    def release_before(self, at: int) -> None:
        """Let go of what lies before offset `at`, in large steps."""
        step = (at - self._released) // _RELEASE_BYTES * _RELEASE_BYTES
        if self._pages is not None and step > 0:
            self._pages.madvise(mmap.MADV_DONTNEED, self._released, step)
            self._released += step

    def readable(self, start: int, end: int) -> bool:
        """Return False where a look at bytes `[start, end)` would kill the process."""
        return self._pages is None or readable(self._pages, start, end)

    def release_all(self) -> None:
        """Let go of the whole file."""
        if self._pages is not None:
            self._pages.madvise(mmap.MADV_DONTNEED)


class Mapping(Releaser):
    """A file's bytes. `data` is valid until the mapping is left."""

    def __init__(self, data: memoryview, pages: mmap.mmap | None = None) -> None:
        super().__init__(pages)
        self.data = data


@contextmanager
def mapped(path: Path, *, whole: bool = False) -> Iterator[Mapping]:
    """Yield the file's bytes. Raise `MissingError` or `RefusedError` when there is no such plain file.

    With `whole`, every byte may be looked at even where the disk gives an error instead: zeros stand there.
    """
    pages = map_file(path)
    if pages is None:
        yield Mapping(memoryview(b""))
        return
    if whole and not all(_windows_readable(pages)):
        pages.close()
        pages = _copy_with_zeros(path)
    with pages, memoryview(pages) as data:
        pages.madvise(mmap.MADV_SEQUENTIAL)
        yield Mapping(data, pages)


def readable(pages: mmap.mmap, start: int, end: int) -> bool:
    """Return False where a look at bytes `[start, end)` would kill the process: a bad disk, a file cut short.

    A kernel older than 5.14 cannot tell, which counts as True.
    """
    start -= start % mmap.PAGESIZE
    try:
        pages.madvise(_MADV_POPULATE_READ, start, min(end, len(pages)) - start)
    except OSError as why:
        return why.errno == errno.EINVAL
    return True


def _windows_readable(pages: mmap.mmap) -> Iterator[bool]:
    for start in range(0, len(pages), _RELEASE_BYTES):
        yield readable(pages, start, start + _RELEASE_BYTES)
        pages.madvise(mmap.MADV_DONTNEED, start, min(_RELEASE_BYTES, len(pages) - start))


def _copy_with_zeros(path: Path) -> mmap.mmap:
    """Return the file's bytes in memory, zeros for the pages that cannot be read."""
    with path.open("rb", buffering=0) as file:
        size = file.seek(0, 2)
        copy = mmap.mmap(-1, max(size, 1))
        lost = 0
        for start in range(0, size, mmap.PAGESIZE):
            file.seek(start)
            try:
                data = file.read(mmap.PAGESIZE)
            except OSError:
                lost += mmap.PAGESIZE
                continue
            copy[start : start + len(data)] = data
    _LOG.warning("%s: %d bytes cannot be read from the disk and count as zeros", path, lost)
    return copy


def map_file(path: Path) -> mmap.mmap | None:
    """Return the map of a file, None when it is empty. Raise `MissingError` or `RefusedError`."""
    if not path.exists():
        raise MissingError(f"{path}: no such file")
    if not path.is_file():
        raise RefusedError(f"{path}: not a plain file")
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else None
    except OSError as why:
        raise RefusedError(f"{path}: {why.strerror or why}") from None
