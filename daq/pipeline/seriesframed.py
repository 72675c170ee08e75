"""A series of pictures as its readers take it: counts, and what marks, protocol and scanner tell of each slot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from daq.model.framed import Floats, Framed, HeadSeen, ImageKind, Ints, Slots, Strip
from daq.model.geometry import Rotation, patient_rotation
from daq.pipeline.binning import Bins
from daq.pipeline.facing import BED, BREAST_VIEWS, GANTRY, faced
from daq.pipeline.seriesrule import HeadFacts, SeriesRule
from daq.pipeline.seriestable import Horizon, SeriesTable, frames_begin_ps
from daq.pipeline.timetablemarks import StepTold, Told
from daq.pipeline.timetablemotion import strip_of

_TURNING = (ImageKind.TOMO, ImageKind.GATED_TOMO)
_PS_PER_S = 1e12


def framed_of(
    rule: SeriesRule, told: Told, steps: Sequence[StepTold], made: SeriesTable, bins: Bins, *, copied: bool = True
) -> Framed:
    """Return a series; of planned slots those that have begun by the time that `made` ends."""
    slots = _slots(rule, told, steps, made, bins)
    begun = len(slots)
    counts, weighted = bins.counts[:, :, :begun], bins.weighted
    weighted = None if weighted is None else weighted[:, :, :begun]
    step = rule.step
    heads = tuple(_head(rule, told, head, place, slots) for place, head in enumerate(rule.setup.heads))
    rotation, arc_deg = _rotation(rule, told, steps)
    return Framed(
        name=rule.name,
        kind=rule.kind,
        steps=tuple(each.number for each in steps),
        heads=heads,
        windows=rule.windows,
        pixels=rule.pixels,
        counts=counts.copy() if copied else counts,
        slots=slots,
        outside=bins.outside,
        orientation=rule.setup.orientation,
        region=step.region if step else None,
        laterality=step.laterality if step else None,
        label=step.label if step else "",
        role=step.role if step else "emission",
        weighted=weighted.copy() if copied and weighted is not None else weighted,
        strip=_strip(rule, steps, made, bins),
        beats=made.account(rule.gate, rule.setup.latency_ms),
        rotation=rotation,
        arc_deg=arc_deg,
        continuous=rule.continuous or rule.kind is ImageKind.WHOLE_BODY,
        ungated=rule.ungated,
        frame_zero_ps=steps[0].frame_zero_ps,
        ended_by=steps[-1].ended_by,
        completed=len(steps) == (1 if rule.continuous else rule.views),
        notes=tuple(_notes(rule, steps, made, bins, [head.doubt for head in heads if head.doubt])),
    )


def _slots(rule: SeriesRule, told: Told, steps: Sequence[StepTold], made: SeriesTable, bins: Bins) -> Slots:
    """Return what is known of the slots that have begun."""
    begun = _begun(rule, steps, made)
    number = np.arange(begun, dtype=np.int64)
    view, time_slot = np.divmod(number, rule.bins)
    begin, end = _times(rule, steps, made, begun)
    phase, time_slice = _phases(rule, begun)
    still = rule.kind is not ImageKind.WHOLE_BODY
    at = begin + (end - begin) // 2 if still else made.table.begin_ps[:1]  # a mark may be told just after a step began
    live = _live_ps(rule, steps, made, bins)[:begun]
    return Slots(
        begin_ps=begin, end_ps=end, live_ps=live, phase=phase, time_slice=time_slice, view=view, time_slot=time_slot,
        gantry_deg=_places(told, GANTRY, at, begun), bed_mm=_places(told, BED, at, begun),
    )  # fmt: skip


def _live_ps(rule: SeriesRule, steps: Sequence[StepTold], made: SeriesTable, bins: Bins) -> Ints:
    """Return how long each slot counted; of one in which words are missing the share that came."""
    live = made.table.live_ps(rule.slots)
    gaps = [gap for step in steps for gap in step.gaps]
    if not gaps:
        return live
    times, missing = np.array(gaps, np.int64).T
    slots = made.table.slots_at(times)
    lost = np.bincount(slots[slots >= 0], missing[slots >= 0], rule.slots)
    came = bins.came.astype(np.float64)
    return np.where(lost > 0, np.rint(live * came / np.maximum(came + lost, 1.0)), live).astype(np.int64)


def _begun(rule: SeriesRule, steps: Sequence[StepTold], made: SeriesTable) -> int:
    """Return how many slots have begun: all bins of a beat, one at least."""
    if rule.kind is ImageKind.TOMO and not rule.continuous:
        return len(steps)
    if rule.kind is ImageKind.GATED_TOMO and not rule.continuous:
        return len(steps) * rule.bins
    if rule.kind is ImageKind.DYNAMIC or rule.continuous:
        last = int(made.table.slot.max(initial=0))
        return (last // rule.bins + 1) * rule.bins
    return rule.slots


def _times(rule: SeriesRule, steps: Sequence[StepTold], made: SeriesTable, begun: int) -> tuple[Ints, Ints]:
    """Return when slots begin and end, pauses within them included."""
    if rule.kind is ImageKind.DYNAMIC:
        zero_ps = frames_begin_ps(rule, steps[0], Horizon(complete=True)) or 0
        lengths = np.repeat([phase.frame_ps for phase in rule.phases], [phase.frames for phase in rule.phases])
        ends = zero_ps + np.cumsum(lengths.astype(np.int64))[:begun]
        return ends - lengths[:begun], ends
    if rule.continuous:
        return _spanned(rule, made, begun)
    of = np.minimum(np.arange(begun) // rule.bins, len(steps) - 1)
    begin = np.array([step.begin_ps for step in steps], np.int64)
    last = int(made.table.end_ps.max(initial=int(begin[-1])))  # of a step that lasts: as far as it is known
    end = np.array([last if step.end_ps is None else step.end_ps for step in steps], np.int64)
    return begin[of], end[of]


def _spanned(rule: SeriesRule, made: SeriesTable, begun: int) -> tuple[Ints, Ints]:
    """Return the first and last time of each view, for all bins of its beats."""
    views = made.table.slot // rule.bins
    begin, end = np.full(begun // rule.bins, np.iinfo(np.int64).max), np.full(begun // rule.bins, -(1 << 62))
    np.minimum.at(begin, views, made.table.begin_ps)
    np.maximum.at(end, views, made.table.end_ps)
    empty = begin > end
    begin[empty] = end[empty] = 0
    return np.repeat(begin, rule.bins), np.repeat(end, rule.bins)


def _phases(rule: SeriesRule, begun: int) -> tuple[Ints, Ints]:
    frames = [phase.frames for phase in rule.phases]
    if not frames:
        return np.zeros(begun, np.int64), np.zeros(begun, np.int64)
    phase = np.repeat(np.arange(len(frames)), frames)
    first = np.repeat(np.cumsum([0, *frames[:-1]]), frames)
    return phase[:begun].astype(np.int64), (np.arange(len(phase)) - first)[:begun].astype(np.int64)


def _strip(rule: SeriesRule, steps: Sequence[StepTold], made: SeriesTable, bins: Bins) -> Strip | None:
    if rule.kind is not ImageKind.WHOLE_BODY:
        return None
    gaps = [gap for step in steps for gap in step.gaps]
    came = int(bins.came.sum())
    return strip_of(made.table, rule.pixels, rule.usable_mm, head_first=not rule.turned, gaps=gaps, came=came)


def _places(told: Told, axis: str, times_ps: Ints, slots: int) -> Floats:
    """Return where an axis was at each slot's time; NaN where nobody knows."""
    found = {time: told.place(axis, time) for time in dict.fromkeys(times_ps.tolist())}
    return np.array([found[time] for time in times_ps.tolist()] or [math.nan] * slots, np.float64)


def _head(rule: SeriesRule, told: Told, head: HeadFacts, place: int, slots: Slots) -> HeadSeen:
    turned = float(slots.gantry_deg[0]) if len(slots) else math.nan
    view = rule.shown[place] if place < len(rule.shown) and rule.kind not in _TURNING else None
    if view is None and any(each in BREAST_VIEWS for each in rule.shown):
        angle, doubt = None, ""  # a breast is put before one head: where another one looks says the gantry nothing of
    else:
        angle, view, doubt = faced(head, turned, view, orientation=rule.setup.orientation, turns=rule.setup.turns)
    middle = slots.begin_ps + (slots.end_ps - slots.begin_ps) // 2
    radius = tuple(_places(told, f"{head.name}_radius", middle, len(slots)).tolist())
    return HeadSeen(
        head.number, head.name, angle, view, head.width_mm, head.height_mm, radius, doubt=doubt if len(slots) else ""
    )


def _rotation(rule: SeriesRule, told: Told, steps: Sequence[StepTold]) -> tuple[str | None, float | None]:
    """Return direction about the patient and arc of a series of projections."""
    if rule.kind not in _TURNING or rule.step is None:
        return None, None
    if rule.step.sweep is not None:
        along = rule.step.sweep.end - rule.step.sweep.begin
        arc = abs(along)
    else:
        entries = [each for each in rule.setup.steps if each.key == rule.step.key]
        places = [each.positions.get(GANTRY, math.nan) for each in entries]
        if len(places) < 2 or math.isnan(places[0]):  # noqa: PLR2004 - two of them make a direction
            return None, None
        along = places[1] - places[0]
        arc = abs(along) * len(places)
    turns = Rotation.CC if along > 0 else Rotation.CW
    return str(patient_rotation(turns, rule.setup.orientation)), arc


def _notes(
    rule: SeriesRule, steps: Sequence[StepTold], made: SeriesTable, bins: Bins, doubts: Iterable[str]
) -> list[str]:
    notes = [*doubts, *_of_motion(rule, made), *_of_beats(rule, made)]
    if bins.unknown_heads:
        notes.append(f"{bins.unknown_heads:,} events are of no known head")
    for step in steps:
        if missing := sum(lost for _, lost in step.gaps):
            notes.append(f"{missing:,} words are missing in step {step.number}: live times are shorter by their share")
        if step.went_back:
            notes.append(f"the clock of the front ends went back in step {step.number}: do not rely on its times")
    if rule.step is not None and rule.step.frame_zero is not None and steps[0].frame_zero_ps is None:
        notes.append("what frames were to begin with never came: they begin with the step")
    for step in steps:
        for source, since_ps in step.silent.items():
            after_s = max(0, since_ps - step.begin_ps) / _PS_PER_S
            notes.append(f"source {source} was silent in step {step.number} from {after_s:.1f} s on")
    return notes


def _of_motion(rule: SeriesRule, made: SeriesTable) -> list[str]:
    sweep = rule.step.sweep if rule.step is not None else None
    if sweep is None or len(made.table):
        return []
    return [f"no position of the moving axis {sweep.axis} is recorded: no event can be placed"]


def _of_beats(rule: SeriesRule, made: SeriesTable) -> list[str]:
    if rule.gate is None or any(found.taken.any() for found in made.beats):
        return []
    if not any(found.triggers for found in made.beats):
        return [f"no {rule.gate.trigger} trigger came: nothing is gated"]
    return ["no beat was taken: nothing is gated"]
