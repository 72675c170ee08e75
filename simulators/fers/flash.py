"""The flash memory of a board, byte by byte over its SPI register: who it is, and the pedestals of its channels.

An AT45DB321 as far as CAEN FERSlib 1.3.0 uses it (`FERS_ReadFlashPage`, `FERS_WriteFlashPage`): bit 8 of a write keeps
the chip selected, the byte that came back is read from the same register. The layout of the two pages is that of
`FERS_ReadBoardInfo` and `FERS_ReadPedestalsFromFlash`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

PAGE_BYTES = 528
IDENTITY_PAGE = 0
PEDESTAL_PAGE = 4
_KEEP = 0x100
_READ, _PROGRAM, _STATUS = 0xD2, 0x82, 0x57
_READY = 0x80
_ADDRESS_BYTES = 3
_READ_HEADER = 8
_PROGRAM_HEADER = 4
_PAGE_SHIFT = 10
_BYTE_MASK = 0x3FF
_PAGE_MASK = 0x1FFF
_ERASED = 0xFF
_CODE = 5202
_PCB_REVISION = 3
_NAKED = 0
_DC_OFFSET = 2750


class Identity(NamedTuple):
    """Who a board is: its serial number (`pid`) and model."""

    pid: int
    code: int = _CODE
    pcb_revision: int = _PCB_REVISION
    model_code: bytes = b"WA5202XAAAAA"
    model_name: bytes = b"A5202"
    channels: int = 64

    def page(self) -> bytes:
        """Return the identity page as it lies in the flash memory."""
        return struct.pack(
            "<ccIHB16s16sBHH", b"B", b"\0", self.pid, self.code, self.pcb_revision, self.model_code, self.model_name,
            _NAKED, self.channels, PEDESTAL_PAGE,
        )  # fmt: skip


def pedestal_page(low: Sequence[int], high: Sequence[int]) -> bytes:
    """Return the page with the pedestals of 64 channels, low gain and high gain, in ADC counts."""
    head = struct.pack("<ccHBB4H2x", b"P", b"\0", 2026, 1, 15, *[_DC_OFFSET] * 4)
    return head + struct.pack("<64H", *low) + struct.pack("<64H", *high)


class Flash:
    """One chip. `put` takes what is written to the SPI register, `get` returns what came back."""

    def __init__(self, pages: dict[int, bytes]) -> None:
        self._pages = {number: bytearray(data.ljust(PAGE_BYTES, bytes([_ERASED]))) for number, data in pages.items()}
        self._heard = bytearray()
        self._answer = 0

    def get(self) -> int:
        """Return the byte that came back with the last one sent."""
        return self._answer

    def put(self, value: int) -> None:
        """Send one byte; without bit 8 the chip is let go after it."""
        self._heard.append(value & 0xFF)
        self._answer = self._reply()
        if not value & _KEEP:
            self._release()
            self._heard.clear()

    def _reply(self) -> int:
        at = len(self._heard) - 1
        if self._heard[0] == _STATUS:
            return _READY if at else 0
        if self._heard[0] == _READ and at >= _READ_HEADER:
            page, byte = self._place()
            return self._pages.get(page, bytearray([_ERASED] * PAGE_BYTES))[(byte + at - _READ_HEADER) % PAGE_BYTES]
        return 0

    def _release(self) -> None:
        if self._heard[0] == _PROGRAM and len(self._heard) > _PROGRAM_HEADER:
            page, byte = self._place()
            data = self._pages.setdefault(page, bytearray([_ERASED] * PAGE_BYTES))
            for k, value in enumerate(self._heard[_PROGRAM_HEADER:]):
                data[(byte + k) % PAGE_BYTES] = value

    def _place(self) -> tuple[int, int]:
        address = int.from_bytes(self._heard[1 : 1 + _ADDRESS_BYTES], "big")
        return address >> _PAGE_SHIFT & _PAGE_MASK, address & _BYTE_MASK
