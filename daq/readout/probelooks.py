"""Live figures of a gamma probe: counts and smoothed rates by input and energy window, and the highest rates.

Unlike the other rates these go by the probe's own time: a poll that came late does not make a high rate. And they are
complete: polls are few, none is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model import mcpha as m
from daq.model.layout import Layout
from daq.model.processing import Processing
from daq.pipeline.probe import PeakHold, Smoothed
from daq.pipeline.stages import Streams
from daq.readout.snapshotformat import ArraySpec, array

TIME_CONSTANT_S = 1.0
EVERY = "all"
"""Name of the last column: all counts, in windows or not."""


@dataclass(frozen=True, slots=True)
class ProbeRule:
    """Which inputs are shown, in which energy windows, and how long an input is dead after a pulse."""

    inputs: tuple[int, ...]
    windows: tuple[str, ...]
    dead_s: float

    @property
    def about(self) -> dict[str, Any]:
        """Return what the arrays mean, as plain data."""
        return {
            "inputs": list(self.inputs), "windows": [*self.windows, EVERY], "dead_s": self.dead_s,
            "time_constant_s": TIME_CONSTANT_S,
        }  # fmt: skip


def probe_rule(columns: Sequence[str], layout: Layout, processing: Processing) -> ProbeRule | None:
    """Return what is shown of singles with `columns`; None where the front end is no probe."""
    if layout.mcpha is None or "detector" not in columns:
        return None
    dead = m.dead_clocks(layout.mcpha.delay_samples, layout.mcpha.decimation)
    names = tuple(window.name or str(number) for number, window in enumerate(processing.windows))
    return ProbeRule(layout.mcpha.inputs, names, dead / m.CLOCK_HZ)


class ProbeLooks:
    """Accumulates what `rule` asks for. One thread calls it."""

    def __init__(self, rule: ProbeRule, group: str) -> None:
        """Begin with nothing."""
        self.rule, self._group = rule, group
        shape = (len(rule.inputs), len(rule.windows) + 1)
        self._counts = np.zeros(shape, np.uint64)
        self._smoothed = Smoothed(TIME_CONSTANT_S, shape)
        self._peak = PeakHold(shape)
        self._seconds = 0.0
        self._latest_ps = 0

    def specs(self) -> list[ArraySpec]:
        """Return the arrays of the snapshot's group."""
        return [array(name, self._group, values.dtype, *values.shape) for name, values in self.arrays().items()]

    def see(self, streams: Streams, latest_ps: int) -> None:
        """Take in the rows of a slice, up to the probe's time `latest_ps`."""
        found = self._found(streams.get("singles", {}))
        self._counts += found
        passed_s, self._latest_ps = (latest_ps - self._latest_ps) * 1e-12, latest_ps
        if passed_s <= 0:
            return
        self._seconds += passed_s
        self._smoothed.add(found, passed_s)
        if self._smoothed.is_credible:
            self._peak.add(self._smoothed.per_s)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all figures."""
        return {
            "probe_counts": self._counts,
            "probe_seconds": np.array([self._seconds]),
            "probe_rates_per_s": self._smoothed.per_s,
            "probe_rate_errors_per_s": self._smoothed.error_per_s,
            "probe_peak_rates_per_s": self._peak.highest,
        }

    def _found(self, singles: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint64]:
        """Return the counts of a slice, uint64 [inputs, windows + 1]."""
        found = np.zeros(self._counts.shape, np.uint64)
        detectors = singles.get("detector", np.empty(0, np.uint32))
        for row, number in enumerate(self.rule.inputs):
            mine = detectors == number
            found[row, -1] = mine.sum()
            for bit in range(len(self.rule.windows)):
                found[row, bit] = (singles["windows"][mine] >> bit & 1).sum() if len(detectors) else 0
        return found
