"""The server's side of Modbus TCP: frames in, frames out, over the four tables of a machine.

Made from the specification (Modbus Application Protocol V1.1b3, Messaging on TCP/IP V1.0b), not from the client here,
so that a mistake of one is none of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
_MOST_BITS, _MOST_READ, _MOST_WRITTEN, _MOST_COILS = 2000, 125, 123, 1968
_HEAD = 6
_SHORTEST, _LONGEST = 2, 254


class ModbusError(Exception):
    """A request that is answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Tables(Protocol):
    """What a device holds. Everything raises `ModbusError` for addresses and values that it does not have."""

    objects: dict[int, str]
    """Its identification."""

    def bits(self, table: str, address: int, count: int) -> Sequence[bool]:
        """Return coils or discrete inputs; `table` is `coil` or `discrete`."""

    def registers(self, table: str, address: int, count: int) -> Sequence[int]:
        """Return registers; `table` is `holding` or `input`."""

    def write_bits(self, address: int, values: Sequence[bool]) -> None:
        """Take coils."""

    def write_registers(self, address: int, values: Sequence[int]) -> None:
        """Take holding registers."""


class ModbusTalk:
    """One connection. `unit`: the number it answers to; 255 means it, too."""

    def __init__(self, tables: Tables, unit: int = 1) -> None:
        self._tables, self._unit = tables, unit
        self._got = bytearray()
        self._known: dict[int, Callable[[bytes], bytes]] = {
            1: lambda body: self._read_bits("coil", body), 2: lambda body: self._read_bits("discrete", body),
            3: lambda body: self._read("holding", body), 4: lambda body: self._read("input", body),
            5: self._write_coil, 6: self._write_register, 15: self._write_coils, 16: self._write_registers,
            43: self._identify,
        }  # fmt: skip

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return whole replies. What is no frame is thrown away with all that came after it."""
        self._got += data
        replies = []
        while len(self._got) > _HEAD:
            length = int.from_bytes(self._got[4:6], "big")
            if self._got[2:4] != b"\0\0" or not _SHORTEST <= length <= _LONGEST:
                self._got.clear()
                break
            if len(self._got) < _HEAD + length:
                break
            frame = bytes(self._got[: _HEAD + length])
            del self._got[: _HEAD + length]
            if frame[6] in (self._unit, 0xFF):
                pdu = self.answer(frame[7:])
                replies.append(frame[:4] + (1 + len(pdu)).to_bytes(2, "big") + frame[6:7] + pdu)
        return replies

    def answer(self, pdu: bytes) -> bytes:
        """Return the reply to a function and its data."""
        function, body = pdu[0], pdu[1:]
        try:
            _demand(function in self._known, ILLEGAL_FUNCTION)
            return bytes([function]) + self._known[function](body)
        except ModbusError as why:
            return bytes([function | 0x80, why.code])

    def _read_bits(self, table: str, body: bytes) -> bytes:
        address, count = _two(body, exactly=True)
        _demand(1 <= count <= _MOST_BITS)
        bits = self._tables.bits(table, address, count)
        data = bytearray((count + 7) // 8)
        for number, bit in enumerate(bits):
            data[number // 8] |= bit << number % 8
        return bytes([len(data)]) + data

    def _read(self, table: str, body: bytes) -> bytes:
        address, count = _two(body, exactly=True)
        _demand(1 <= count <= _MOST_READ)
        words = self._tables.registers(table, address, count)
        return bytes([2 * count]) + b"".join(word.to_bytes(2, "big") for word in words)

    def _write_coil(self, body: bytes) -> bytes:
        address, value = _two(body, exactly=True)
        _demand(value in (0, 0xFF00))
        self._tables.write_bits(address, [value != 0])
        return body

    def _write_register(self, body: bytes) -> bytes:
        address, value = _two(body, exactly=True)
        self._tables.write_registers(address, [value])
        return body

    def _write_coils(self, body: bytes) -> bytes:
        address, count = _two(body)
        data = body[5:]
        _demand(1 <= count <= _MOST_COILS and len(data) == (count + 7) // 8 == body[4])
        self._tables.write_bits(address, [bool(data[n // 8] >> n % 8 & 1) for n in range(count)])
        return body[:4]

    def _write_registers(self, body: bytes) -> bytes:
        address, count = _two(body)
        data = body[5:]
        _demand(1 <= count <= _MOST_WRITTEN and len(data) == 2 * count == body[4])
        words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
        self._tables.write_registers(address, words)
        return body[:4]

    def _identify(self, body: bytes) -> bytes:
        """Answer for one object (14/4), and for the basic ones (14/1)."""
        _demand(len(body) == 3 and body[0] == 14, ILLEGAL_FUNCTION)  # noqa: PLR2004
        code, first = body[1], body[2]
        _demand(code in (1, 4))
        objects = self._tables.objects
        wanted = [first] if code == 4 else [number for number in (0, 1, 2) if number >= first]  # noqa: PLR2004
        _demand(bool(wanted) and all(number in objects for number in wanted), ILLEGAL_ADDRESS)
        said = b"".join(bytes([number, len(objects[number])]) + objects[number].encode() for number in wanted)
        return bytes([14, code, 0x81, 0, 0, len(wanted)]) + said


def _two(body: bytes, *, exactly: bool = False) -> tuple[int, int]:
    """Return the two words that every request begins with."""
    _demand(len(body) == 4 if exactly else len(body) > 5)  # noqa: PLR2004
    return int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")


def _demand(fine: bool, code: int = ILLEGAL_VALUE) -> None:  # noqa: FBT001
    if not fine:
        raise ModbusError(code)
