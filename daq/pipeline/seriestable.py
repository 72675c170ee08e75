"""The time table of a series, a pure function of what marks tell of its steps. What is settled stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from daq.errors import MismatchError
from daq.model.framed import Beats, ImageKind
from daq.model.protocol import Gate, Sweep
from daq.pipeline.seriesrule import SeriesRule
from daq.pipeline.timetable import FIRST_PS, LAST_PS, TimeTable, frames_table, joined
from daq.pipeline.timetablegate import TRIGGER_MARK, Judged, account, beats_table, judged
from daq.pipeline.timetablemarks import StepTold, Told, Track
from daq.pipeline.timetablemotion import strip_table, views_table


@dataclass(frozen=True, slots=True, eq=False)
class SeriesTable:
    """A table, and the time up to which it stays as it is: later marks change what comes after that alone."""

    table: TimeTable
    settled_ps: int
    beats: tuple[Judged, ...] = ()
    """Of each step of a gated series."""

    def until(self, end_ps: int) -> SeriesTable:
        """Return it up to a time."""
        return replace(self, table=self.table.within([(FIRST_PS, end_ps)]))

    def account(self, gate: Gate | None, latency_ms: Mapping[str, float]) -> Beats | None:
        """Return the account of the beats; None of a series without a gate. `latency_ms` of triggers that is known."""
        return None if gate is None else account(self.beats, gate, latency_ms=latency_ms.get(gate.trigger))


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far it is known what came: all triggers up to `seen_ps`; with `complete` there is nothing to come at all."""

    seen_ps: int = FIRST_PS
    complete: bool = False

    def passed(self, step: StepTold) -> bool:
        """Return True where no trigger of a step is to come."""
        return self.complete or (step.end_ps is not None and self.seen_ps > step.end_ps)


def table_of(
    rule: SeriesRule, told: Told, steps: Sequence[StepTold], horizon: Horizon, *,
    done: dict[int, SeriesTable] | None = None,
) -> SeriesTable:  # fmt: skip
    """Return the table of a series whose steps so far are `steps`; `done` keeps the parts that are final, by step."""
    parts = []
    for place, step in enumerate(steps):
        part = (done or {}).get(step.number) or _of_step(rule, told, step, place, horizon)
        if done is not None and part.settled_ps == LAST_PS and horizon.passed(step):
            done[step.number] = part
        parts.append(part)
    settled = LAST_PS if horizon.complete else min((part.settled_ps for part in parts), default=FIRST_PS)
    beats = tuple(found for part in parts for found in part.beats)
    return SeriesTable(joined([part.table for part in parts]), settled, beats)


def frames_begin_ps(rule: SeriesRule, step: StepTold, horizon: Horizon) -> int | None:
    """Return when the frames of a step begin; None while what they wait for has not come.

    Where it never came they begin with the step.
    """
    waits = rule.step is not None and rule.step.frame_zero is not None
    if step.frame_zero_ps is not None:
        return step.frame_zero_ps
    return None if waits and not horizon.passed(step) else step.begin_ps


def _of_step(rule: SeriesRule, told: Told, step: StepTold, place: int, horizon: Horizon) -> SeriesTable:
    sweep = rule.step.sweep if rule.step is not None else None
    if rule.kind is ImageKind.DYNAMIC:
        return _dynamic(rule, step, horizon)
    if rule.kind is ImageKind.WHOLE_BODY:
        track = _track(rule, told, sweep)
        return SeriesTable(strip_table(track, step.active, head_first=not rule.turned), _settled(track, step))
    if not rule.continuous:
        views = TimeTable.of(FIRST_PS, LAST_PS, place).within(step.active)
        return _gated(rule, told, step, views, LAST_PS, horizon) if rule.gate else SeriesTable(views, LAST_PS)
    track = _track(rule, told, sweep)
    if sweep is None:
        raise MismatchError(f"{rule.name}: a continuous rotation is a sweep")
    views = views_table(track, step.active, sweep, rule.views)
    settled = _settled(track, step)
    return _gated(rule, told, step, views, settled, horizon) if rule.gate else SeriesTable(views, settled)


def _dynamic(rule: SeriesRule, step: StepTold, horizon: Horizon) -> SeriesTable:
    """Return frames by the clock: they go on in a pause, and what comes in it does not count."""
    zero_ps = frames_begin_ps(rule, step, horizon)
    if zero_ps is None:
        return SeriesTable(TimeTable.of([], [], []), step.begin_ps)
    table = frames_table(zero_ps, [(phase.frames, phase.frame_ps) for phase in rule.phases])
    return SeriesTable(table.within(step.active), LAST_PS)


def _gated(
    rule: SeriesRule, told: Told, step: StepTold, views: TimeTable, settled_ps: int, horizon: Horizon
) -> SeriesTable:
    """Return the beats of a step: of each view where there are any, its slots one after the other."""
    gate = rule.gate
    if gate is None:
        raise MismatchError(f"{rule.name}: it has no gate")
    triggers = told.triggers(TRIGGER_MARK[gate.trigger], step.span)
    ended = horizon.passed(step)
    found = judged(triggers, step.active, gate, gaps_ps=[time_ps for time_ps, _ in step.gaps], ended=ended)
    beats = beats_table(found, gate)
    parts = []
    for begin, end, view in zip(views.begin_ps.tolist(), views.end_ps.tolist(), views.slot.tolist(), strict=True):
        part = beats.within([(begin, end)])
        parts.append(TimeTable.of(part.begin_ps, part.end_ps, part.slot + view * rule.bins))
    known_ps = LAST_PS if ended else int(triggers[-1]) if found.known and len(triggers) else step.begin_ps
    return SeriesTable(joined(parts), min(known_ps, settled_ps), (found,))


def _track(rule: SeriesRule, told: Told, sweep: Sweep | None) -> Track:
    if sweep is None:
        raise MismatchError(f"{rule.name}: nothing moves in it")
    return told.tracks.setdefault(sweep.axis, Track())


def _settled(track: Track, step: StepTold) -> int:
    """Return the time up to which it is known where an axis was."""
    if track.last_ps is None:
        return step.begin_ps
    return LAST_PS if step.end_ps is not None and track.last_ps >= step.end_ps else track.last_ps
