"""What a probe counted in each step of a recording: in one energy window of one input, and in all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError, MissingError
from daq.model import mcpha as m
from daq.storage.recordedlayout import recorded_layout
from daq.storage.recordedprocessing import recorded_processing

if TYPE_CHECKING:
    from daq.storage.reader import ListMode

_PS_PER_S = 1e12
ALL = "all"


@dataclass(frozen=True, slots=True)
class StepCounts:
    """Counts of one step: inside the window, all of the input, and for how many seconds by the probe's clock."""

    name: str
    counts: int
    every: int
    seconds: float


def probe_counts(
    recording: ListMode, *, window: str | None = None, number: int | None = None
) -> tuple[list[StepCounts], float]:
    """Return the counts of every step that has ended, and how long the input is dead after a pulse, s.

    `window`: by default the first that was recorded with, else all energies; `number`: of the input, by default the
    first. Raise `MismatchError` for what is no recording of a probe, `MissingError` for a window that there is not.
    """
    layout, _ = recorded_layout(recording.manifest, recording.directory)
    if layout.mcpha is None or "singles" not in recording.streams:
        raise MismatchError(f"{recording.directory}: no recording of a probe with its counts")
    names = [each.name for each in recorded_processing(recording.manifest, recording.directory).windows]
    chosen = window or next(iter(names), ALL)
    if chosen != ALL and chosen not in names:
        raise MissingError(f"window {chosen}: there are {', '.join([*names, ALL])}")
    mine = layout.mcpha.inputs[0] if number is None else number
    if mine not in layout.mcpha.inputs:
        raise MissingError(f"input {mine}: recorded are {', '.join(map(str, layout.mcpha.inputs))}")
    steps = [step for step in recording.manifest.steps or () if step.end_ps is not None]
    spans = np.array([(step.begin_ps, step.end_ps) for step in steps], np.int64).reshape(-1, 2)
    found = np.zeros((len(steps), 2), np.int64)
    columns = ["time_ps", "detector", *(["windows"] if names else [])]
    for part in recording.numpy("singles", columns):
        inside = part["detector"] == mine
        bits = part["windows"] >> names.index(chosen) & 1 if chosen != ALL else np.ones(len(inside), np.uint16)
        found[:, 0] += _within(part["time_ps"][inside & (bits > 0)], spans)
        found[:, 1] += _within(part["time_ps"][inside], spans)
    dead_s = m.dead_clocks(layout.mcpha.delay_samples, layout.mcpha.decimation) / m.CLOCK_HZ
    seconds = [((step.end_ps or 0) - step.begin_ps - step.paused_ps) / _PS_PER_S for step in steps]
    return [
        StepCounts(step.name, int(counts), int(every), lasted)
        for step, (counts, every), lasted in zip(steps, found, seconds, strict=True)
        if lasted > 0
    ], dead_s


def _within(times: npt.NDArray[np.int64], spans: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many times lie in each span, its end left out, int64 [spans]."""
    ordered = np.sort(times)
    return np.asarray(np.searchsorted(ordered, spans[:, 1]) - np.searchsorted(ordered, spans[:, 0]), np.int64)
