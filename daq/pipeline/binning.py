"""The pictures of one series as they grow, counted by a time table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError, RefusedError
from daq.model.framed import Counts, Ints
from daq.pipeline.framing import MOST_WEIGHT
from daq.pipeline.framingkernels import NO_HEAD, NO_MAP
from daq.pipeline.seriesrule import SeriesRule
from daq.pipeline.timetable import TimeTable
from daq.pipeline.timetablekernels import frame_events

Columns = Mapping[str, npt.NDArray[Any]]


class Bins:
    """Counts of a series. `counts` uint32 [heads, windows, slots, rows, columns]; one thread adds rows.

    `weighted` uint64 of the same shape in 1/65536 where that is asked for and every head and window has a map.
    """

    def __init__(self, rule: SeriesRule) -> None:
        setup, pixels = rule.setup, rule.pixels
        heads, windows = len(setup.heads), max(len(rule.windows), 1)
        self._windowed = bool(rule.windows)
        self._sizes = np.array([heads, windows, rule.slots, pixels.rows, pixels.columns], np.int64)
        self._counts = np.zeros(int(self._sizes.prod()), np.uint32)
        self._outside = np.zeros(heads * windows, np.uint64)
        self._came = np.zeros(rule.slots, np.uint64)
        self._beyond = np.zeros(1, np.uint64)
        self._frame = np.array([
            pixels.x0_mm, pixels.y0_mm, 1.0 / pixels.pixel_mm, -1.0 if rule.turned else 1.0, *rule.usable_mm,
            *setup.code_mm,
        ])  # fmt: skip
        self._head_at = np.full(256, NO_HEAD, np.uint8)
        self._head_at[[head.number for head in setup.heads]] = np.arange(heads)
        self._bit_of = np.array(rule.bits, np.int64)
        self._map_of, self._maps, self._values = _maps(rule)
        is_weighted = setup.weighted and not (self._map_of == NO_MAP).any()
        self._weighted = np.zeros(len(self._counts) if is_weighted else 0, np.uint64)

    @property
    def counts(self) -> Counts:
        """Return the counts, a view."""
        return self._counts.reshape(self._sizes)

    @property
    def weighted(self) -> npt.NDArray[np.uint64] | None:
        """Return the weighted counts in 1/65536, a view; None where there are none."""
        return self._weighted.reshape(self._sizes) if len(self._weighted) else None

    @property
    def outside(self) -> Ints:
        """Return the events of the series' time and windows that are in no pixel, int64 [heads, windows]."""
        found: Ints = self._outside.astype(np.int64).reshape(self._sizes[:2])
        return found

    @property
    def came(self) -> npt.NDArray[np.uint64]:
        """Return all events of the time of each slot, whatever head, energy and place, uint64 [slots], a view."""
        return self._came

    @property
    def unknown_heads(self) -> int:
        """Return the events of the series' time of heads that are not known."""
        return int(self._beyond[0])

    def add(self, singles: Columns, table: TimeTable) -> None:
        """Count rows: `time_ps`, `x_mm`, `y_mm` and, where there are, `head`, `windows`, each [n]."""
        if not len(table):
            return
        if not 0 <= int(table.slot.min()) <= int(table.slot.max()) < self._sizes[2]:
            raise MismatchError(f"slots {table.slot.min()} to {table.slot.max()}; there is room for {self._sizes[2]}")
        frame_events(
            _plain(singles, "time_ps", np.int64), _plain(singles, "x_mm", np.float32),
            _plain(singles, "y_mm", np.float32), _plain(singles, "head", np.uint8),
            _plain(singles, "windows" if self._windowed else "", np.uint16),
            table.begin_ps, table.end_ps, np.ascontiguousarray(table.slot, np.int32),
            np.ascontiguousarray(table.shift_mm), np.ascontiguousarray(table.shift_per_ps),
            self._frame, self._head_at, self._bit_of, self._sizes, self._map_of, self._maps, self._values,
            self._counts, self._weighted, self._outside, self._came, self._beyond,
        )  # fmt: skip


def _plain(singles: Columns, name: str, kind: type[np.generic]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(singles[name], kind) if name in singles else np.empty(0, kind)


def _maps(rule: SeriesRule) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Return the map of each head and window [heads * windows], about maps [maps, 6], all their values in a row."""
    names = [window.name for window in rule.windows] or [""]
    map_of: list[int] = []
    about: list[tuple[float, ...]] = []
    values: list[npt.NDArray[np.float32]] = []
    for head in rule.setup.heads:
        for name in names:
            grid = rule.setup.uniformity.get((head.number, name)) if rule.setup.weighted else None
            map_of.append(NO_MAP if grid is None else len(about))
            if grid is None:
                continue
            found = grid.values()
            if not (found.min() >= 0 and found.max() <= MOST_WEIGHT):
                raise RefusedError(
                    f"uniformity of head {head.number}, window {name!r}: weights {found.min():g} to {found.max():g}; "
                    f"possible are 0 to {MOST_WEIGHT:g}"
                )
            first = sum(map(len, values))
            about.append((grid.x0_mm, grid.y0_mm, 1.0 / grid.pitch_mm, grid.rows, grid.columns, first))
            values.append(found.ravel())
    return (
        np.array(map_of, np.int32),
        np.array(about, np.float64).reshape(-1, 6),
        np.concatenate([np.empty(0, np.float32), *values]),
    )
