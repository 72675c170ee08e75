"""Cut the byte stream of a FERS-5200 board into rows of whole events. It has the interface of `StreamFramer`."""

from __future__ import annotations

import numpy as np

from daq.model.packets import Flag
from daq.wire.fers_walk import BAD, UNKNOWN, spans

_ROOM = 256


class FersFramer:
    """Take chunks cut anywhere, give rows `(flags, bytes)` in order and byte-exact, each at most 64 KiB.

    A row holds whole events of one protocol or, flagged `MALFORMED`, bytes that are no event: from one whose length
    lies up to the next. What waits for its end is bounded by the longest event and by the longest row.
    """

    def __init__(self) -> None:
        self._kept = b""
        self._protocol = UNKNOWN
        self._out = np.empty((4, _ROOM), np.int64)

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[tuple[int, bytes]]:
        """Return the rows that `chunk` completes; a cut event waits for the next chunk."""
        data = self._kept + bytes(chunk)
        rows, upto = self._rows(data, final=False)
        self._kept = data[upto:]
        return rows

    def finish(self) -> list[tuple[int, bytes]]:
        """Return what is left at the end of the stream, the last row flagged `TRUNCATED` where an event is cut."""
        data, self._kept = self._kept, b""
        rows, upto = self._rows(data, final=True)
        return rows if upto == len(data) else [*rows, (int(Flag.TRUNCATED), data[upto:])]

    def _rows(self, data: bytes, *, final: bool) -> tuple[list[tuple[int, bytes]], int]:
        """Return the rows of `data`, and the byte behind the last one."""
        rows: list[tuple[int, bytes]] = []
        array, upto, waits = np.frombuffer(data, np.uint8), 0, False
        while not waits:
            count, upto, self._protocol, waits = spans(array, upto, len(data), self._protocol, final, self._out)
            for begin, end, what in zip(*self._out[:3, :count].tolist(), strict=True):
                rows.append((int(Flag.MALFORMED) if what == BAD else 0, data[begin:end]))
        return rows, upto
