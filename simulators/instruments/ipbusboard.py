"""A board of registers that speaks IPbus 2.0 (IPbus protocol, version 2.0; the target of uHAL 2.8's tests).

    0x0 identity   0x1 to write and read   0x2 serial number   0x3 firmware   0x4 settings   0x5 temperature, 0.01 degC
    0x6 seconds since it started   0x7 errors, cleared by writing 1   0x8 events, cleared by reading   0x9 queue
    0xA words queued   0xB pulse, only written   0x1000 to 0x11ff memory

Packets with an id are done in order, once; others as they come. The last answers are kept and said again on demand.
Either byte order is understood, and answered in.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping
from typing import Any

from daq.wire.control import ipbus
from simulators.instruments.machine import Done
from simulators.instruments.registers import WORD, BusError, Layout, Registers

PLACES = {
    0x0: "identity", 0x1: "scratch", 0x2: "serial", 0x3: "firmware", 0x4: "settings", 0x5: "temperature",
    0x6: "seconds", 0x7: "errors", 0x8: "events", 0x9: "queue", 0xA: "queued", 0xB: "pulse",
}  # fmt: skip
MEMORY, MEMORY_WORDS = 0x1000, 0x200
KEPT_ANSWERS = 8
_BUFFER_BYTES = 1500
_SETTINGS_WORDS = 4
_BODIES: dict[int, int] = {**dict.fromkeys(ipbus.READS, 1), ipbus.Kind.MASK: 3, ipbus.Kind.ADD: 2}
_BAD_HEADER, _READ_ERROR, _WRITE_ERROR = 1, 4, 5


class IpbusBoard:
    """The board: packets in, packets out."""

    def __init__(self, registers: Registers) -> None:
        self.registers = registers
        self._layout = Layout(registers, PLACES, MEMORY, MEMORY_WORDS)
        self._start()

    def _start(self) -> None:
        self._next = 1
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT_ANSWERS)
        self._history = deque([0] * 16, maxlen=16)
        self._heard, self._said = deque([0] * 4, maxlen=4), deque([0] * 4, maxlen=4)

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it by name."""
        return {**self.registers.deeds(), "reboot": lambda _: self._reboot()}

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        return {**self.registers.told(), "next_packet": self._next}

    def answer(self, data: bytes) -> bytes | None:
        """Return the answer to a packet; None where there is none."""
        if len(data) < ipbus.WORD.size or len(data) % ipbus.WORD.size:
            return None
        order = "<" if data[3] == 0x20 and data[0] & 0xF0 == 0xF0 else ">"  # noqa: PLR2004
        words = list(struct.unpack(f"{order}{len(data) // 4}I", data))
        if words[0] >> 24 != 0x20 or words[0] & 0xF0 != 0xF0:  # noqa: PLR2004
            return None
        ident, kind = words[0] >> 8 & 0xFFFF, words[0] & 0xF
        self._history.append({ipbus.CONTROL: 2, ipbus.STATUS: 3, ipbus.RESEND: 4}.get(kind, 5))
        if kind == ipbus.CONTROL:
            return self._control(ident, words, order)
        if kind == ipbus.STATUS:
            return self._status(words)
        return next((answer for known, answer in self._kept if known == ident), None) if kind == ipbus.RESEND else None

    def _control(self, ident: int, words: list[int], order: str) -> bytes | None:
        if ident not in (0, self._next):
            self._history[-1] = 5
            return None
        told = [words[0], *self._transactions(words[1:])]
        answer = struct.pack(f"{order}{len(told)}I", *told)
        self._heard.append(words[0])
        self._said.append(words[0])
        if ident:
            self._kept.append((ident, answer))
            self._next = ipbus.after(ident)
        return answer

    def _status(self, words: list[int]) -> bytes | None:
        if len(words) != 16:  # noqa: PLR2004
            return None
        seen = list(self._history)
        traffic = [int.from_bytes(bytes(seen[at : at + 4]), "big") for at in range(0, 16, 4)]
        told = [
            ipbus.packet_header(0, ipbus.STATUS), _BUFFER_BYTES, KEPT_ANSWERS, ipbus.packet_header(self._next),
            *traffic, *self._heard, *self._said,
        ]  # fmt: skip
        return struct.pack(">16I", *told)

    def _transactions(self, words: list[int]) -> list[int]:
        told: list[int] = []
        while words:
            header, words = words[0], words[1:]
            ident, many, kind = header >> 16 & 0xFFF, header >> 8 & 0xFF, header >> 4 & 0xF
            body = _body_words(kind, many)
            if header >> 28 != 2 or header & 0xF != ipbus.REQUEST or body is None or len(words) < body:  # noqa: PLR2004
                told.append(ipbus.transaction_header(ident, 0, kind, _BAD_HEADER))
                break
            info, found, done = self._done(ipbus.Kind(kind), words[0], many, words[1:body])
            told.append(ipbus.transaction_header(ident, many if info == 0 else done, kind, info))
            told += found
            if info:
                break
            words = words[body:]
        return told

    def _done(self, kind: ipbus.Kind, address: int, many: int, body: list[int]) -> tuple[int, list[int], int]:
        """Return (info, words, how many were done)."""
        found: list[int] = []
        try:
            if kind in ipbus.READS:
                for number in range(many):
                    found.append(self._word(kind, address, number))  # noqa: PERF401 - what was read before an error counts
            elif kind in (ipbus.Kind.WRITE, ipbus.Kind.WRITE_ONE):
                for number, word in enumerate(body):
                    self._layout.write(address + (number if kind == ipbus.Kind.WRITE else 0), word)
            else:
                found.append(self._changed(kind, address, body))
        except BusError:
            writes = kind in (ipbus.Kind.WRITE, ipbus.Kind.WRITE_ONE, ipbus.Kind.WRITE_SETTINGS)
            return (_WRITE_ERROR if writes else _READ_ERROR), found, len(found)
        return 0, found, many

    def _word(self, kind: ipbus.Kind, address: int, number: int) -> int:
        if kind == ipbus.Kind.READ_SETTINGS:
            return self._setting(address + number)
        return self._layout.read(address + (number if kind == ipbus.Kind.READ else 0))

    def _changed(self, kind: ipbus.Kind, address: int, body: list[int]) -> int:
        """Change a word; return what it was."""
        if kind == ipbus.Kind.WRITE_SETTINGS:
            raise BusError("settings can only be read")
        before = self._layout.read(address)
        after = before & body[0] | body[1] if kind == ipbus.Kind.MASK else before + body[0]
        self._layout.write(address, after & WORD)
        return before

    def _setting(self, address: int) -> int:
        if address >= _SETTINGS_WORDS:
            raise BusError("nothing is there")
        return self.registers.serial << 8 & WORD | address

    def _reboot(self) -> None:
        self._layout.reset()
        self._start()


def _body_words(kind: int, many: int) -> int | None:
    """Return how many words follow on a header; None for a type that does not exist."""
    if kind in (ipbus.Kind.WRITE, ipbus.Kind.WRITE_ONE, ipbus.Kind.WRITE_SETTINGS):
        return 1 + many
    return _BODIES.get(kind)
