"""What a simulated instrument is to the server: something that answers bytes, and to which the world can do things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

Done = Callable[[Mapping[str, Any]], None]


class Talk(Protocol):
    """What one client says to the instrument, and what comes back."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the replies to the requests that are whole now, each as one piece."""


class Machine(Protocol):
    """An instrument. All its methods are called from one thread."""

    def talk(self) -> Talk:
        """Return a new conversation, for a client that connects; on a serial line there is one for ever."""

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it by name, e.g. `trip`; raises `UsageError` for what makes no sense."""

    def told(self) -> dict[str, Any]:
        """Return what is indeed the case, whatever it says on the wire."""


@runtime_checkable
class Looking(Protocol):
    """A machine to which something happens though nobody asks it."""

    def look(self) -> None:
        """Let what is due by now happen."""


class LineTalk:
    """Requests that are lines of text; an echo, where there is one, comes with the reply as one piece after it."""

    def __init__(
        self, answer: Callable[[str], str | None], *, end: bytes, reply_end: bytes, echo: bool = False
    ) -> None:
        self._answer, self._end, self._reply_end, self._echo = answer, end, reply_end, echo
        self._got = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return whole replies. Lines beyond 4096 bytes are forgotten."""
        self._got += data
        replies = []
        while (at := self._got.find(self._end)) >= 0:
            line = bytes(self._got[:at])
            del self._got[: at + len(self._end)]
            said = self._answer(line.decode("ascii", errors="replace"))
            echo = line + self._end if self._echo else b""
            replies.append(echo + (b"" if said is None else said.encode() + self._reply_end))
        if len(self._got) > 4096:  # noqa: PLR2004
            self._got.clear()
        return [each for each in replies if each]
