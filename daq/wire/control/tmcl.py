"""TMCL, the binary protocol of Trinamic's motion modules, as text.

A request is `module NAME type motor value`, e.g. `1 MVP 0 2 -500`; a reply `module status NAME value`, e.g.
`1 100 MVP -500`. Of the version (`1 VERSION 1 0`, its binary form) the value is `module type V version`: `6212V1.11`.

```
offset  request                     reply
0       address of the module       address of the host
1       command                     address of the module
2       type                        status: 100 done, below 100 an error
3       motor or bank               command
4..7    value, signed, big endian   value, signed, big endian
8       sum of the bytes before, modulo 256
```
(Trinamic, TMCM-6110 TMCL firmware manual V1.19, rev. 1.03; pytrinamic 0.2.26.) A reply says which command it answers,
and not which parameter: order alone tells.
"""

from __future__ import annotations

import struct

from daq.errors import EncodeError, WireError

COMMANDS = {
    "ROR": 1, "ROL": 2, "MST": 3, "MVP": 4, "SAP": 5, "GAP": 6, "STAP": 7, "RSAP": 8, "SGP": 9, "GGP": 10, "STGP": 11,
    "RSGP": 12, "RFS": 13, "SIO": 14, "GIO": 15, "VERSION": 136,
}  # fmt: skip
_NAMES = {number: name for name, number in COMMANDS.items()}
_REQUEST = struct.Struct(">BBBBi")
_REPLY = struct.Struct(">BBBBi")
_LENGTH = 9
_SHOWN = 24


def total(data: bytes) -> int:
    """Return the checksum of bytes."""
    return sum(data) & 0xFF


class TmclCodec:
    """Frames of nine bytes. Replies bear no tag; a frame whose sum is wrong is an error, and so is another command."""

    tagged = False

    def __init__(self) -> None:
        self.strays = 0
        self._got = bytearray()
        self._asked: tuple[int, int] | None = None

    @property
    def halfway(self) -> bool:
        """Return True where part of a frame is there."""
        return bool(self._got)

    def begin(self, request: str, *, raw: bool = False) -> bytes:
        """Return the frame of a request. Raises `EncodeError`."""
        del raw
        frame = self.interject(request)
        self.forget()
        self._asked = (frame[0], frame[1])
        return frame

    def interject(self, request: str, *, raw: bool = False) -> bytes:
        """Return the frame of a request, whatever is waited for. Raises `EncodeError`."""
        del raw
        words = request.split()
        try:
            module, name, numbers = int(words[0]), words[1], [int(word) for word in words[2:]]
            kind, motor, value = (*numbers, 0)[:3]
            body = _REQUEST.pack(module, COMMANDS[name], kind, motor, value)
        except (ValueError, IndexError, KeyError, struct.error):
            raise EncodeError(f"{request[:60]!r} is no request of TMCL: module NAME type motor value") from None
        return body + bytes([total(body)])

    def feed(self, data: bytes) -> list[str]:
        """Take bytes; return whole replies. Raises `WireError`: sum, module or command."""
        self._got += data
        replies = []
        while len(self._got) >= _LENGTH:
            frame = bytes(self._got[:_LENGTH])
            del self._got[:_LENGTH]
            replies.append(self._reply(frame))
        return replies

    def forget(self) -> None:
        """Forget what is there of a frame, and that there was a request."""
        self._got.clear()
        self._asked = None

    def _reply(self, frame: bytes) -> str:
        if total(frame[:-1]) != frame[-1]:
            raise WireError(f"{frame[:_SHOWN].hex(' ')}: its sum is {frame[-1]:#04x}, not {total(frame[:-1]):#04x}")
        _, module, status, command, value = _REPLY.unpack(frame[:-1])
        if self._asked is not None and (module, command) != self._asked:
            asked = f"command {self._asked[1]} of module {self._asked[0]}"
            raise WireError(f"{frame.hex(' ')}: a reply of module {module} to command {command}, asked was {asked}")
        name = _NAMES.get(command, str(command))
        return f"{module} {status} {name} {_version(value) if name == 'VERSION' else value}"


def _version(value: int) -> str:
    """Return the type of the module and its firmware."""
    return f"{value >> 16 & 0xFFFF}V{value >> 8 & 0xFF}.{value & 0xFF:02d}"
