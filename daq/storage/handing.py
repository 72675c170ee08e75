"""Hand rows to the writer in order; where it has no room and waiting would cost data, keep them for later."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import DeadlineError, ScandaqError
from daq.model.packets import Packets

if TYPE_CHECKING:
    from daq.model.events import StreamName
    from daq.storage.flow import Counts
    from daq.storage.writer import ListModeWriter

_NAP_S = 0.005
_STALL_S = 10.0


class Handing:
    """What a recording hands to its writer. One thread uses it; any may ask for `failure`."""

    def __init__(self, writer: ListModeWriter, directory: Path) -> None:
        self._writer = writer
        self._directory = directory
        self._waiting: deque[tuple[StreamName, Any, Counts]] = deque()
        self._failure: ScandaqError | None = None
        self.rows: dict[StreamName, int] = {}
        """Rows handed over per stream, those that wait included."""
        self.pressed: Callable[[], bool] | None = None
        """Whether waiting for the disk would cost data; None: it never does."""

    @property
    def failure(self) -> ScandaqError | None:
        """Return what ended the writing, None while all is well."""
        return self._failure or self._writer.failure

    def fail(self, why: ScandaqError) -> None:
        """Keep the first failure."""
        self._failure = self._failure or why

    def write(self, stream: StreamName, rows: Any, counts: Counts) -> None:
        """Hand over rows, columns or packets; `counts` become durable with them."""
        self.rows[stream] = self.rows.get(stream, 0) + _rows_of(rows)
        self._waiting.append((stream, rows, counts))
        self.drain()

    def drain(self) -> None:
        """Hand over what waits. A disk that takes nothing for 10 s is a failure, as it is to the writer."""
        give_up_s = time.monotonic() + _STALL_S
        try:
            while self._waiting and self.failure is None:
                stream, rows, counts = self._waiting[0]
                if self.pressed is None:
                    self._writer.write(stream, rows, counts=counts)
                elif not self._writer.try_write(stream, rows, counts=counts):
                    if self.pressed():
                        return
                    if time.monotonic() > give_up_s:
                        raise DeadlineError(f"{self._directory}: the disk took nothing for {_STALL_S:g} s")
                    time.sleep(_NAP_S)
                    continue
                self._waiting.popleft()
        except ScandaqError as failure:
            self._failure = failure
        if self.failure is not None:  # nobody takes them any more
            self._waiting.clear()

    def all_durable(self, goes_on: Callable[[], bool]) -> bool:
        """Wait until all that was handed over is durable, as long as `goes_on()`: a slow disk only takes longer."""
        self.pressed = None
        self.drain()
        while goes_on() and self.failure is None:
            try:
                self._writer.flush()
            except DeadlineError:
                continue
            return True
        return False


def _rows_of(rows: Any) -> int:
    """Return the number of rows in packets or in columns."""
    return len(rows) if isinstance(rows, Packets) else len(rows["time_ps"])
