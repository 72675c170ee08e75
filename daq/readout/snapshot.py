"""Publish figures of a running readout: named arrays in a memfd, copied at most some twenty times a second.

The bytes are in `daq.readout.snapshotformat`. The writer never waits for a reader and does not know of any. Whoever
holds its descriptor (`daq.readout.descriptors`) sees the figures, also after the readout has ended.

What is assumed of memory order: that an aligned 64-bit word is stored and loaded whole, and that the number stored
first of a slot is seen before, and the one stored last after, what was stored between them. x86 keeps that order, and
CPython moves no stores across calls. Nothing is wrong where it does not hold: each array carries a CRC-32 over the
number it was published under and its bytes, so a mixture of two publications is seen as such, and read again.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError
from daq.readout import snapshotformat as form
from daq.readout.closing import Closing
from daq.readout.snapshotformat import ArraySpec, Directory, Group, Place, Words, checksum_of, lay_out

Value = npt.NDArray[Any] | str
_LAYOUT_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


class SnapshotWriter(Closing):
    """The one writer of a snapshot. The arrays are declared here and fixed thereafter.

    Every array starts as zeros, every text empty, under the number 0. Raises `RefusedError` when there is no memory.
    """

    def __init__(self, specs: Sequence[ArraySpec], *, about: Mapping[str, Any] | None = None) -> None:
        """Lay out `specs`; `about` is JSON that readers find in the directory, e.g. names and units of axes."""
        self._directory, header = lay_out(specs, about or {}, os.getpid())
        self._numbers = dict.fromkeys(self._directory.groups, 0)
        self._lock = threading.Lock()
        self._fd = os.memfd_create("scandaq-snapshot", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            self._map = _mapped(self._fd, self._directory)
        except OSError as why:
            os.close(self._fd)
            raise RefusedError(f"no memory for {self.total_bytes} bytes of live figures: {why.strerror}") from None
        self._words: Words = np.frombuffer(self._map, "<u8")
        self._bytes: npt.NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        self._map[: len(header)] = header
        self._words[form.STATE_AT // 8] = form.OPEN
        self.write_sealed = _seal(self._fd)
        """True when the kernel keeps everybody else from writing (Linux 5.1 and later)."""
        self._closed = False

    @property
    def total_bytes(self) -> int:
        """Return the size; what was never written takes no memory."""
        return self._directory.total_bytes

    def publish(self, group: str, values: Mapping[str, Value], *, now_ns: int | None = None) -> int:
        """Publish all arrays of a group as one and return the number it has now; `now_ns` is host monotonic time.

        Raises `RefusedError` for values that do not fit their declaration, and after `close`; then nothing is changed.
        """
        with self._lock:
            if self._closed:
                raise RefusedError("the snapshot is closed")
            where = self._directory.groups[group]
            data = _checked(where, values)
            number = self._numbers[group] + 1
            self._write(where, number, data, time.monotonic_ns() if now_ns is None else now_ns)
            self._numbers[group] = number
        return number

    def close(self) -> None:
        """Say that nothing more will come. Readers keep the last figures."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._words[form.CLOSED_AT // 8] = time.monotonic_ns()
            self._words[form.STATE_AT // 8] = form.CLOSED
            del self._words, self._bytes
            self._map.close()
            os.close(self._fd)

    def duplicate(self) -> int:
        """Return a descriptor of the memory, to be given away and closed. Raises `RefusedError` after `close`."""
        with self._lock:
            if self._closed:
                raise RefusedError("the snapshot is closed")
            return os.dup(self._fd)

    def _write(self, group: Group, number: int, data: Mapping[str, npt.NDArray[np.uint8]], now_ns: int) -> None:
        slot = group.slots[number % 2]
        self._words[(slot + form.BEGIN) // 8] = number
        self._words[(slot + form.TIME) // 8] = now_ns
        for name, content in data.items():
            self._copy(slot + group.arrays[name].at, number, content)
        self._words[(slot + form.END) // 8] = number
        self._words[group.latest // 8] = number

    def _copy(self, at: int, number: int, content: npt.NDArray[np.uint8]) -> None:
        self._words[(at + form.USED) // 8] = len(content)
        self._words[(at + form.CRC) // 8] = checksum_of(number, content)
        self._bytes[at + form.DATA : at + form.DATA + len(content)] = content


def _mapped(fd: int, directory: Directory) -> mmap.mmap:
    """Return the memory of `directory`, mapped for writing.

    The pages of numbers are taken now: later, a lack of memory would be a signal that ends the process. Texts may be
    declared far longer than they ever get; they take pages as they grow.
    """
    os.ftruncate(fd, directory.total_bytes)
    for group in directory.groups.values():
        for place in group.arrays.values():
            for slot in group.slots:
                if not place.spec.text:
                    os.posix_fallocate(fd, slot + place.at, form.DATA + place.spec.nbytes)
    return mmap.mmap(fd, directory.total_bytes)


def _seal(fd: int) -> bool:
    """Forbid another size, and writing by anybody but the mapping that exists; return True where both hold."""
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _LAYOUT_SEALS)
    try:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, form.F_SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL)
    except OSError:  # a kernel before 5.1 does not know the seal
        return False
    return True


def _checked(group: Group, values: Mapping[str, Value]) -> dict[str, npt.NDArray[np.uint8]]:
    """Return the bytes of `values`, or raise `RefusedError` for one that is missing, unknown or unfit."""
    if values.keys() != group.arrays.keys():
        raise RefusedError(f"group {group.name!r} has the arrays {sorted(group.arrays)}, not {sorted(values)}")
    return {name: _bytes_of(place, values[name]) for name, place in group.arrays.items()}


def _bytes_of(place: Place, value: Value) -> npt.NDArray[np.uint8]:
    spec = place.spec
    if isinstance(value, str) != spec.text:
        raise RefusedError(f"array {spec.name!r} is {'a' if spec.text else 'no'} text")
    if isinstance(value, str):
        content = np.frombuffer(value.encode("utf-8", "replace"), np.uint8)
        if len(content) > spec.nbytes:
            raise RefusedError(f"text {spec.name!r}: {len(content)} bytes; {spec.nbytes} fit")
        return content
    if value.dtype != np.dtype(spec.dtype) or value.shape != spec.shape:
        raise RefusedError(f"array {spec.name!r}: {value.dtype} {value.shape}, declared {spec.dtype} {spec.shape}")
    return np.ascontiguousarray(value).reshape(-1).view(np.uint8)
