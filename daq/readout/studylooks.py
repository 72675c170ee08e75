"""The pictures of a study as they grow: the strip, the present frame, the last projection, the beat; their accounts.

They are made by the function that makes the pictures of a recording (`daq.pipeline.studyframer`): where no row was
skipped they are the same, pixel for pixel. One thread uses this.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import ScandaqError
from daq.model.events import MARKS
from daq.model.framed import Beats, Framed, Slots, Strip
from daq.pipeline.stages import Streams
from daq.pipeline.studyframer import StudyFramer
from daq.readout.rowbuffer import RowBuffer
from daq.readout.snapshotformat import ArraySpec, array, text
from daq.readout.studydeclaration import INTERVALS, StudyLook

GROUP = "study"
MOST_TEXT_BYTES = 256 << 10
_MOST_WAITING = 1 << 21
"""Rows that wait until it is known where they belong: 3 s at 600,000 a second."""
_HELD_PS = 10**12
"""For so long rows are kept, at least, while frames wait for what they begin with: sources are not further apart."""
_MOST_KEPT = 1 << 20
"""Rows that are kept here until it is known where they belong; of more, others wait in the framer."""
_COUNT_NS = 150_000_000
"""Positions of axes and triggers are worked into tables, and rows that wait for them counted, no more often."""
_MANY = 4096
"""Slices of so many rows are counted as they come; smaller ones together: each counting costs some 30 us."""
_AT_ONCE = np.zeros(256, np.bool_)
_AT_ONCE[[MARKS.index(kind) for kind in (
    "start", "step", "stop", "pause", "resume", "motion_lost", "frame_zero",
)]] = True  # fmt: skip
_COLUMNS = ("time_ps", "x_mm", "y_mm", "head", "windows")

KEYS = (
    "step", "series", "shape", "heads", "slot", "slots", "planned", "strip", "beats", "rotation", "frames_wait",
    "skipped", "outside", "notes",
)  # fmt: skip
"""Of the text `study`, once there is a series to be shown."""


class StudyLooks:
    """Accumulates the series of the present step."""

    def __init__(self, look: StudyLook) -> None:
        """Begin with nothing."""
        self.look = look
        self._framer = StudyFramer(look.setup, only_present=True, most_waiting=_MOST_WAITING)
        self._waits = {step.name for step in look.setup.steps if step.frame_zero is not None}
        self._news = False
        self._counted_ns = 0
        self._rows = RowBuffer(_COLUMNS, _MOST_KEPT)
        self._skipped = 0
        self._latest_ps: int | None = None
        self._step = 0
        self._failed: str | None = None

    def specs(self) -> list[ArraySpec]:
        """Return the arrays of the snapshot's group."""
        look = self.look
        specs = [text("study", GROUP, most_bytes=MOST_TEXT_BYTES), array("study_counts", GROUP, "u4", look.cells)]
        if look.rows:
            specs.append(array("study_exposure_ps", GROUP, "i8", look.rows))
        if look.interval_bin_ms is not None:
            specs.append(array("study_intervals", GROUP, "u4", 2, INTERVALS))
        return specs

    @property
    def warning(self) -> str | None:
        """Return why nothing is shown any more; None while all is well."""
        return None if self._failed is None else f"no live pictures of the study: {self._failed}"

    def note_marks(self, columns: Mapping[str, Any]) -> None:
        """Take in marks as they are written; at once those that part rows."""
        if self._failed is not None:
            return
        at_once = bool(_AT_ONCE[columns["kind"]].any())
        if at_once:
            self._pass(len(self._rows))  # rows of before, which may be of another step
        self._news = self._framer.told.see_columns(columns) or self._news
        if self._news and at_once:
            self._settle()

    def see(self, streams: Streams) -> None:
        """Take in the rows of a slice, whose marks were noted before."""
        singles = streams.get("singles", {})
        if self._failed is not None or not len(singles.get("time_ps", ())):
            return
        latest_ps = int(singles["time_ps"].max())
        self._latest_ps = latest_ps if self._latest_ps is None else max(self._latest_ps, latest_ps)
        many = len(singles["time_ps"]) >= _MANY
        if many and not len(self._rows) and latest_ps < self._framer.settled_ps:
            self._frame(lambda: self._framer.add(singles))
            return
        if not self._rows.add(singles):
            self._pass(len(self._rows))
            self._frame(lambda: self._framer.add(singles))
        if self._frames_wait:
            self._reach()
            self._forget(latest_ps - _HELD_PS)
        elif (now_ns := time.monotonic_ns()) - self._counted_ns >= _COUNT_NS:
            self._count(now_ns)

    def skip(self, streams: Streams) -> None:
        """Let the rows of a slice pass, and count them."""
        self._skipped += len(streams.get("singles", {}).get("time_ps", ()))

    def complete(self) -> None:
        """Count what waits: no marks and no rows will come any more."""
        self._pass(len(self._rows))
        self._settle(complete=True)

    def values(self) -> dict[str, npt.NDArray[Any] | str]:
        """Return what is published: the series of the present step, gated before ungated."""
        self._count(time.monotonic_ns())
        series = [] if self._failed is not None else self._framer.present(copied=False)
        shown = series[0] if series else None
        counts, first = _shown(shown, self.look.cells)
        values: dict[str, npt.NDArray[Any] | str] = {
            "study": json.dumps(self._about(shown, first, counts)),
            "study_counts": _padded(counts.ravel(), self.look.cells, np.uint32),
        }
        if self.look.rows:
            exposure = shown.strip.exposure_ps if shown is not None and shown.strip is not None else ()
            values["study_exposure_ps"] = _padded(np.asarray(exposure), self.look.rows, np.int64)
        if self.look.interval_bin_ms is not None:
            beats = None if shown is None else shown.beats
            values["study_intervals"] = _histogram(beats, self.look.interval_bin_ms)
        return values

    @property
    def _frames_wait(self) -> bool:
        """True while the frames of the present step have not begun."""
        step = self._framer.told.steps[-1] if self._framer.told.steps else None
        return step is not None and step.end_ps is None and step.frame_zero_ps is None and step.name in self._waits

    def _count(self, now_ns: int) -> None:
        """Count the rows of which it is known by now where they belong."""
        self._counted_ns = now_ns
        self._reach()
        if self._news:
            self._settle()
        self._pass(self._rows.until(self._framer.settled_ps))

    def _frame(self, do: Callable[[], None]) -> None:
        """Do something with the framer. What cannot be shown is said, and ends no recording."""
        if self._failed is not None:
            return
        try:
            do()
        except ScandaqError as why:
            self._failed = str(why)

    def _reach(self) -> None:
        """Take note of how far rows have come."""
        if (latest_ps := self._latest_ps) is not None:
            self._frame(lambda: self._framer.reach(latest_ps))

    def _forget(self, before_ps: int) -> None:
        """Let go of rows of before a time, once they are half of what is kept."""
        rows = self._rows.until(before_ps)
        if 2 * rows >= len(self._rows):
            self._rows.drop(rows)

    def _pass(self, rows: int) -> None:
        """Hand the first rows that are kept to the framer."""
        if rows:
            self._frame(lambda: self._framer.add(self._rows.first(rows)))
            self._rows.drop(rows)

    def _settle(self, *, complete: bool = False) -> None:
        """Work the marks into tables."""
        self._news = False
        self._frame(lambda: self._framer.settle(complete=complete))
        number = len(self._framer.told.steps)
        if number != self._step:
            self._step, self._skipped = number, 0

    def _about(self, shown: Framed | None, first: int, counts: npt.NDArray[np.uint32]) -> dict[str, Any]:
        """Return what the published arrays are of, as JSON takes it."""
        if shown is None:
            return {"step": self._step, "series": None, "omitted": self._failed or self.look.omitted or None}
        until = first + counts.shape[2]
        return {
            "step": self._step, "series": shown.about, "shape": list(counts.shape),
            "heads": [
                {"number": head.number, "name": head.name, "angle_deg": head.angle_deg, "view": head.view}
                for head in shown.heads
            ],
            "slot": first, "slots": _slots(shown.slots, first, until),
            "planned": self.look.planned.get((shown.name, str(shown.kind)), len(shown.slots)),
            "strip": _strip(shown.strip), "beats": _beats(shown.beats), "rotation": shown.rotation,
            "frames_wait": self._frames_wait, "skipped": self._skipped + self._framer.skipped,
            "outside": shown.outside.tolist(), "notes": list(shown.notes),
        }  # fmt: skip


def _shown(shown: Framed | None, most: int) -> tuple[npt.NDArray[np.uint32], int]:
    """Return the counts that are shown [heads, windows, slots, rows, columns], and the number of their first slot.

    Of a gated series all bins of the present view, of others the present slot; nothing where they do not fit.
    """
    if shown is None:
        return np.zeros((0, 0, 0, 0, 0), np.uint32), 0
    bins = 1 if shown.beats is None else shown.beats.bins
    first = len(shown.slots) - bins
    counts = shown.counts[:, :, first:]
    return (counts, first) if counts.size <= most else (counts[:, :, :0], first)


def _padded(values: npt.NDArray[Any], length: int, kind: type[np.generic]) -> npt.NDArray[Any]:
    if len(values) == length and values.dtype == kind:
        return values  # what publishes it copies: a strip has megabytes
    padded = np.zeros(length, kind)
    padded[: len(values)] = values
    return padded


def _histogram(beats: Beats | None, bin_ms: int) -> npt.NDArray[np.uint32]:
    """Return the intervals that were taken and those that were not by length, uint32 [2, bins]; the longest are in the
    last.
    """  # noqa: D205
    if beats is None:
        return np.zeros((2, INTERVALS), np.uint32)
    at = np.minimum(np.asarray(beats.intervals_ms) // bin_ms, INTERVALS - 1).astype(np.int64)
    taken = np.asarray(beats.accepted_mask, np.bool_)
    return np.array([np.bincount(at[which], minlength=INTERVALS) for which in (taken, ~taken)], np.uint32)


def _slots(slots: Slots, first: int, until: int) -> dict[str, list[Any]]:
    return {
        name: [None if isinstance(value, float) and math.isnan(value) else value for value in values[first:until]]
        for name, values in (
            (name, getattr(slots, name).tolist())
            for name in ("begin_ps", "end_ps", "live_ps", "phase", "time_slice", "view", "time_slot", "gantry_deg",
                         "bed_mm")
        )
    }  # fmt: skip


def _strip(strip: Strip | None) -> dict[str, float] | None:
    if strip is None:
        return None
    return {
        "full_ps": strip.full_ps, "mean_speed_mm_per_s": strip.mean_speed_mm_per_s,
        "slowest_mm_per_s": strip.slowest_mm_per_s, "fastest_mm_per_s": strip.fastest_mm_per_s,
        "bed_begin_mm": strip.bed_begin_mm, "bed_end_mm": strip.bed_end_mm, "rows": len(strip.exposure_ps),
    }  # fmt: skip


def _beats(beats: Beats | None) -> dict[str, Any] | None:
    if beats is None:
        return None
    return {
        "triggers": beats.triggers, "accepted": beats.accepted, "rejected": beats.rejected, "outside": beats.outside,
        "by_cause": dict(beats.by_cause), "mean_ms": beats.mean_ms, "low_ms": beats.low_ms, "high_ms": beats.high_ms,
        "bins": beats.bins, "bin_ms": beats.bin_ms,
    }  # fmt: skip
