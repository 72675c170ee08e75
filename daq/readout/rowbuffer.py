"""Rows of slices that wait until it is known where they belong, in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = dict[str, npt.NDArray[Any]]


class RowBuffer:
    """Room for so many rows of some columns. One thread uses it."""

    def __init__(self, columns: tuple[str, ...], rows: int) -> None:
        """Rows are taken as they come first: with which of the columns, and of which types."""
        self._columns, self._most = columns, rows
        self._room: Rows = {}
        self._rows = 0
        self._slices: deque[tuple[int, int]] = deque()
        """Of each slice: where it ends, and its latest time."""

    def __len__(self) -> int:
        return self._rows

    def add(self, singles: Mapping[str, npt.NDArray[Any]]) -> bool:
        """Copy rows; return False, with nothing taken, where there is no room."""
        count = len(singles["time_ps"])
        if self._rows + count > self._most:
            return False
        if not self._room:
            self._room = {
                name: np.empty(self._most, singles[name].dtype) for name in self._columns if name in singles
            }  # fmt: skip
        for name, room in self._room.items():
            room[self._rows : self._rows + count] = singles[name]
        self._rows += count
        self._slices.append((self._rows, int(singles["time_ps"].max())))
        return True

    def until(self, before_ps: int) -> int:
        """Return where the first slice begins that reaches a time: how many rows before it do not."""
        rows = 0
        for end, latest_ps in self._slices:
            if latest_ps >= before_ps:
                break
            rows = end
        return rows

    def first(self, rows: int) -> Rows:
        """Return the first rows, good until something is added or dropped."""
        return {name: room[:rows] for name, room in self._room.items()}

    def drop(self, rows: int) -> None:
        """Let go of the first rows, whole slices."""
        if not rows:
            return
        for room in self._room.values():
            room[: self._rows - rows] = room[rows : self._rows]
        self._slices = deque((end - rows, latest_ps) for end, latest_ps in self._slices if end > rows)
        self._rows -= rows
