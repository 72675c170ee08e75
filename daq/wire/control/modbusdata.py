"""What stands in the tables of a Modbus device, as text and back: registers are 16 bits, high byte first.

Kinds: `u16`, `s16`; `u32`, `s32`, `f32` of two registers, the high one first; the same with `-low`, the low one first,
as some controllers keep them; `text`, two characters a register; `bits`, of coils and discrete inputs, as one number
whose bit 0 is the first of them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from daq.errors import EncodeError, WireError

_CODES = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "f32": "f"}
LOW_FIRST = "-low"
KINDS = (*_CODES, *(f"{kind}{LOW_FIRST}" for kind in ("u32", "s32", "f32")), "text")
"""What registers may hold."""


def registers_of(kind: str) -> int:
    """Return how many registers one value of a kind takes; of `text`, one register is counted."""
    return 1 if kind in ("u16", "s16", "text") else 2


def shown(kind: str, data: bytes) -> str:
    """Return the values in the bytes of registers, apart by a space. Raises `WireError` for what is no text."""
    if kind == "text":
        return _text(data)
    plain, _, _ = kind.partition("-")
    if kind.endswith(LOW_FIRST):
        data = _words_turned(data)
    return " ".join(_said(number) for number in struct.unpack(f">{len(data) // _size(plain)}{_CODES[plain]}", data))


def packed(kind: str, values: Sequence[str]) -> bytes:
    """Return the bytes of registers that hold values. Raises `EncodeError` for what a kind cannot hold."""
    if kind == "text":
        return _padded(" ".join(values))
    plain, _, _ = kind.partition("-")
    try:
        data = b"".join(struct.pack(f">{_CODES[plain]}", _number(plain, value)) for value in values)
    except (struct.error, OverflowError, ValueError):
        raise EncodeError(f"{' '.join(values)!r} does not fit into {kind}") from None
    return _words_turned(data) if kind.endswith(LOW_FIRST) else data


def bits_shown(data: bytes, count: int) -> str:
    """Return `count` bits as one number; bit 0 is the lowest of the first byte. What pads the last byte is dropped."""
    return str(int.from_bytes(data, "little") & ((1 << count) - 1))


def _number(kind: str, text: str) -> float | int:
    if kind != "f32":
        return int(text)
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _said(number: float) -> str:
    return f"{number:.9g}" if isinstance(number, float) else str(number)


def _size(kind: str) -> int:
    return struct.calcsize(_CODES[kind])


def _words_turned(data: bytes) -> bytes:
    """Return every two registers in the other order."""
    return b"".join(data[at + 2 : at + 4] + data[at : at + 2] for at in range(0, len(data), 4))


def _text(data: bytes) -> str:
    text = data.rstrip(b"\0 ")
    if not text.isascii() or not text.decode("ascii").isprintable():
        raise WireError(f"{data!r} is no text")
    return text.decode("ascii")


def _padded(text: str) -> bytes:
    if not text.isascii() or not text.isprintable():
        raise EncodeError(f"{text!r} is no ASCII text")
    return text.encode() + b"\0" * (len(text) % 2)
