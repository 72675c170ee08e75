"""Events in PETSIRD's blocks of at most 100 ms: each is written when the next one begins."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

from daq.listmode.petsird import encode_events, varint
from daq.listmode.petsird_events import LEFT_OUT, EventEncoder
from daq.storage.exportpairs import Columns, Written

if TYPE_CHECKING:
    from pathlib import Path

    from daq.storage.exportfile import HashingFile

BLOCK_MS = 100
MOST_MS = 0xFFFFFFFF
_SPOOL_BYTES = 32 << 20


@dataclass(slots=True)
class _List:
    """A list of events that grows: its bytes and how many events they are."""

    data: SpooledTemporaryFile[bytes]
    number: int = 0


class Blocks:
    """Puts rows into blocks and writes each block when the next one begins."""

    def __init__(
        self, sink: HashingFile, written: Written, scratch: Path, covered_ms: list[tuple[int, int]], *,
        with_delayeds: bool,
    ) -> None:  # fmt: skip
        self._sink = sink
        self._written = written
        self._scratch = scratch
        self._covered_ms = covered_ms
        self._with_delayeds = with_delayeds
        self._index: int | None = None
        self._done_ms = covered_ms[0][0] if covered_ms else 0
        self._back = 0
        self._lists: list[_List] = []
        self._rows_ms = (0, 0)

    def take(self, index: int, ms: tuple[int, int], encoder: EventEncoder, columns: Columns) -> None:
        """Put rows of block `index`, of the least and greatest time `ms`, behind those that came before."""
        if index != self._index:
            self._back += self._index is not None and index < self._index
            self._close()
            self._index = index
            self._lists = [_List(self._spool()), _List(self._spool())]
            self._rows_ms = ms
        self._rows_ms = (min(ms[0], self._rows_ms[0]), max(ms[1], self._rows_ms[1]))
        encoded = encoder.encode(columns)
        for into, data, number in (
            (self._lists[0], encoded.prompts, encoded.prompt_number),
            (self._lists[1], encoded.delayeds, encoded.delayed_number),
        ):
            into.data.write(data.data)
            into.number += number
        self._written.rows += encoded.prompt_number + encoded.delayed_number
        for cause, rows in zip(LEFT_OUT, encoded.left_out, strict=True):
            self._written.leave_out(cause, rows)

    def finish(self) -> None:
        """Write what is open, and the recorded time behind it."""
        self._close()
        self._fill(MOST_MS)
        if self._back:
            self._written.notes.append(
                f"times go back {self._back} times: blocks follow that begin before earlier ones"
            )

    def _close(self) -> None:
        if self._index is None:
            return
        start_ms, stop_ms = self._interval(self._index)
        self._fill(start_ms)
        self._write(start_ms, stop_ms, self._lists)
        self._done_ms = max(self._done_ms, stop_ms)
        self._index = None

    def _interval(self, index: int) -> tuple[int, int]:
        """Return the interval of a block, cut where recording began or ended within it and no row lies outside."""
        start_ms, stop_ms = index * BLOCK_MS, (index + 1) * BLOCK_MS
        if not self._covered_ms:
            return start_ms, stop_ms
        begin_ms = min(self._covered_ms[0][0], self._rows_ms[0])
        end_ms = max(self._covered_ms[-1][1], self._rows_ms[1] + 1)
        return max(start_ms, min(begin_ms, stop_ms)), min(stop_ms, max(end_ms, start_ms))

    def _fill(self, until_ms: int) -> None:
        """Write recorded time up to `until_ms` in which nothing came."""
        for begin_ms, end_ms in self._covered_ms:
            start, stop = max(begin_ms, self._done_ms), min(end_ms, until_ms)
            if start < stop:
                self._write(start, stop, [])
                self._done_ms = stop

    def _write(self, start_ms: int, stop_ms: int, lists: list[_List]) -> None:
        numbers = [[varint(made.number)] for made in lists] or [[varint(0)], [varint(0)]]
        before, between, after = encode_events(
            start_ms, stop_ms, numbers[0], numbers[1] if self._with_delayeds else None
        )
        for head, made in zip((before, between), lists or (None, None), strict=True):
            self._sink.write(head)
            if made is not None:
                made.data.seek(0)
                shutil.copyfileobj(made.data, self._sink, 1 << 20)
                made.data.close()
        self._sink.write(after)

    def _spool(self) -> SpooledTemporaryFile[bytes]:
        return SpooledTemporaryFile(_SPOOL_BYTES, dir=str(self._scratch))
