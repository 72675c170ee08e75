"""The singles of each module over time, from the marks that count them while they are recorded: for PETSIRD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.model.events import NO_SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daq.storage.reader import ListMode

_PS_PER_MS = 10**9


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Singles of every module, int64 [modules], of any energy, from `start_ms` to `stop_ms` of the recording."""

    start_ms: int
    stop_ms: int
    per_module: npt.NDArray[np.int64]


def singles_per_module(run: ListMode, modules: int, start_ms: int) -> Iterator[Counted]:
    """Yield the counts from mark to mark, the first from `start_ms` on; nothing where no such marks are recorded.

    Marks of one moment belong together. Counts of a moment within the same ms go to the interval that follows.
    """
    waiting = np.zeros(modules, np.int64)
    moment_ps: int | None = None
    done_ms = start_ms
    for time_ps, module, count in _marks(run):
        if moment_ps is not None and time_ps != moment_ps and moment_ps // _PS_PER_MS > done_ms:
            yield Counted(done_ms, moment_ps // _PS_PER_MS, waiting)
            done_ms, waiting = moment_ps // _PS_PER_MS, np.zeros(modules, np.int64)
        moment_ps = time_ps
        if 0 <= module < modules:  # below zero: singles of detectors that no module has
            waiting[module] += count
    if moment_ps is not None:
        yield Counted(done_ms, max(moment_ps // _PS_PER_MS, done_ms) + 1, waiting)


def covers(run: ListMode, modules: int, start_ms: int, stop_ms: int) -> bool:
    """Return True where the counts reach from `start_ms` to `stop_ms`, as PETSIRD wants it."""
    last_ms = start_ms
    for counted in singles_per_module(run, modules, start_ms):
        last_ms = counted.stop_ms
    return start_ms < stop_ms <= last_ms


def _marks(run: ListMode) -> Iterator[tuple[int, int, int]]:
    """Yield time, module and count of each mark of singles that the readout made."""
    if "marks" not in run.streams:
        return
    for columns in run.numpy("marks", ["time_ps", "kind", "source", "value", "value2"]):
        rows = np.flatnonzero((columns["kind"] == "singles_rate") & (columns["source"] == NO_SOURCE))
        for row in rows.tolist():
            yield int(columns["time_ps"][row]), int(columns["value2"][row]), int(columns["value"][row])
