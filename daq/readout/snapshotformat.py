"""The bytes of a snapshot: named arrays in shared memory, so that others see live figures without asking for them.

    offset  size  field
    0       8     magic "SDAQSNAP"
    8       2     major version, 1; another major means another layout
    10      2     minor version; a higher one only adds
    12      4     bytes of the directory
    16      8     bytes in all
    24      8     state: 1 open, 2 closed *
    32      8     host monotonic time of closing, ns *
    64      ...   directory, JSON in UTF-8

The directory does not change any more: `{"about": {...}, "pid": ..., "groups": {name: {"latest": offset, "slots":
[offset, offset]}}, "arrays": {name: {"group", "dtype", "shape", "text", "at", "bytes"}}}`. All numbers are
little-endian, all offsets multiples of 64.

A group of arrays is published as one, under a number 1, 2, 3 ...; number n goes into slot n mod 2, so that the number
before it stays whole while n is written, and after a writer that died in the middle.

    latest            8     number published last; 0 before the first *
    slot + 0          8     number, stored before anything else of the slot is touched *
    slot + 8          8     number, stored when the slot is whole *
    slot + 16         8     host monotonic time of publishing, ns *
    slot + at         8     bytes of the array that count: all, or the length of a text *
    slot + at + 8     8     CRC-32 (zlib) of the number as 8 bytes, then of those bytes *
    slot + at + 64    ...   the array, C order; of a text, UTF-8 *

    * changes while others read
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.listmode.crc import checksum

MAGIC = b"SDAQSNAP"
MAJOR = 1
MINOR = 0
HEADER = struct.Struct("<8sHHIQ")
STATE_AT = 24
CLOSED_AT = 32
DIRECTORY_AT = 64
OPEN = 1
CLOSED = 2

BEGIN, END, TIME = 0, 8, 16
"""Offsets in a slot."""
USED, CRC, DATA = 0, 8, 64
"""Offsets in an array's place."""

F_SEAL_FUTURE_WRITE = 0x10
"""Linux 5.1; Python 3.11 does not name it."""

_ALIGN = 64
_PAGE = 4096
_DTYPES = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8")

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One named array of a group. A text is `uint8`, its shape the most bytes it may have."""

    name: str
    group: str
    dtype: str
    shape: tuple[int, ...]
    text: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in _DTYPES:
            raise ValueError(f"array {self.name!r}: dtype {self.dtype!r}; possible are {', '.join(_DTYPES)}")
        if any(not isinstance(length, int) or length < 0 for length in self.shape):
            raise ValueError(f"array {self.name!r}: shape {self.shape}")
        if self.text and (self.dtype != "|u1" or len(self.shape) != 1):
            raise ValueError(f"array {self.name!r}: a text is uint8 with one dimension")

    @property
    def nbytes(self) -> int:
        """Return the most bytes of the array."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def array(name: str, group: str, dtype: npt.DTypeLike, *shape: int) -> ArraySpec:
    """Return the spec of an array of numbers."""
    return ArraySpec(name, group, np.dtype(dtype).newbyteorder("<").str, shape)


def text(name: str, group: str, *, most_bytes: int) -> ArraySpec:
    """Return the spec of a text, e.g. JSON, in UTF-8."""
    return ArraySpec(name, group, "|u1", (most_bytes,), text=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an array is in its group's slots."""

    spec: ArraySpec
    at: int


@dataclass(frozen=True, slots=True)
class Group:
    """Where a group is: its published number and its two slots."""

    name: str
    latest: int
    slots: tuple[int, int]
    arrays: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Directory:
    """Where everything is."""

    groups: Mapping[str, Group]
    about: Mapping[str, Any]
    pid: int
    total_bytes: int


def lay_out(specs: Sequence[ArraySpec], about: Mapping[str, Any], pid: int) -> tuple[Directory, bytes]:
    """Return the directory of `specs` and the header's bytes, the directory's JSON included."""
    if len({spec.name for spec in specs}) < len(specs):
        raise ValueError("two arrays of one name")
    room = 0
    while True:
        directory = _placed(specs, about, pid, _up(DIRECTORY_AT + room, _PAGE))
        encoded = json.dumps(_as_json(directory), separators=(",", ":")).encode()
        if len(encoded) <= room:
            break
        room = len(encoded) + _PAGE  # offsets with more digits make it longer
    header = HEADER.pack(MAGIC, MAJOR, MINOR, len(encoded), directory.total_bytes)
    return directory, header.ljust(DIRECTORY_AT, b"\0") + encoded


def _placed(specs: Sequence[ArraySpec], about: Mapping[str, Any], pid: int, offset: int) -> Directory:
    groups: dict[str, Group] = {}
    for name in dict.fromkeys(spec.group for spec in specs):
        at = _ALIGN
        arrays: dict[str, Place] = {}
        for spec in specs:
            if spec.group == name:
                arrays[spec.name] = Place(spec, at)
                at = _up(at + DATA + spec.nbytes, _ALIGN)
        first = offset + _ALIGN
        second = _up(first + at, _PAGE)
        groups[name] = Group(name, offset, (first, second), arrays)
        offset = _up(second + at, _PAGE)
    return Directory(groups, about, pid, offset)


def _as_json(directory: Directory) -> dict[str, Any]:
    arrays = {
        name: {
            "group": group.name, "dtype": place.spec.dtype, "shape": list(place.spec.shape), "text": place.spec.text,
            "at": place.at, "bytes": place.spec.nbytes,
        }
        for group in directory.groups.values() for name, place in group.arrays.items()
    }  # fmt: skip
    groups = {group.name: {"latest": group.latest, "slots": list(group.slots)} for group in directory.groups.values()}
    return {"about": dict(directory.about), "pid": directory.pid, "groups": groups, "arrays": arrays}


def parse_directory(encoded: bytes, total_bytes: int) -> Directory:
    """Return the directory of a snapshot of `total_bytes`.

    Raises ValueError (also KeyError, TypeError, AttributeError) unless every array lies inside.
    """
    found = json.loads(encoded)
    groups: dict[str, Group] = {}
    for name, group in found["groups"].items():
        first, second = (_offset(slot, total_bytes) for slot in group["slots"])
        arrays = {
            array_name: _place(array_name, entry, max(first, second), total_bytes)
            for array_name, entry in found["arrays"].items()
            if entry["group"] == name
        }
        groups[name] = Group(name, _offset(group["latest"], total_bytes), (first, second), arrays)
    return Directory(groups, dict(found["about"]), int(found["pid"]), total_bytes)


def _place(name: str, entry: Mapping[str, Any], slot: int, total_bytes: int) -> Place:
    spec = ArraySpec(name, str(entry["group"]), entry["dtype"], tuple(entry["shape"]), text=bool(entry["text"]))
    at = _offset(entry["at"], total_bytes)
    if spec.nbytes != entry["bytes"] or slot + at + DATA + spec.nbytes > total_bytes:
        raise ValueError(f"array {name!r}: {spec.nbytes} bytes at {slot + at}, of {total_bytes} in all")
    return Place(spec, at)


def _offset(value: object, total_bytes: int) -> int:
    if not isinstance(value, int) or value % _ALIGN or not 0 <= value <= total_bytes - _ALIGN:
        raise ValueError(f"offset {value!r} in {total_bytes} bytes")
    return value


def checksum_of(number: int, data: npt.NDArray[np.uint8]) -> int:
    """Return the CRC-32 of an array published under `number`."""
    return int(checksum(data, checksum(number.to_bytes(8, "little"))))


def _up(offset: int, step: int) -> int:
    return -(-offset // step) * step
