"""A wire to one instrument, or to a bus of several: bytes out, bytes in, each with a deadline."""

from __future__ import annotations

from typing import Protocol

MOST_KEPT_BYTES = 1 << 20
"""What comes and nobody reads; more is dropped, and counted in `dropped_bytes`."""


class Link(Protocol):
    """A wire. `connection` counts how often it was opened: what was known of the peer before is not known now."""

    connection: int
    dropped_bytes: int

    @property
    def is_open(self) -> bool:
        """Return True while it can be used, as far as can be told."""

    async def open(self, within_s: float) -> None:
        """Open it. Raises `UnreachableError` or `DeadlineError`; a wire that is open is closed before."""

    async def close(self) -> None:
        """Close it; nothing happens where it is closed."""

    async def write(self, data: bytes, within_s: float) -> None:
        """Hand bytes over to the system. Raises `UnreachableError` or `DeadlineError`."""

    async def read(self, within_s: float) -> bytes:
        """Return what comes, at least a byte. Raises `DeadlineError`, or `UnreachableError` where it hung up."""

    def waiting(self) -> bytes:
        """Return what is here already, without waiting, and take it away."""
