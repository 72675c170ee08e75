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

    def rows(self, directory: Path, until: int) -> Iterator[Rows]:
        """Yield the pairs of the stored singles up to row `until`, as they would have come live.

        All these rows must be durable. Raise `VerificationError` where they cannot be read back.
        """
        with open_listmode(directory) as recording:
            names = [name for name in _COLUMNS if name in recording.schema("singles").names]
            for batch in recording.batches("singles", names, start_row=self._next, stop_row=until):
                for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                    yield self._run(batch.slice(start, _ROWS_AT_ONCE))
        if self._next != until:
            raise VerificationError(f"{directory}: {self._next} singles read back, {until} were recorded")

    def _run(self, batch: pa.RecordBatch) -> Rows:
        self._next += batch.num_rows
        return _pairs(self.stage.push(_columns(batch)))


def _columns(batch: pa.RecordBatch) -> dict[str, np.ndarray[Any, Any]]:
    return {name: batch.column(name).to_numpy(zero_copy_only=False) for name in batch.schema.names}


def _pairs(pairs: Any) -> Rows:
    return {"coincidences": [pairs]} if len(pairs["time_ps"]) else {}
