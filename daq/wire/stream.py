"""Cut a byte stream (TCP, file) into rows of whole words, the preamble before them as a row of its own."""

from __future__ import annotations

from daq.errors import MismatchError
from daq.model.packets import Flag

MAX_ROW_BYTES = 64 * 1024
_SHOWN_BYTES = 32


class StreamFramer:
    """Take chunks cut anywhere, give rows `(flags, bytes)` cut between words, in order and byte-exact.

    The first `preamble_bytes` are one row flagged `PREAMBLE`, after a look whether they begin with one of
    `preamble_begins` (any, when there is none). Rows of words are at most 64 KiB.
    """

    def __init__(self, word_bytes: int, preamble_bytes: int = 0, preamble_begins: tuple[str, ...] = ()) -> None:
        self._row_bytes = MAX_ROW_BYTES // word_bytes * word_bytes
        self._word_bytes = word_bytes
        self._preamble_bytes = preamble_bytes
        self._begins = tuple(text.encode("ascii") for text in preamble_begins)
        self._in_preamble = preamble_bytes > 0
        self._kept = b""

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[tuple[int, bytes]]:
        """Return the rows that `chunk` completes; a cut word waits for the next chunk.

        Raise `MismatchError` as soon as the preamble cannot be that of the profile.
        """
        data = self._kept + bytes(chunk) if self._kept else bytes(chunk)
        rows: list[tuple[int, bytes]] = []
        begin = 0
        if self._in_preamble:
            self._check(data)
            if len(data) < self._preamble_bytes:
                self._kept = data
                return rows
            begin = self._preamble_bytes
            rows.append((int(Flag.PREAMBLE), data[:begin]))
            self._in_preamble = False
        whole = begin + (len(data) - begin) // self._word_bytes * self._word_bytes
        rows += [(0, data[at : min(at + self._row_bytes, whole)]) for at in range(begin, whole, self._row_bytes)]
        self._kept = data[whole:]
        return rows

    def finish(self) -> list[tuple[int, bytes]]:
        """Return what is left at the end of the stream: nothing, or one row flagged `TRUNCATED`.

        Raise `MismatchError` when the stream ended within the preamble.
        """
        left, self._kept = self._kept, b""
        if self._in_preamble:
            raise MismatchError(
                f"the stream ended after {len(left)} bytes, the profile says {self._preamble_bytes} bytes of preamble"
            )
        return [(int(Flag.TRUNCATED), left)] if left else []

    def _check(self, data: bytes) -> None:
        """Refuse a preamble that can no longer begin with any of the texts."""
        if not self._begins or any(text[: len(data)] == data[: len(text)] for text in self._begins):
            return
        longest = max(len(text) for text in self._begins)
        wanted = " or ".join(repr(text) for text in self._begins)
        raise MismatchError(f"the stream begins with {data[: min(longest, _SHOWN_BYTES)]!r}, the profile says {wanted}")
