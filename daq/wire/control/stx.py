"""Text between STX and ETX with a sum, as Hamamatsu's bias supplies speak it.

`STX text ETX SS CR`: SS is the sum of all bytes from STX to ETX, its lower eight bits as two hexadecimal digits.
"""

from __future__ import annotations

from daq.errors import EncodeError, WireError

_STX, _ETX, _CR = b"\x02", b"\x03", b"\r"
_SUM_BYTES = 2
_LONGEST = 256
_SHOWN = 60


class StxCodec:
    """Frames of ASCII text. Replies are not tagged: which one belongs to what, order alone tells."""

    tagged = False

    def __init__(self) -> None:
        self.strays = 0
        self._got = bytearray()

    @property
    def halfway(self) -> bool:
        """Return True where part of a frame is there."""
        return bool(self._got)

    def begin(self, request: str, *, raw: bool = False) -> bytes:
        """Return the bytes of a frame. Raises `EncodeError` for what is no printable text."""
        if not (request.isascii() and request.isprintable()):
            raise EncodeError(f"{request[:_SHOWN]!r} is no printable ASCII text")
        self.forget()
        return self.interject(request, raw=raw)

    def interject(self, request: str, *, raw: bool = False) -> bytes:
        """Return the bytes of a frame, whatever is waited for."""
        return request.encode() if raw else frame(request)

    def feed(self, data: bytes) -> list[str]:
        """Take bytes; return the texts of whole frames. Raises `WireError`: no frame, a wrong sum, no end."""
        self._got += data
        replies = []
        while (at := self._got.find(_CR)) >= 0:
            whole = bytes(self._got[:at])
            del self._got[: at + 1]
            replies.append(text_of(whole))
        if len(self._got) > _LONGEST:
            raise WireError(f"a frame without an end after {len(self._got)} bytes: {bytes(self._got[:_SHOWN])!r}...")
        return replies

    def forget(self) -> None:
        """Forget what is there."""
        self._got.clear()


def frame(text: str) -> bytes:
    """Return the bytes of a text."""
    body = _STX + text.encode() + _ETX
    return body + b"%02X" % (sum(body) & 0xFF) + _CR


def text_of(whole: bytes) -> str:
    """Return the text of a frame without its end. Raises `WireError`."""
    text = whole[1 : -_SUM_BYTES - 1]
    if not (text.isascii() and frame(text.decode("ascii")) == whole + _CR):
        raise WireError(f"{whole[:_SHOWN]!r} is no frame of STX, text, ETX and its sum")
    return text.decode("ascii")
