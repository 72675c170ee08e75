"""The binary frame of the console's live pictures: named arrays that a browser's typed arrays view where they lie.

Little-endian. A header of 32 bytes, a directory as JSON, padded with spaces, then the arrays, each on a multiple of 8
bytes from the beginning of the frame::

    0   4s   magic NMF1
    4   u16  version, 1
    6   u16  flags: 1 scaled, 2 display-binned, 4 simulated source
    8   u32  number of the frame
    12  u32  bytes of the directory
    16  f64  time of the host, seconds since 1970
    24  u32  bytes of the whole frame
    28  u32  0

The directory is `{"arrays": [{"name", "dtype", "shape", "offset", "about"}], "about": {...}}`; offsets are from the
end of the directory. `daq/gateway/static/js/frame.js` reads it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import FormatError, RefusedError

MAGIC, VERSION = b"NMF1", 1
SCALED, BINNED, SIMULATED = 1, 2, 4
MOST_ARRAYS = 256
MOST_DIRECTORY_BYTES = 1 << 20
MOST_BYTES = 32 << 20
MOST_AXES = 5
_HEADER = struct.Struct("<4sHHIIdII")
_ALIGNED = 8
_DTYPES = {"u1": 1, "u2": 2, "u4": 4, "i4": 4, "f4": 4, "f8": 8}
"""Those of which browsers have typed arrays, without 64-bit integers: these are sent as f8."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One array of a frame, of any type that numpy has; 64-bit integers become f8. `about` is JSON."""

    name: str
    values: npt.NDArray[Any]
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame as it was read: `arrays` by name, `about` of each by name, `about` of all."""

    number: int
    time_s: float
    flags: int
    about: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]
    abouts: dict[str, dict[str, Any]]


def encode(parts: Sequence[Part], *, number: int, time_s: float, about: Mapping[str, Any], flags: int = 0) -> bytes:
    """Return the bytes of a frame. Raises `RefusedError` for more arrays or bytes than a frame takes."""
    if len(parts) > MOST_ARRAYS:
        raise RefusedError(f"a live frame of {len(parts)} arrays; it takes {MOST_ARRAYS}")
    plain = [_plain(part) for part in parts]
    at, listed = 0, []
    for part, values in zip(parts, plain, strict=True):
        listed.append({
            "name": part.name, "dtype": values.dtype.str[1:], "shape": list(values.shape), "offset": at,
            "about": dict(part.about),
        })  # fmt: skip
        at += _up(values.nbytes)
    text = json.dumps({"arrays": listed, "about": about}, separators=(",", ":"), allow_nan=False).encode()
    directory = text.ljust(_up(len(text)))
    total = _HEADER.size + len(directory) + at
    if len(directory) > MOST_DIRECTORY_BYTES or total > MOST_BYTES:
        raise RefusedError(
            f"a live frame of {total} bytes, directory of {len(directory)}; it takes {MOST_BYTES}, and "
            f"{MOST_DIRECTORY_BYTES}"
        )
    frame = bytearray(total)
    _HEADER.pack_into(frame, 0, MAGIC, VERSION, flags, number & 0xFFFFFFFF, len(directory), time_s, total, 0)
    frame[_HEADER.size : _HEADER.size + len(directory)] = directory
    begin = _HEADER.size + len(directory)
    for values in plain:
        frame[begin : begin + values.nbytes] = values.tobytes()
        begin += _up(values.nbytes)
    return bytes(frame)


def decode(data: bytes) -> Frame:
    """Return the frame in `data`, its arrays as views. Raises `FormatError` for anything else."""
    if len(data) < _HEADER.size:
        raise FormatError(f"no live frame: {len(data)} bytes; its header alone has {_HEADER.size}")
    magic, version, flags, number, length, time_s, total, _ = _HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise FormatError(f"no live frame: it begins with {magic!r}, version {version}; this reads NMF1, version 1")
    if total != len(data) or _HEADER.size + length > total:
        raise FormatError(f"damaged live frame: {total} bytes announced, directory of {length}; it has {len(data)}")
    try:
        told = json.loads(data[_HEADER.size : _HEADER.size + length])
        arrays = {each["name"]: _array(data, _HEADER.size + length, each) for each in told["arrays"]}
        return Frame(
            number, time_s, flags, told["about"], arrays, {each["name"]: each["about"] for each in told["arrays"]}
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
        raise FormatError(f"damaged live frame: its directory cannot be understood ({why})") from None


def _array(data: bytes, begin: int, told: Mapping[str, Any]) -> npt.NDArray[Any]:
    shape, offset = [int(side) for side in told["shape"]], int(told["offset"])
    if told["dtype"] not in _DTYPES or len(shape) > MOST_AXES or min((*shape, offset)) < 0 or offset % _ALIGNED:
        raise ValueError(f"array {told['name']}: {told['dtype']} {shape} at {offset}")
    count = math.prod(shape)
    found: npt.NDArray[Any] = np.frombuffer(data, f"<{told['dtype']}", count, begin + offset)
    return found.reshape(shape)


def _plain(part: Part) -> npt.NDArray[Any]:
    """Return the values of a part, little-endian, of a type that browsers have, one after the other."""
    values = np.asarray(part.values)
    if values.ndim > MOST_AXES:
        raise RefusedError(f"array {part.name!r} of a live frame has {values.ndim} axes; it takes {MOST_AXES}")
    kind = values.dtype.str[1:]
    if kind in ("u8", "i8"):
        kind = "f8"
    elif kind not in _DTYPES:
        raise RefusedError(f"array {part.name!r} of a live frame is {values.dtype}; it takes {', '.join(_DTYPES)}")
    return np.ascontiguousarray(values, f"<{kind}")


def _up(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
