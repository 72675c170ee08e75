"""The stage that pairs: singles as the order releases them in, coincidences out, limits on them decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.processing import Processing
from daq.model.stop import StopCondition
from daq.pipeline.pairing import Pairer
from daq.pipeline.pairlimits import PairHit, PairLimits
from daq.pipeline.singles import wanted_mask

Ints = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[Any]]


class PairStage:
    """One acquisition's pairs. It goes where the order goes: a fork takes both."""

    def __init__(self, processing: Processing, stop: StopCondition) -> None:
        """Begin the first step. Raise `LimitError` for a rule that the sorter cannot follow."""
        rule = processing.pairing
        if rule is None:
            raise ValueError("a stage without a rule")
        mask = processing.pairing_mask
        self._mask = 0 if wanted_mask(processing) == mask else mask  # where only those that may pair come this far
        self._reach_ps = rule.half_window_ps + (rule.delay_ps or 0)
        self._pairer = Pairer(rule, window_mask=self._mask)
        self.limits = PairLimits(stop.counts)
        self.hit: tuple[PairHit, int] | None = None
        """The limit that the last call reached, and the row of the single that released the pair, among those pushed;
        -1: a flush released it."""

    @property
    def counts(self) -> dict[str, int]:
        """Return what the sorter counted over the whole acquisition."""
        return self._pairer.counts

    @property
    def waits_from_ps(self) -> int | None:
        """Return the time of the first single whose windows are open; None where none is."""
        held = self._pairer.held_ps
        return None if held is None else held[0]

    def push(self, singles: Mapping[str, npt.NDArray[Any]]) -> Columns:
        """Take singles as they are released; return the coincidences that are complete."""
        self.hit = None
        if not self.limits.pending:
            pairs = self._pairer.push(singles)
            self.limits.see(pairs)
            return pairs
        rows = np.flatnonzero(self._may_pair(singles))
        if not len(rows):
            return self._pairer.push(singles)
        return self._looked_for(singles, rows)

    def flush(self) -> Columns:
        """Return the coincidences that are left; what comes later does not pair with what was."""
        pairs = self._pairer.flush()
        hit = self.limits.see(pairs)
        self.limits.begun_anew()
        self.hit = None if hit is None else (hit, -1)
        return pairs

    def _looked_for(self, singles: Mapping[str, npt.NDArray[Any]], rows: Ints) -> Columns:
        """Push stretch after stretch in which times ascend, and look for the single that releases a limit's pair.

        `rows` may pair: it is the first of them beyond all windows of the pair's opener, or with which times decrease.
        """
        times = singles["time_ps"][rows]
        blocks = []
        for begin, end in _ascents(times):
            stretch = slice(int(rows[begin]) if begin else 0, int(rows[end]) if end < len(rows) else None)
            held = self._pairer.held_ps
            if held is not None and times[begin] < held[1]:
                blocks.append(self._pairer.flush())
                self._note(self.limits.see(blocks[-1]), int(rows[begin]))
                self.limits.begun_anew()
            blocks.append(self._pairer.push({name: values[stretch] for name, values in singles.items()}))
            hit = self.limits.see(blocks[-1])
            if hit is not None:
                beyond = int(np.searchsorted(times[begin:end], hit.time_ps + self._reach_ps, "right"))
                self._note(hit, int(rows[begin + beyond]))
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}

    def _note(self, hit: PairHit | None, row: int) -> None:
        """Keep the first limit that a call reaches."""
        if hit is not None and self.hit is None:
            self.hit = hit, row

    def _may_pair(self, singles: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
        may = np.ones(len(singles["time_ps"]), np.bool_)
        if "late" in singles:
            may &= ~singles["late"]
        if self._mask:
            may &= (singles["windows"] & np.uint16(self._mask)) != 0
        return may


def _ascents(times: Ints) -> list[tuple[int, int]]:
    """Return the stretches (begin, end) in which times do not decrease."""
    ends = [*(np.flatnonzero(times[1:] < times[:-1]) + 1).tolist(), len(times)]
    return list(zip([0, *ends], ends, strict=False))
