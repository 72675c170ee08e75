"""What every codec of a control protocol offers. A conversation has one request under way, never more."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Codec(Protocol):
    """Makes bytes of a request and finds the reply to it in what comes back.

    `tagged`: replies bear what tells to which request they belong, so that one that comes late is known for what it
    is. `strays` counts replies that belonged to no request under way.
    """

    tagged: bool
    strays: int

    def begin(self, request: str, *, raw: bool = False) -> bytes:
        """Return the bytes of a request; replies that are fed from now on are replies to it. Raises `EncodeError`."""

    def interject(self, request: str) -> bytes:
        """Return the bytes of a request that is said while another one waits for its reply, which it may spoil."""

    def feed(self, data: bytes) -> list[str]:
        """Take bytes that came; return the replies that are whole. Raises `WireError` for what breaks the protocol."""

    @property
    def halfway(self) -> bool:
        """Return True where part of a reply, or of an echo, is there."""

    def forget(self) -> None:
        """Forget what is there of a reply, and that there was a request."""
