"""A board of registers behind SiTCP: registers by RBCP on UDP, events as a stream of bytes on TCP.

(SiTCP library manual of BeeBeans Technologies as others cite it; what basil 3.3 says and expects.)

    0x00 identity   0x04 serial number   0x08 firmware   0x0c seconds since it started   0x10 to write and read
    0x14 settings   0x18 temperature in 0.01 degC   0x1c errors, cleared by writing 1   0x20 events, cleared by reading
    0x24 pulse, only written   0x100 to 0x3ff memory

Addresses are of bytes, words have four, the highest first. While it runs (settings, bit 0) words that count up leave on
the stream, to one client, as fast as it takes them and no faster than it is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daq.wire.control import rbcp
from simulators.instruments.machine import Done
from simulators.instruments.registers import RUN, BusError, Layout, Registers

PLACES = {
    0: "identity", 1: "serial", 2: "firmware", 3: "seconds", 4: "scratch", 5: "settings", 6: "temperature", 7: "errors",
    8: "events", 9: "pulse",
}  # fmt: skip
MEMORY, MEMORY_WORDS = 0x40, 0xC0
_BYTES = 4


class RbcpBoard:
    """The board: datagrams in, datagrams out, and what it has to say on the stream."""

    def __init__(self, registers: Registers) -> None:
        self.registers = registers
        self._layout = Layout(registers, PLACES, MEMORY, MEMORY_WORDS)
        self._counted = 0

    @property
    def runs(self) -> bool:
        """Return True while events leave on the stream."""
        return bool(self.registers.words["settings"] & RUN)

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it by name."""
        return {**self.registers.deeds(), "reboot": lambda _: self._layout.reset()}

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        return {**self.registers.told(), "streamed_words": self._counted}

    def stream(self, words: int) -> bytes:
        """Return the next words of the stream."""
        first, self._counted = self._counted, self._counted + words
        return b"".join((number & 0xFFFF_FFFF).to_bytes(_BYTES, "big") for number in range(first, first + words))

    def answer(self, data: bytes) -> bytes | None:
        """Return the answer to a datagram; None for what is no request."""
        if len(data) < rbcp.HEADER.size or data[0] != rbcp.VERSION or data[1] not in (rbcp.READ, rbcp.WRITE):
            return None
        _, command, ident, length, address = rbcp.HEADER.unpack_from(data)
        body = data[rbcp.HEADER.size :]
        if length == 0 or (command == rbcp.WRITE and len(body) != length) or (command == rbcp.READ and body):
            return None
        flag = rbcp.ANSWER
        try:
            said = self._read(address, length) if command == rbcp.READ else self._write(address, body)
        except BusError:
            flag, said = flag | rbcp.BUS_ERROR, body or bytes(length)
        return rbcp.HEADER.pack(rbcp.VERSION, command | flag, ident, length, address) + said

    def _read(self, address: int, length: int) -> bytes:
        first, last = address // _BYTES, (address + length - 1) // _BYTES
        whole = b"".join(self._layout.read(place).to_bytes(_BYTES, "big") for place in range(first, last + 1))
        return whole[address % _BYTES :][:length]

    def _write(self, address: int, data: bytes) -> bytes:
        at = 0
        while at < len(data):
            place, offset = divmod(address + at, _BYTES)
            part = data[at : at + _BYTES - offset]
            self._layout.write(place, self._merged(place, offset, part))
            at += len(part)
        return data

    def _merged(self, place: int, offset: int, part: bytes) -> int:
        """Return a word of which some bytes are new."""
        if len(part) == _BYTES:
            return int.from_bytes(part, "big")
        word = bytearray(self._layout.kept(place).to_bytes(_BYTES, "big"))
        word[offset : offset + len(part)] = part
        return int.from_bytes(word, "big")
