"""Cut the byte stream of a FERS-5200 board into rows of whole events. It has the interface of `StreamFramer`.

A raw-data file of the vendor's library begins with a header: 32 bytes of text, 8 bytes that say how long the rest is,
themselves included, and facts about the board. It becomes the preamble. Source: CAEN FERSlib in `djanloo/pyferslib`
6a3359e, `src/FERS_LLeth.c`.
"""

from __future__ import annotations

import numpy as np

from daq.errors import MismatchError
from daq.model.packets import Flag
from daq.wire.fers_walk import BAD, UNKNOWN, spans

FILE_BEGINS = b"$$$$$$$FERSRAWDATAHEADER$$$$$$$\0"
"""With this a raw-data file begins."""
SIZE_BYTES = 8
MOST_HEADER_BYTES = 4096

_ROOM = 256


class FersFramer:
    """Take chunks cut anywhere, give rows `(flags, bytes)` in order and byte-exact, each at most 64 KiB.

    A row holds whole events of one protocol or, flagged `MALFORMED`, bytes that are no event: from one whose length
    lies up to the next. What waits for its end is bounded by the longest event and by the longest row.
    """

    def __init__(self) -> None:
        self._kept = b""
        self._protocol = UNKNOWN
        self._begun = False
        self._out = np.empty((4, _ROOM), np.int64)

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[tuple[int, bytes]]:
        """Return the rows that `chunk` completes; a cut event waits for the next chunk."""
        data = self._kept + bytes(chunk)
        header = self._header(data)
        if header is None:
            self._kept = data
            return []
        rows, upto = self._rows(data, header, final=False)
        self._kept = data[upto:]
        return rows

    def finish(self) -> list[tuple[int, bytes]]:
        """Return what is left at the end of the stream, the last row flagged `TRUNCATED` where an event is cut."""
        data, self._kept = self._kept, b""
        rows, upto = self._rows(data, 0, final=True)
        return rows if upto == len(data) else [*rows, (int(Flag.TRUNCATED), data[upto:])]

    def _header(self, data: bytes) -> int | None:
        """Return the bytes of a file's header that `data` begins with; None while that cannot be told."""
        if self._begun or data[: len(FILE_BEGINS)] != FILE_BEGINS[: len(data)]:
            self._begun = True
            return 0
        if len(data) < len(FILE_BEGINS) + SIZE_BYTES:
            return None
        said = int.from_bytes(data[len(FILE_BEGINS) : len(FILE_BEGINS) + SIZE_BYTES], "little")
        if not SIZE_BYTES <= said <= MOST_HEADER_BYTES:
            raise MismatchError(f"a FERS raw-data file with a header of {said} bytes: at most {MOST_HEADER_BYTES}")
        if len(data) < len(FILE_BEGINS) + said:
            return None
        self._begun = True
        return len(FILE_BEGINS) + said

    def _rows(self, data: bytes, header: int, *, final: bool) -> tuple[list[tuple[int, bytes]], int]:
        """Return the rows of `data`, the first of which is a file's header, and the byte behind the last one."""
        rows = [(int(Flag.PREAMBLE), data[:header])] if header else []
        array, upto, waits = np.frombuffer(data, np.uint8), header, False
        while not waits:
            count, upto, self._protocol, waits = spans(array, upto, len(data), self._protocol, final, self._out)
            for begin, end, what in zip(*self._out[:3, :count].tolist(), strict=True):
                rows.append((int(Flag.MALFORMED) if what == BAD else 0, data[begin:end]))
        return rows, upto
