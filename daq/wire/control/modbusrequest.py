"""Requests to a Modbus device, which a control profile writes as text, and what their replies must look like.

| request | function | reply |
| --- | --- | --- |
| `UNIT read coil ADDRESS bits COUNT`, and `discrete` | 1, 2 | one number, bit 0 is the first |
| `UNIT read holding ADDRESS KIND [COUNT]`, and `input` | 3, 4 | the values, apart by a space |
| `UNIT write coil ADDRESS 1`, and `0` | 5 | `ok` |
| `UNIT write holding ADDRESS KIND VALUE...` | 6, or 16 where it takes several registers | `ok` |
| `UNIT identify OBJECT` | 43/14, one object | its text |

Addresses are those of the frame: from 0. After Modbus Application Protocol Specification V1.1b3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from daq.errors import EncodeError, WireError
from daq.wire.control.modbusdata import KINDS, bits_shown, packed, registers_of, shown

MOST_REGISTERS_READ, MOST_REGISTERS_WRITTEN, MOST_BITS = 125, 123, 2000
_BIT_TABLES = {"coil": 1, "discrete": 2}
_REGISTER_TABLES = {"holding": 3, "input": 4}
_WRITE_COIL, _WRITE_REGISTER, _WRITE_REGISTERS, _ENCAPSULATED, _DEVICE_ID, _ONE_OBJECT = 5, 6, 16, 0x2B, 0x0E, 4
_ON = b"\xff\x00"
_EXCEPTION = 0x80


@dataclass(frozen=True, slots=True)
class ModbusRequest:
    """`pdu`: function and data; `meaning` gives the text of the data of a reply, or raises `WireError`."""

    unit: int
    pdu: bytes
    meaning: Callable[[bytes], str]

    def reply(self, pdu: bytes) -> str:
        """Return what a reply says: its values, `ok`, or `exception N`. Raises `WireError`."""
        function = self.pdu[0]
        if len(pdu) == 2 and pdu[0] == function | _EXCEPTION:  # noqa: PLR2004 - function and code
            return f"exception {pdu[1]}"
        if not pdu or pdu[0] != function:
            raise WireError(f"reply {pdu[:16].hex()} to function {function}")
        return self.meaning(pdu[1:])


def parsed(text: str) -> ModbusRequest:
    """Return the request that a text is. Raises `EncodeError`."""
    match text.split():
        case [unit, "read", ("coil" | "discrete") as table, address, "bits", count]:
            pdu, meaning = _read_bits(_BIT_TABLES[table], _address(address), _whole(count, 1, MOST_BITS))
        case [unit, "read", ("holding" | "input") as table, address, kind, *count]:
            pdu, meaning = _read_registers(_REGISTER_TABLES[table], _address(address), kind, count)
        case [unit, "write", "coil", address, ("0" | "1") as value]:
            data = struct.pack(">H", _address(address)) + (_ON if value == "1" else b"\0\0")
            pdu, meaning = bytes([_WRITE_COIL]) + data, _repeated(data)
        case [unit, "write", "holding", address, kind, *values] if values:
            pdu, meaning = _write(_address(address), _kind(kind), packed(kind, values))
        case [unit, "identify", number]:
            pdu, meaning = _identify(_whole(number, 0, 255))
        case _:
            raise EncodeError(f"{text!r} is no request to a Modbus device")
    return ModbusRequest(_whole(unit, 0, 255), pdu, meaning)


def _read_bits(function: int, address: int, count: int) -> tuple[bytes, Callable[[bytes], str]]:
    size = (count + 7) // 8
    return struct.pack(">BHH", function, address, count), lambda data: bits_shown(_counted(data, size), count)


def _read_registers(function: int, address: int, kind: str, counted: list[str]) -> tuple[bytes, Callable[[bytes], str]]:
    values = _whole(counted[0], 1, MOST_REGISTERS_READ) if counted else 1
    count = values * registers_of(_kind(kind))
    if len(counted) > 1 or count > MOST_REGISTERS_READ:
        raise EncodeError(f"{kind} {' '.join(counted)}: one count, at most {MOST_REGISTERS_READ} registers at once")
    return struct.pack(">BHH", function, address, count), lambda data: shown(kind, _counted(data, 2 * count))


def _write(address: int, kind: str, data: bytes) -> tuple[bytes, Callable[[bytes], str]]:
    count = len(data) // 2
    if count > MOST_REGISTERS_WRITTEN:
        raise EncodeError(f"{kind}: {count} registers, at most {MOST_REGISTERS_WRITTEN} are written at once")
    if count == 1:
        said = struct.pack(">H", address) + data
        return bytes([_WRITE_REGISTER]) + said, _repeated(said)
    said = struct.pack(">HH", address, count)
    return bytes([_WRITE_REGISTERS]) + said + bytes([len(data)]) + data, _repeated(said)


def _identify(number: int) -> tuple[bytes, Callable[[bytes], str]]:
    """Ask for one object of the device's identification: 0 vendor, 1 product code, 2 revision, from 128 its own."""

    def meaning(data: bytes) -> str:
        # kind, code, conformity, more follows, next object, how many, number, size
        if len(data) < 8 or data[:2] != bytes([_DEVICE_ID, _ONE_OBJECT]) or data[5:7] != bytes([1, number]):  # noqa: PLR2004
            raise WireError(f"{data[:16].hex()} is no object {number} of an identification")
        if len(data) != 8 + data[7]:
            raise WireError(f"object {number} has {len(data) - 8} characters, {data[7]} announced")
        return shown("text", data[8:])

    return bytes([_ENCAPSULATED, _DEVICE_ID, _ONE_OBJECT, number]), meaning


def _repeated(said: bytes) -> Callable[[bytes], str]:
    def meaning(data: bytes) -> str:
        if data != said:
            raise WireError(f"it acknowledges {data[:16].hex()}, told was {said.hex()}")
        return "ok"

    return meaning


def _counted(data: bytes, size: int) -> bytes:
    if len(data) != 1 + size or data[0] != size:
        raise WireError(f"{len(data) - 1} bytes, {data[0] if data else 0} announced, {size} asked for")
    return data[1:]


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise EncodeError(f"{kind!r} is no kind of registers; there are {', '.join(KINDS)}")
    return kind


def _address(text: str) -> int:
    return _whole(text, 0, 0xFFFF)


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise EncodeError(f"{text!r} should be a whole number from {least} to {most}")
    return int(text)
