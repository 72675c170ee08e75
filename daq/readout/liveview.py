"""The parent's side of live figures: attach to a readout's snapshot and read it, without asking the readout again."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from daq.readout.closing import Closing
from daq.readout.descriptors import receive_snapshot
from daq.readout.snapshotreader import Reading, SnapshotReader

STALE_NS = 2_000_000_000
"""A readout publishes ten or twenty times a second; figures older than this are of one that hangs or was killed."""


class LiveView(Closing):
    """Figures, status and ledger of one readout. They stay readable when it has ended."""

    def __init__(self, reader: SnapshotReader) -> None:
        self._reader = reader
        self._names: dict[str, set[str]] = {}
        for spec in reader.specs:
            self._names.setdefault(spec.group, set()).add(spec.name)

    @classmethod
    def attach(cls, control: Path, *, deadline_s: float = 5.0) -> Self:
        """Return the view of the readout whose control socket is at `control`; errors as in `receive_snapshot`."""
        return cls(receive_snapshot(control, deadline_s=deadline_s))

    @property
    def about(self) -> dict[str, Any]:
        """Return what the readout says of its figures; `about["looks"]` names counters, bins and axes."""
        return dict(self._reader.about)

    def figures(self) -> dict[str, Any]:
        """Return all figures of one publication, as arrays and numbers, and how fresh they are.

        `sequence` counts publications, 0 before the first. `state` is `live`, `stale` (not closed, and nothing for
        2 s) or `closed`; `age_s` is host time since publishing. `fraction` is which part of the rows of each stream
        was looked at, None before any row: energies, detectors and flood are of that part.
        """
        finished = self._reader.finished  # asked first: what is read then is the last
        reading = self._reader.read("looks")
        figures: dict[str, Any] = dict(reading.arrays)
        looked = dict(zip(self.about["looks"]["looked"], figures.pop("looked").tolist(), strict=True))
        return {
            **_freshness(reading, finished=finished),
            **figures,
            "rate_window_s": float(figures["rate_window_s"][0]),
            "latest_ps": int(figures["latest_ps"][0]),
            "looked": looked,
            "fraction": {stream: _fraction(looked, stream) for stream in ("singles", "coincidences")},
        }

    def has(self, group: str) -> bool:
        """Return True where this readout publishes such a group."""
        return group in self._names

    def sequence(self, group: str = "looks") -> int:
        """Return how often a group was published, 0 for one that there is not: one word of memory."""
        return self._reader.sequence(group) if group in self._names else 0

    def fresh(self, group: str = "looks") -> dict[str, Any]:
        """Return `sequence`, `state` and `age_s` of what a group published last: cheap, without its arrays."""
        finished = self._reader.finished
        return _freshness(self._reader.read(group, ()), finished=finished)

    def some(self, names: Iterable[str], group: str = "looks") -> dict[str, Any]:
        """Return the arrays of these names that there are, as they were published together, and how fresh they are."""
        finished = self._reader.finished
        reading = self._reader.read(group, [name for name in names if name in self._names[group]])
        return {**_freshness(reading, finished=finished), **reading.arrays}

    def study(self) -> dict[str, Any] | None:
        """Return the pictures of a study as they are, or None where there are none: nobody follows a protocol.

        `study` says what they are of, None before the first; `counts` uint32 [heads, windows, slots, rows, columns] are
        those of the slots that it names; `exposure_ps` [rows] is there for a strip, `intervals` uint32 [2, bins] for
        beats: taken, and not taken. Freshness as of `figures`.
        """
        if self.about["looks"]["study"] is None:
            return None
        finished = self._reader.finished
        reading = self._reader.read("study")
        study = json.loads(reading.texts["study"] or "null")
        shape = (study or {}).get("shape") or [0]
        found: dict[str, Any] = {"study": study, **_freshness(reading, finished=finished)}
        found["counts"] = reading.arrays["study_counts"][: math.prod(shape)].reshape(shape)
        strip = (study or {}).get("strip")
        if strip is not None:
            found["exposure_ps"] = reading.arrays["study_exposure_ps"][: strip["rows"]]
        if "study_intervals" in reading.arrays:
            found["intervals"] = reading.arrays["study_intervals"]
        return found

    def status(self) -> dict[str, Any]:
        """Return `{"status": ..., "sequence": ..., "state": ..., "age_s": ...}`; `status` is None before the first."""
        return self._text("status")

    def ledger(self) -> dict[str, Any]:
        """Return `{"ledger": ..., "sequence": ..., "state": ..., "age_s": ...}`; `ledger` is None before the first."""
        return self._text("ledger")

    def close(self) -> None:
        """Give the memory back."""
        self._reader.close()

    def _text(self, name: str) -> dict[str, Any]:
        finished = self._reader.finished
        reading = self._reader.read(name)
        return {name: json.loads(reading.texts[name] or "null"), **_freshness(reading, finished=finished)}


def _freshness(reading: Reading, *, finished: bool) -> dict[str, Any]:
    age_ns = time.monotonic_ns() - reading.published_ns if reading.sequence else None
    stale = age_ns is None or age_ns > STALE_NS
    state = "closed" if finished else "stale" if stale else "live"
    return {"sequence": reading.sequence, "state": state, "age_s": None if age_ns is None else age_ns * 1e-9}


def _fraction(looked: dict[str, int], stream: str) -> float | None:
    seen, skipped = looked[f"{stream}_seen"], looked[f"{stream}_skipped"]
    return seen / (seen + skipped) if seen + skipped else None
