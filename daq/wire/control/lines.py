"""Protocols of lines of text, with or without echo and checksum.

The checksum `lrc` is that of Zaber's ASCII protocol: the two's complement of the sum of the characters after the first
one, as `:XX` before the end of the line.
"""

from __future__ import annotations

from daq.errors import EncodeError, WireError
from daq.model.control import Framing

_SHOWN = 60


class LinesCodec:
    """Lines of ASCII text. Replies are not tagged: which one belongs to what, order alone tells."""

    tagged = False

    def __init__(self, framing: Framing) -> None:
        self.strays = 0
        self._framing = framing
        self._end = framing.read_end.encode()
        self._got = bytearray()
        self._echo = b""
        self._parts: list[str] = []
        self._long = 0

    @property
    def halfway(self) -> bool:
        """Return True where part of a line, a line that goes on, or part of an echo is there."""
        return bool(self._got or self._parts)

    def begin(self, request: str, *, raw: bool = False) -> bytes:
        """Return the bytes of a line. Raises `EncodeError` for what is no text of one line."""
        framing = self._framing
        if not request.isascii() or (not raw and any(end in request for end in (framing.write_end or "\n", "\n"))):
            raise EncodeError(f"{request[:_SHOWN]!r} is no line of ASCII text")
        sent = self.interject(request, raw=raw)
        self.forget()
        self._echo = sent if framing.echo != "none" else b""
        return sent

    def interject(self, request: str, *, raw: bool = False) -> bytes:
        """Return the bytes of a line, whatever is waited for. What has its end is a line already."""
        end = self._framing.write_end
        whole = raw or (end != "" and request.endswith(end))
        return (request if whole else request + self._sum_of(request) + end).encode()

    def feed(self, data: bytes) -> list[str]:
        """Take bytes; return whole replies. Raises `WireError`: echo, checksum, length, characters."""
        self._got += data
        if self._echo and not self._echo_heard():
            return []
        replies = []
        while (at := self._got.find(self._end)) >= 0:
            line = bytes(self._got[:at])
            del self._got[: at + len(self._end)]
            if self._framing.blank == "nothing" and not line.strip():
                continue
            whole = self._line(line)
            if whole is not None:
                replies.append(whole)
        if len(self._got) > self._framing.longest_reply:
            raise WireError(f"a reply without an end after {len(self._got)} bytes: {bytes(self._got[:_SHOWN])!r}...")
        return replies

    def forget(self) -> None:
        """Forget what is there."""
        self._got.clear()
        self._parts.clear()
        self._long = 0
        self._echo = b""

    def _echo_heard(self) -> bool:
        have = min(len(self._got), len(self._echo))
        if self._got[:have] != self._echo[:have]:
            if self._framing.echo == "maybe":
                self._echo = b""
                return True
            raise WireError(f"echo {bytes(self._got[:_SHOWN])!r} of {self._echo[:_SHOWN]!r}: not what was sent")
        if have < len(self._echo):
            return False
        del self._got[:have]
        self._echo = b""
        return True

    def _line(self, line: bytes) -> str | None:
        """Return a reply that ends with this line; None where it goes on."""
        try:
            text = line.decode("ascii")
        except UnicodeDecodeError:
            raise WireError(f"a reply that is no ASCII text: {line[:_SHOWN]!r}") from None
        more = self._framing.more
        if more and text.endswith(more):
            self._parts.append(text.removesuffix(more))
            self._long += len(text)  # with what says that it goes on: lines of nothing else have an end, too
            if self._long > self._framing.longest_reply:
                raise WireError(f"a reply of more than {self._framing.longest_reply} characters in parts")
            return None
        whole = "\n".join([*self._parts, text])
        self._parts.clear()
        self._long = 0
        return self._checked(whole)

    def _sum_of(self, text: str) -> str:
        return f":{-sum(text[1:].encode()) & 0xFF:02X}" if self._framing.checksum == "lrc" else ""

    def _checked(self, text: str) -> str:
        if self._framing.checksum == "none":
            return text
        said, _, found = text.rpartition(":")
        if not said or f":{found}" != self._sum_of(said):
            raise WireError(f"checksum of {text[:_SHOWN]!r}: should be {self._sum_of(said)!r}")
        return said
