"""The time table of a series, a pure function of what marks tell of its steps. What is settled stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daq.errors import MismatchError
from daq.model.framed import Beats, ImageKind
from daq.pipeline.seriesrule import SeriesRule
from daq.pipeline.timetable import FIRST_PS, LAST_PS, TimeTable, frames_table, joined
from daq.pipeline.timetablemarks import StepTold, Told


@dataclass(frozen=True, slots=True, eq=False)
class SeriesTable:
    """A table, and the time up to which it stays as it is: later marks change what comes after that alone."""

    table: TimeTable
    settled_ps: int
    beats: tuple[Beats, ...] = ()
    """Of each step of a gated series."""


def table_of(rule: SeriesRule, told: Told, steps: Sequence[StepTold], *, complete: bool = False) -> SeriesTable:
    """Return the table of a series whose steps so far are `steps`; `complete`: there are no marks to come."""
    parts = [_of_step(rule, told, step, place, complete=complete) for place, step in enumerate(steps)]
    settled = min((part.settled_ps for part in parts), default=FIRST_PS)
    beats = tuple(account for part in parts for account in part.beats)
    return SeriesTable(joined([part.table for part in parts]), LAST_PS if complete else settled, beats)


def _of_step(rule: SeriesRule, told: Told, step: StepTold, place: int, *, complete: bool) -> SeriesTable:
    if rule.kind is ImageKind.DYNAMIC:
        return _dynamic(rule, step, complete=complete)
    if rule.kind in (ImageKind.STATIC, ImageKind.TOMO) and not rule.continuous:
        return SeriesTable(TimeTable.of(FIRST_PS, LAST_PS, place).within(step.active), LAST_PS)
    raise MismatchError(f"{rule.name}: series of kind {rule.kind} are not made")


def _dynamic(rule: SeriesRule, step: StepTold, *, complete: bool) -> SeriesTable:
    """Return frames by the clock: they go on in a pause, and what comes in it does not count."""
    zero_ps = frames_begin_ps(rule, step, complete=complete)
    if zero_ps is None:
        return SeriesTable(TimeTable.of([], [], []), step.begin_ps)
    table = frames_table(zero_ps, [(phase.frames, phase.frame_ps) for phase in rule.phases])
    return SeriesTable(table.within(step.active), LAST_PS)


def frames_begin_ps(rule: SeriesRule, step: StepTold, *, complete: bool) -> int | None:
    """Return when the frames of a step begin; None while what they wait for has not come.

    Where it never came they begin with the step.
    """
    waits = rule.step is not None and rule.step.frame_zero is not None
    if step.frame_zero_ps is not None:
        return step.frame_zero_ps
    return None if waits and step.end_ps is None and not complete else step.begin_ps
