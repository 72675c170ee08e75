"""The framer of a byte stream, as its layout wants it."""

from __future__ import annotations

from typing import Protocol

from daq.model.layout import Layout
from daq.wire.stream import StreamFramer


class Framer(Protocol):
    """Takes chunks cut anywhere, gives rows of whole words or events, in order and byte-exact."""

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[tuple[int, bytes]]:
        """Return the rows `(flags, bytes)` that `chunk` completes."""
        ...

    def finish(self) -> list[tuple[int, bytes]]:
        """Return what is left at the end of the stream."""
        ...


def framer_of(layout: Layout) -> Framer:
    """Return a framer for one stream, at its beginning."""
    if layout.decoder == "fers":
        from daq.wire.fers_stream import FersFramer  # its loop takes seconds to compile

        return FersFramer()
    return StreamFramer(layout.word_bytes, layout.preamble_bytes, layout.preamble_begins)
