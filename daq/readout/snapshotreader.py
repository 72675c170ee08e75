"""Read the figures of a running readout, or of one that has ended, from the memory it shares."""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import DeadlineError, FormatError
from daq.readout import snapshotformat as form
from daq.readout.closing import Closing
from daq.readout.snapshotformat import ArraySpec, Directory, Group, Place, Words, checksum_of, parse_directory

_MOST_TRIES = 1000
_LONGEST_PAUSE_S = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What was published together, copied. `sequence` counts publications; 0: nothing was published yet.

    `published_ns` is host monotonic time. `arrays` holds arrays, `texts` decoded texts.
    """

    sequence: int
    published_ns: int
    arrays: Mapping[str, npt.NDArray[Any]]
    texts: Mapping[str, str]


class SnapshotReader(Closing):
    """A view on a snapshot. It stays valid when the writer ends, in whatever way. Any number of readers may look."""

    def __init__(self, fd: int) -> None:
        """Map the memory behind `fd`, which is closed in any case. Raises `FormatError` unless it is a snapshot."""
        try:
            self._map, self._directory = _attached(fd)
        finally:
            os.close(fd)
        self._words: Words = np.frombuffer(self._map, "<u8")
        self._bytes: npt.NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)

    @property
    def about(self) -> Mapping[str, Any]:
        """Return what the writer says of its arrays."""
        return self._directory.about

    @property
    def writer_pid(self) -> int:
        """Return the process that writes or wrote."""
        return self._directory.pid

    @property
    def specs(self) -> tuple[ArraySpec, ...]:
        """Return all arrays."""
        return tuple(place.spec for group in self._directory.groups.values() for place in group.arrays.values())

    @property
    def finished(self) -> bool:
        """Return True when the writer said that nothing more will come. One that was killed could not say so."""
        return int(self._words[form.STATE_AT // 8]) == form.CLOSED

    def sequence(self, group: str) -> int:
        """Return the number published last, 0 before the first: cheap, to see whether there is something new."""
        return int(self._words[self._group(group).latest // 8])

    def read(self, group: str, names: Iterable[str] | None = None, *, deadline_s: float = 1.0) -> Reading:
        """Return arrays of one publication: those of `names`, or all of the group.

        Tries again while the writer writes over them. Raises `DeadlineError` after `deadline_s` or 1000 tries, and
        `KeyError` for a name that is not there.
        """
        found = self._group(group)
        places = [found.arrays[name] for name in (found.arrays if names is None else names)]
        deadline = time.monotonic() + deadline_s
        for tried in range(_MOST_TRIES):
            reading = self._try(found, places)
            if reading is not None:
                return reading
            if time.monotonic() >= deadline:
                break
            time.sleep(min(tried * 1e-5, _LONGEST_PAUSE_S))
        raise DeadlineError(
            f"group {group!r} was written over in each of {tried + 1} tries to read it, or is damaged; "
            f"the deadline is {deadline_s:g} s"
        )

    def close(self) -> None:
        """Give the memory back. What was read stays."""
        if not self._map.closed:
            del self._words, self._bytes
            self._map.close()

    def _group(self, name: str) -> Group:
        return self._directory.groups[name]

    def _try(self, group: Group, places: list[Place]) -> Reading | None:
        """Return the arrays, or None when they were written over meanwhile."""
        number = int(self._words[group.latest // 8])
        if number == 0:
            blank = {p.spec.name: np.zeros(p.spec.shape, p.spec.dtype) for p in places if not p.spec.text}
            return Reading(0, 0, blank, {p.spec.name: "" for p in places if p.spec.text})
        slot = group.slots[number % 2]
        whole = int(self._words[(slot + form.END) // 8])
        published_ns = int(self._words[(slot + form.TIME) // 8])
        copies = [self._copy(slot + place.at, place.spec.nbytes) for place in places]
        if not whole == number == int(self._words[(slot + form.BEGIN) // 8]):
            return None
        if any(checksum_of(number, data) != crc for data, crc in copies):
            return None
        arrays: dict[str, npt.NDArray[Any]] = {}
        texts: dict[str, str] = {}
        for place, (data, _) in zip(places, copies, strict=True):
            if place.spec.text:
                texts[place.spec.name] = data.tobytes().decode()
            elif len(data) == place.spec.nbytes:
                arrays[place.spec.name] = data.view(place.spec.dtype).reshape(place.spec.shape)
            else:
                return None
        return Reading(number, published_ns, arrays, texts)

    def _copy(self, at: int, most_bytes: int) -> tuple[npt.NDArray[np.uint8], int]:
        """Return the bytes that count of the array at `at`, and the checksum that they should have."""
        used = min(int(self._words[(at + form.USED) // 8]), most_bytes)
        return self._bytes[at + form.DATA : at + form.DATA + used].copy(), int(self._words[(at + form.CRC) // 8])


def _attached(fd: int) -> tuple[mmap.mmap, Directory]:
    size = os.fstat(fd).st_size
    if not _cannot_shrink(fd) or size < form.DIRECTORY_AT:
        raise FormatError(f"no snapshot: {size} bytes that may change their size")
    mapped = mmap.mmap(fd, size, access=mmap.ACCESS_READ)
    try:
        return mapped, _directory(mapped, size)
    except BaseException:
        mapped.close()
        raise


def _cannot_shrink(fd: int) -> bool:
    """Return True when the memory cannot be cut short under a reader, which would be killed by a signal."""
    try:
        return bool(fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK)
    except OSError:
        return False


def _directory(mapped: mmap.mmap, size: int) -> Directory:
    magic, major, _, length, total = form.HEADER.unpack_from(mapped)
    if magic != form.MAGIC:
        raise FormatError(f"no snapshot: it begins with {magic!r}, not {form.MAGIC!r}")
    if major != form.MAJOR:
        raise FormatError(f"snapshot of version {major}; this build knows {form.MAJOR}")
    if total != size or form.DIRECTORY_AT + length > size or size % 8:
        raise FormatError(f"damaged snapshot: {total} bytes announced, directory of {length}; it has {size}")
    try:
        return parse_directory(mapped[form.DIRECTORY_AT : form.DIRECTORY_AT + length], size)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
        raise FormatError(f"damaged snapshot: its directory cannot be understood ({why})") from None
