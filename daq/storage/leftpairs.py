"""Pairs that were shed under overload, made after all from the singles that were stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.errors import VerificationError
from daq.storage.reader import open_listmode

if TYPE_CHECKING:
    import pyarrow as pa

    from daq.pipeline.pairstage import PairStage
    from daq.storage.derive import Rows

_ROWS_AT_ONCE = 1 << 17
_COLUMNS = ("time_ps", "detector", "energy_kev", "windows", "late")


class LeftPairs:
    """The stage that made pairs, from the row of the stored singles on at which shedding began."""

    def __init__(self, stage: PairStage, first_row: int) -> None:
        self.stage = stage
        self._next = first_row
        self._flushes: list[int] = []

    def flushed(self, rows: int) -> None:
        """Note that order began anew after so many singles."""
        self._flushes.append(rows)

    def rows(self, directory: Path, until: int) -> Iterator[Rows]:
        """Yield the pairs of the stored singles up to row `until`, as they would have come live.

        All these rows must be durable. Raise `VerificationError` where they cannot be read back.
        """
        with open_listmode(directory) as recording:
            names = [name for name in _COLUMNS if name in recording.schema("singles").names]
            for batch in recording.batches("singles", names, start_row=self._next, stop_row=until):
                for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                    yield from self._run(batch.slice(start, _ROWS_AT_ONCE))
        if self._next != until:
            raise VerificationError(f"{directory}: {self._next} singles read back, {until} were recorded")
        yield from self._flush_if_due()

    def _run(self, batch: pa.RecordBatch) -> Iterator[Rows]:
        while batch.num_rows:
            yield from self._flush_if_due()
            rows = min([batch.num_rows, *(flush - self._next for flush in self._flushes[:1])])
            yield _pairs(self.stage.push(_columns(batch.slice(0, rows))))
            self._next += rows
            batch = batch.slice(rows)

    def _flush_if_due(self) -> Iterator[Rows]:
        while self._flushes and self._flushes[0] <= self._next:
            self._flushes.pop(0)
            yield _pairs(self.stage.flush())


def _columns(batch: pa.RecordBatch) -> dict[str, np.ndarray[Any, Any]]:
    return {name: batch.column(name).to_numpy(zero_copy_only=False) for name in batch.schema.names}


def _pairs(pairs: Any) -> Rows:
    return {"coincidences": [pairs]} if len(pairs["time_ps"]) else {}
