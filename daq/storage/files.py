"""The writer's only door to the file system. Tests put a recorder, a full disk or a broken disk in its place.

Segments are written with `O_DIRECT` from page-aligned memory where the file system takes it: no page cache to fill, so
0.04 CPU-seconds per GB instead of 0.25 to 1.5. Where it does not, writes are buffered and `Handle.direct` says so.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from daq.errors import RefusedError
from daq.listmode.blocks import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable

_KEEP_SIZE = 1
_HUGE_PAGE = 2 << 20
_NOT_SUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)

Buffer = bytes | bytearray | memoryview


@dataclass(slots=True)
class Handle:
    """An open segment file. `direct` and `preallocates` turn False for good when the file system refuses."""

    fd: int
    path: Path
    direct: bool
    preallocates: bool = True


def aligned_buffer(size: int) -> memoryview:
    """Return `size` zero bytes of page-aligned memory, rounded up to whole pages and already touched.

    Large ones lie in huge pages where the system gives them: a direct write then costs a third of the CPU time.
    """
    size = -(-size // PAGE) * PAGE
    huge = size >= _HUGE_PAGE
    memory = mmap.mmap(-1, size + (_HUGE_PAGE if huge else 0), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    view = memoryview(memory)
    if huge:
        with suppress(OSError):  # a kernel without huge pages
            memory.madvise(mmap.MADV_HUGEPAGE)
        start = -_address(view) % _HUGE_PAGE
        view = view[start : start + size]
    np.frombuffer(view, np.uint8)[::PAGE] = 0
    return view


def partial_path(out: Path, why_new: str) -> Path:
    """Return the name under which `out` grows before it gets its own, in the same directory.

    Raise `RefusedError` with `why_new` where either name is taken, or when there is no such directory.
    """
    partial = out.with_name(out.name + ".partial") if out.name else out  # "." and "/" have no name
    for path in (out, partial):
        if path.exists() or path.is_symlink():
            raise RefusedError(f"{path} exists: {why_new}")
    if not out.parent.is_dir():
        raise RefusedError(f"{out.parent}: no such directory to put {out.name} in")
    return partial


class StorageFiles:
    """Real files. Every method raises `OSError`; the writer turns it into words."""

    def create(self, path: Path) -> Handle:
        """Create `path`, which must not exist, for writing. Durable only after `sync_directory`."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(path, flags, 0o644)
        return Handle(fd, path, direct=_set_direct(fd))

    def write_at(self, handle: Handle, offset: int, buffer: Buffer) -> None:
        """Write all of `buffer` at `offset`. Direct unless address, length or file system forbid it."""
        rest = memoryview(buffer)
        if not rest:
            return
        if handle.direct and (offset % PAGE or len(rest) % PAGE or _address(rest) % PAGE):
            handle.direct = _clear_direct(handle.fd)
        while rest:
            try:
                done = os.pwrite(handle.fd, rest, offset)
            except OSError as why:
                if why.errno != errno.EINVAL or not handle.direct:
                    raise
                handle.direct = _clear_direct(handle.fd)
                continue
            rest, offset = rest[done:], offset + done

    def datasync(self, handle: Handle) -> None:
        """Return once all that was written, and the size, is on the disk."""
        os.fdatasync(handle.fd)

    def sync(self, handle: Handle) -> None:
        """Return once data and metadata are on the disk."""
        os.fsync(handle.fd)

    def preallocate(self, handle: Handle, offset: int, length: int) -> None:
        """Reserve disk blocks beyond the end without changing the size. Quietly unavailable on some file systems."""
        if not handle.preallocates:
            return
        try:
            _fallocate(handle.fd, _KEEP_SIZE, offset, length)
        except OSError as why:
            if why.errno not in _NOT_SUPPORTED:
                raise
            handle.preallocates = False

    def truncate(self, handle: Handle, size: int) -> None:
        """Cut the file, preallocated blocks included, to `size` bytes."""
        os.ftruncate(handle.fd, size)

    def close(self, handle: Handle) -> None:
        """Close the file."""
        os.close(handle.fd)

    def rename(self, old: Path, new: Path) -> None:
        """Give `old` the name `new`, in place of what has it. Durable only after `sync_directory`."""
        old.rename(new)

    def rename_durably(self, data: bytes, path: Path) -> None:
        """Replace `path` by a file holding `data`: at every instant the disk has the old or the new one, whole."""
        beside = path.with_name(path.name + ".tmp")
        self.remove(beside)
        handle = self.create(beside)
        try:
            self.write_at(handle, 0, data)
            self.sync(handle)
        finally:
            self.close(handle)
        self.rename(beside, path)
        self.sync_directory(path.parent)

    def make_directory(self, path: Path) -> None:
        """Make `path`, which must not exist, durably."""
        path.mkdir()
        self.sync_directory(path.parent)

    def sync_directory(self, path: Path) -> None:
        """Return once the names in directory `path` are on the disk."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def reserve(self, path: Path, size: int) -> None:
        """Create `path`, which must not exist, with `size` bytes of disk truly taken, or leave nothing."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(fd)

    def remove(self, path: Path) -> None:
        """Remove `path` if it is there. Its blocks are free for others after `sync_directory`."""
        path.unlink(missing_ok=True)

    def free_bytes(self, path: Path) -> int:
        """Return what an ordinary user may still write on the file system of `path`."""
        state = os.statvfs(path)
        return state.f_bavail * state.f_frsize


def _address(buffer: memoryview) -> int:
    """Return the memory address of `buffer`, or 1 (never aligned) when it is read-only."""
    return 1 if buffer.readonly else ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def _set_direct(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_DIRECT)
    except OSError as why:
        if why.errno not in _NOT_SUPPORTED:
            raise
        return False
    return True


def _clear_direct(fd: int) -> bool:
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_DIRECT)
    return False


def _load_fallocate() -> Callable[[int, int, int, int], int]:
    function = ctypes.CDLL(None, use_errno=True).fallocate
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    function.restype = ctypes.c_int
    return function


_libc_fallocate = _load_fallocate()


def _fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    if _libc_fallocate(fd, mode, offset, length):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def make_parents(directory: Path) -> None:
    """Make the folders above `directory` durably, or raise `RefusedError`."""
    files = StorageFiles()
    try:
        for path in reversed([path for path in directory.absolute().parents if not path.exists()]):
            with suppress(FileExistsError):  # another recording made it just now
                files.make_directory(path)
    except OSError as why:
        raise RefusedError(f"{directory} cannot be made: {why.strerror}") from None
