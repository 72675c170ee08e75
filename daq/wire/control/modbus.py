"""Modbus over TCP: frames that bear a number, which the reply repeats, so that a late one is known for what it is.

A frame is `number, 0, length, unit` (16, 16, 16 and 8 bits, high byte first), then function and data; after MODBUS
Messaging on TCP/IP Implementation Guide V1.0b. What requests look like as text is in `daq.wire.control.modbusrequest`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import count

from daq.errors import EncodeError, WireError
from daq.wire.control.modbusrequest import ModbusRequest, parsed

_HEAD = struct.Struct(">HHHB")
_SHORTEST, _LONGEST = 2, 254
"""Bytes that the length may count: unit, function and data."""


class ModbusTcpCodec:
    """A conversation with one device, or with several units behind one gateway."""

    tagged = True

    def __init__(self) -> None:
        self.strays = 0
        self.numbers: Iterator[int] = count(1)
        """Of frames; where several conversations share a wire they count together, so that no two have one number."""
        self._number = 0
        self._wanted: tuple[int, ModbusRequest] | None = None
        self._got = bytearray()

    @property
    def halfway(self) -> bool:
        """Return True where part of a frame is there."""
        return bool(self._got)

    def begin(self, request: str, *, raw: bool = False) -> bytes:
        """Return the bytes of a request. Raises `EncodeError`."""
        if raw:
            raise EncodeError(f"{request!r}: a frame has no end of a line that could be left out")
        wanted = parsed(request)
        self.forget()
        sent = self._frame(wanted)
        self._wanted = self._number, wanted
        return sent

    def interject(self, request: str) -> bytes:
        """Return the bytes of a request whose reply nobody waits for: its number makes it a stray."""
        return self._frame(parsed(request))

    def feed(self, data: bytes) -> list[str]:
        """Take bytes; return the reply to the request, where it is there. Raises `WireError`: no frame, or a wrong one.

        Replies to other requests are counted in `strays`, and nothing else.
        """
        self._got += data
        replies = []
        while len(self._got) >= _HEAD.size:
            number, protocol, length, unit = _HEAD.unpack_from(self._got)
            if protocol != 0 or not _SHORTEST <= length <= _LONGEST:
                raise WireError(f"{bytes(self._got[:16]).hex()} is no frame of Modbus TCP")
            end = _HEAD.size - 1 + length
            if len(self._got) < end:
                break
            pdu = bytes(self._got[_HEAD.size : end])
            del self._got[:end]
            if self._wanted is None or number != self._wanted[0]:
                self.strays += 1
                continue
            request, self._wanted = self._wanted[1], None
            if unit != request.unit:
                raise WireError(f"unit {unit} answers a request to unit {request.unit}")
            replies.append(request.reply(pdu))
        return replies

    def forget(self) -> None:
        """Forget what is there of a reply, and that there was a request."""
        self._got.clear()
        self._wanted = None

    def _frame(self, request: ModbusRequest) -> bytes:
        self._number = next(self.numbers) % (1 << 16)
        return _HEAD.pack(self._number, 0, 1 + len(request.pdu), request.unit) + request.pdu
