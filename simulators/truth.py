"""What was really sent: the account a receiver's result is held against."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.layout import Clock, Layout
from simulators.timing import is_event, ps_of

Ints = npt.NDArray[np.int64]


class Tally:
    """The words of one source so far: how many of each kind, when, and their SHA-256."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._is_event = is_event(list(layout.kinds.values()))
        self._by_code = np.zeros(len(layout.kinds) + 1, np.int64)
        self._digest = hashlib.sha256()
        self.words = 0
        self.first_ticks: int | None = None
        self.last_ticks: int | None = None

    def copy(self) -> Tally:
        """Return an independent copy."""
        twin = Tally(self._layout)
        twin._by_code = self._by_code.copy()
        twin._digest = self._digest.copy()
        twin.words, twin.first_ticks, twin.last_ticks = self.words, self.first_ticks, self.last_ticks
        return twin

    def add(
        self,
        data: npt.NDArray[np.uint8],
        codes: npt.NDArray[np.int16],
        ticks: Ints,
        timed: npt.NDArray[np.bool_],
    ) -> None:
        """Add words: their bytes, the index of their kinds (-1: none), their times, whether these are known."""
        self._digest.update(data.data)
        self.words += len(codes)
        counts = np.bincount(codes.astype(np.intp) + 1, minlength=len(self._by_code))
        self._by_code += counts
        only_events = int(counts[1:][self._is_event[:-1]].sum()) == len(codes)
        events = ticks if only_events and timed.all() else ticks[self._is_event[codes] & timed]
        if len(events):
            first, last = int(events.min()), int(events.max())
            self.first_ticks = first if self.first_ticks is None else min(first, self.first_ticks)
            self.last_ticks = last if self.last_ticks is None else max(last, self.last_ticks)

    def summary(self, clock: Clock) -> dict[str, Any]:
        """Return the account for the truth file; times in ps from the front end's tick zero."""
        counts = self._by_code.tolist()
        by_kind = dict(zip(self._layout.kinds, counts[1:], strict=True))
        ticks = {"first_time_ps": self.first_ticks, "last_time_ps": self.last_ticks}
        return {
            "words": self.words,
            "bytes": self.words * self._layout.word_bytes,
            "words_by_kind": by_kind,
            "words_unknown": counts[0],
            "events": int(self._by_code[1:][self._is_event[:-1]].sum()),
            **{name: None if t is None else ps_of(t, clock.tick) for name, t in ticks.items()},
            "sha256": self._digest.hexdigest(),
        }


def write_truth(path: Path, truth: dict[str, Any]) -> None:
    """Write the truth file in one go: readers see the old one or the new one, never a part."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(truth, file, indent=2)
        file.write("\n")
    Path(temporary).replace(path)
