"""Checks of the steps of a study: are they there and whole, are there counts enough, was every head there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.model.endwords import plainly
from daq.model.framed import DAMAGED, Framed, ImageKind
from daq.model.protocol import AcquisitionProtocol, CountLimit, Step
from daq.model.verdict import Check, Grade
from daq.qc.studyfacts import StepSeen, StudyFacts

PS_PER_S = 10**12
_OF_SINGLES = ("singles", "events")
_FEWEST_ELSEWHERE = 100
"""A head without counts has lost them where another one has at least so many."""
_SAME_TIME = 0.01
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Planned:
    """A step of the protocol and what was recorded of it, None where nothing was."""

    step: Step
    seen: StepSeen | None


def matched(protocol: AcquisitionProtocol, facts: StudyFacts) -> tuple[Planned, ...]:
    """Return the steps of the session that were to be taken, each with the recorded one of its name.

    A name that comes twice is matched in order.
    """
    session = protocol.of_session(facts.session) if facts.session in protocol.sessions else protocol
    left = list(facts.steps)
    found = []
    for step in session.steps:
        if facts.planned and step.name not in facts.planned:
            continue
        seen = next((each for each in left if each.name == step.name), None)
        if seen is not None:
            left.remove(seen)
        found.append(Planned(step, seen))
    return tuple(found)


def of_series(series: Framed, planned: Sequence[Planned]) -> tuple[Planned, ...]:
    """Return the steps that a series was made of."""
    return tuple(each for each in planned if each.seen is not None and each.seen.number in series.steps)


def name_of(series: Framed) -> str:
    """Return what a check calls a series."""
    return f"{series.name}, all beats" if series.ungated else series.name


def spoken(names: Sequence[str]) -> str:
    """Return names in a sentence, the first few of many."""
    shown = ", ".join(names[:_MOST_NAMED])
    return f"{shown} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else shown


def whole(planned: Sequence[Planned], facts: StudyFacts) -> Iterator[Check]:
    """Check that every step is there and ended as it should."""
    missing = [each.step.name for each in planned if each.seen is None]
    yield Check(
        "steps", "", Grade.BAD if missing else Grade.GOOD, _acquired(planned, missing, facts.ended_by),
        len(planned) - len(missing), len(planned),
    )  # fmt: skip
    for each in planned:
        if each.seen is not None and not each.seen.completed:
            yield Check("end", each.step.name, Grade.BAD, _unfinished(each.step, each.seen))
    yield from _backstops(planned)
    if facts.state == "recovered":
        text = "the recording was recovered: what had not reached the disk is missing, and nothing resumed by itself"
        yield Check("recording", "", Grade.DOUBTFUL, text)


def _acquired(planned: Sequence[Planned], missing: Sequence[str], ended_by: str | None) -> str:
    if missing:
        by = "" if ended_by in (None, "all steps done") else f"; the acquisition ended early: {plainly(ended_by)}"
        return f"not acquired: {spoken(missing)}{by}"
    partial = sum(each.seen is not None and not each.seen.completed for each in planned)
    return f"all {len(planned)} steps were acquired" + (f", {partial} of them in part" if partial else "")


def damaged(series: Sequence[Framed], facts: StudyFacts) -> Iterator[Check]:
    """Tell what of the recording cannot be read: counts, or all that marks tell, are missing in its pictures."""
    told = [note.removeprefix(DAMAGED) for one in series for note in one.notes if note.startswith(DAMAGED)]
    found = list(dict.fromkeys([*facts.damages, *told]))
    if found:
        more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
        text = f"{DAMAGED}{found[0]}{more}; pictures are made of the rest (`daq listmode verify` tells all)"
        yield Check("recording", "", Grade.BAD, text, len(found), 0, "damages")


def _backstops(planned: Sequence[Planned]) -> Iterator[Check]:
    """Tell of steps that the host's clock ended, those of one entry of the protocol in one sentence."""
    by_entry: dict[str, list[str]] = {}
    of_entry: dict[str, int] = {}
    for each in planned:
        of_entry[each.step.key] = of_entry.get(each.step.key, 0) + 1
        if each.seen is not None and each.seen.completed and each.seen.ended_by == "host" and not each.step.moving:
            by_entry.setdefault(each.step.key, []).append(each.step.name)
    for key, names in by_entry.items():
        which = f"{len(names)} of {of_entry[key]} " if of_entry[key] > 1 else ""
        text = f"{which}ended by the host's clock, the backstop: what was waited for did not come"
        yield Check("end", spoken(names), Grade.DOUBTFUL, text, len(names), 0, "steps")


def _unfinished(step: Step, seen: StepSeen) -> str:
    lasted = "" if seen.active_ps is None else f" after {seen.active_ps / PS_PER_S:,.1f} s"
    kept = "it may be continued" if step.continuable else "it is kept as partial and repeated as a new view"
    ended = f"it ended early{lasted}, {plainly(seen.ended_by)}" if seen.ended_by else "its end is not in the recording"
    return f"not finished, {ended}: {kept}"


def handed_over(protocol: AcquisitionProtocol, planned: Sequence[Planned]) -> Iterator[Check]:
    """Check that all was confirmed that the protocol wants confirmed."""
    done = {name for each in planned if each.seen is not None for name in each.seen.hand_overs}
    wanted = [each for step in planned for each in step.step.before]
    after = protocol.after if planned and planned[-1].step.session == protocol.sessions[-1] else ()
    for hand_over in (*wanted, *after):
        if hand_over.name not in done:
            yield Check("hand-over", hand_over.name, Grade.BAD, f"nobody confirmed it: {hand_over.what}")
        else:
            yield Check("hand-over", hand_over.name, Grade.GOOD, "confirmed")


def counts(series: Framed, planned: Sequence[Planned]) -> Iterator[Check]:
    """Check the counts of each step against the fewest that make it worth reading; one check for a series.

    Of gated SPECT those of all beats: they are what the protocol counts, and what is reconstructed first.
    """
    limit = next((each.step.minimum_counts for each in planned if each.step.minimum_counts is not None), None)
    if limit is None or limit.counter not in _OF_SINGLES or series.kind is ImageKind.GATED_TOMO:
        return
    there = counted(series, limit)
    if there is None:
        text = f"counts in window {limit.window} are not in its pictures"
        yield Check("counts", name_of(series), Grade.NOT_EVALUABLE, text, None, limit.limit, "counts")
        return
    worst = int(np.argmin(there))
    where = f" in {planned[worst].step.name}" if len(there) == len(planned) > 1 else ""
    few = there[worst] < limit.limit
    beats = " in accepted beats" if series.kind is ImageKind.GATED else ""
    with_others = ", those in no pixel too" if _counts_outside(series, limit) and series.outside.any() else ""
    in_strip = " in the strip" if series.kind is ImageKind.WHOLE_BODY else ""
    said = f"{int(there[worst]):,} counts{in_strip}{beats}{where}{with_others}, {_whose(limit)}"
    text = f"{said}; below {limit.limit:,} it is not worth reading" if few else f"{said}; at least {limit.limit:,}"
    yield Check(
        "counts", name_of(series), Grade.BAD if few else Grade.GOOD, text, float(there[worst]), limit.limit, "counts"
    )


def counted(series: Framed, limit: CountLimit) -> npt.NDArray[np.float64] | None:
    """Return how many counts towards the limit each step of the series has, [steps]; None where no window fits."""
    names = [window.name for window in series.windows]
    if limit.window not in names:
        return None
    window = names.index(limit.window)
    pictures = series.counts[:, window].astype(np.float64)
    if limit.region_mm is not None:
        pictures = pictures * _inside(series, limit.region_mm)
    by_slot = pictures.sum(axis=(2, 3))
    views = np.unique(series.slots.view)
    if len(views) == len(series.steps) > 1:
        by_step = np.stack([by_slot[:, series.slots.view == view].sum(axis=1) for view in views], axis=1)
    else:
        by_step = by_slot.sum(axis=1, keepdims=True)
        by_step += series.outside[:, window, None] if _counts_outside(series, limit) else 0
    if limit.head == "sum":
        return np.asarray(by_step.sum(axis=0), np.float64)
    if limit.head == "view":
        by_step = by_step[[head.number in limit.heads for head in series.heads]]
    if not len(by_step):
        return np.zeros(by_step.shape[1])
    return np.asarray(by_step.max(axis=0) if limit.head == "either" else by_step.min(axis=0), np.float64)


def _counts_outside(series: Framed, limit: CountLimit) -> bool:
    """Return True where events in no pixel count, as they do towards the end of a step: not those that a strip lacks,
    which came beyond the usable length, nor of one view among several.
    """  # noqa: D205
    several = len(np.unique(series.slots.view)) == len(series.steps) > 1
    return limit.region_mm is None and series.kind is not ImageKind.WHOLE_BODY and not several


def _inside(series: Framed, region_mm: tuple[float, float, float, float]) -> npt.NDArray[np.bool_]:
    """Return which pixels' middles lie in the region, [rows, columns]."""
    pixels = series.pixels
    x = pixels.x0_mm + (np.arange(pixels.columns) + 0.5) * pixels.pixel_mm
    y = pixels.y0_mm + (np.arange(pixels.rows) + 0.5) * pixels.pixel_mm
    left, low, right, high = region_mm
    return ((y >= low) & (y <= high))[:, None] & ((x >= left) & (x <= right))[None, :]


def _whose(limit: CountLimit) -> str:
    heads = {"sum": "all heads together", "both": "of the head with fewer", "either": "of the head with more"}
    heads["view"] = "of the head of the view" if len(limit.heads) == 1 else "of the head of a view with fewer"
    return heads[limit.head]


def frames(series: Framed, planned: Sequence[Planned]) -> Iterator[Check]:
    """Check that a dynamic series has all its frames, each as long as it should be, and that frame zero was found.

    The times that a frame spans are those that were planned; one that was cut short, or paused, counted for less.
    """
    if series.kind is not ImageKind.DYNAMIC or len(planned) != 1:
        return
    step = planned[0].step
    wanted = [phase.frame_ps for phase in step.phases for _ in range(phase.frames)]
    counted_ps = series.slots.live_ps.tolist()
    whole_ones = sum(there >= (1 - _SAME_TIME) * want for there, want in zip(counted_ps, wanted, strict=False))
    grade = Grade.GOOD if whole_ones == len(wanted) else Grade.BAD
    text = f"{whole_ones} of {len(wanted)} frames are whole"
    yield Check("frames", name_of(series), grade, text, whole_ones, len(wanted), "frames")
    if step.frame_zero is not None and series.frame_zero_ps is None:
        by = "the bolus did not arrive" if step.frame_zero.by == "count_rate" else "no trigger came"
        yield Check("frame zero", name_of(series), Grade.DOUBTFUL, f"{by}: frames begin where the step did")


def paired(planned: Sequence[Planned]) -> Iterator[Check]:
    """Check that the second of paired views lasted as long as the first."""
    by_name = {each.step.name: each.seen for each in planned}
    for each in planned:
        first = by_name.get(each.step.stop.as_step or "")
        if first is None or each.seen is None or first.active_ps is None or each.seen.active_ps is None:
            continue
        mine_s, its_s = each.seen.active_ps / PS_PER_S, first.active_ps / PS_PER_S
        same = abs(mine_s - its_s) <= _SAME_TIME * its_s
        text = f"{mine_s:,.1f} s, {each.step.stop.as_step} took {its_s:,.1f} s"
        yield Check("paired time", each.step.name, Grade.GOOD if same else Grade.BAD, text, mine_s, its_s, "s")


def live(series: Framed, planned: Sequence[Planned], facts: StudyFacts, least_percent: float | None) -> Iterator[Check]:
    """Check gaps of the stream, and the share of the time in which the heads could take events.

    What dead time took is not evaluable where a front end did not tell it that should have. Of front ends that never
    tell it, it is a note, as long as nothing else hides how long the events counted.
    """
    missing = sum(each.seen.missing for each in planned if each.seen is not None)
    lossy = sum(each.seen.lossy for each in planned if each.seen is not None)
    if (missing or lossy) and not series.ungated:
        text = f"{missing:,} units of the stream are missing, {lossy:,} are partly lost: counts are too few by them"
        yield Check("gaps", name_of(series), Grade.DOUBTFUL, text, missing + lossy, 0)
    if least_percent is None or not series.heads:
        return
    worst = min(series.heads, key=lambda head: head.live_share)
    share = 100 * worst.live_share
    silent = [head.name or str(head.number) for head in series.heads if not head.live_told]
    if silent and share >= least_percent:
        yield _untold(series, planned, facts, spoken(silent), least_percent)
        return
    text = f"head {worst.name or worst.number} could take events for {share:.1f} % of the time"
    grade = Grade.BAD if share < least_percent else Grade.GOOD
    yield Check("live time", name_of(series), grade, text, share, least_percent, "%")


def _untold(series: Framed, planned: Sequence[Planned], facts: StudyFacts, silent: str, least_percent: float) -> Check:
    """Return what is said where heads did not tell what their dead time took."""
    counted = bool(planned) and all(each.seen is not None and each.seen.live_ps is not None for each in planned)
    if counted and not facts.tells_dead_time:
        text = f"front ends of profile {facts.profile} tell no dead time: what it took is not known, and the limit of"
        return Check(
            "live time", name_of(series), Grade.NOTE, f"{text} {least_percent:g} % live time was not checked",
            None, least_percent, "%",
        )  # fmt: skip
    text = f"head {silent} did not tell how long it could take events: what dead time took is not known"
    return Check("live time", name_of(series), Grade.NOT_EVALUABLE, text, None, least_percent, "%")


def heads(series: Framed, planned: Sequence[Planned], wanted: int | None) -> Iterator[Check]:
    """Check that every head counted, in every frame or view.

    Where fewer heads are wanted than there are, and no view says which, one that never counted may be left unused.
    """
    if wanted is not None and len(series.heads) < wanted:
        text = f"{len(series.heads)} heads in it, {wanted} are needed"
        yield Check("heads", name_of(series), Grade.BAD, text, len(series.heads), wanted)
    by_slot = series.counts.sum(axis=(1, 3, 4), dtype=np.float64)
    lost = (by_slot == 0) & (by_slot.max(axis=0, keepdims=True) >= _FEWEST_ELSEWHERE)
    counted = by_slot.any(axis=1)
    if (
        wanted is not None
        and counted.sum() >= wanted
        and not any(each.step.view or each.step.views for each in planned)
    ):
        lost &= counted[:, None]
    for head, slots in zip(series.heads, lost, strict=True):
        if slots.any():
            first, last = np.flatnonzero(slots)[[0, -1]] + 1
            where = f"frame {first}" if first == last else f"{slots.sum()} frames, from {first} to {last}"
            text = f"head {head.name or head.number} has no counts in {where} of {len(slots)}, other heads have"
            yield Check("head lost", name_of(series), Grade.BAD, text, float(slots.sum()), 0, "frames")


def faced(series: Framed) -> Iterator[Check]:
    """Tell of heads of which nobody knows what they faced, and of those that faced something else than they should."""
    for head in series.heads:
        if head.doubt:
            grade = Grade.DOUBTFUL if head.angle_deg is None else Grade.BAD
            yield Check("view", name_of(series), grade, head.doubt)


def went_back(planned: Sequence[Planned], facts: StudyFacts) -> Iterator[Check]:
    """Tell of steps in which the clock of all front ends went back: one began anew, or sent a wrong time before."""
    for each in planned:
        seen = each.seen
        for time_ps, back_ps in facts.back if seen is not None else ():
            if seen is not None and seen.begin_ps <= time_ps <= (time_ps if seen.end_ps is None else seen.end_ps):
                back_s, after_s = back_ps / PS_PER_S, (time_ps - seen.begin_ps) / PS_PER_S
                text = (
                    f"the clock of the front ends went back by {back_s:,.1f} s, {after_s:,.1f} s after it began: do "
                    "not rely on times, frames and places of axes from there on, in later steps either"
                )
                yield Check("clock", each.step.name, Grade.DOUBTFUL, text, back_s, 0, "s")


def silent(planned: Sequence[Planned], facts: StudyFacts) -> Iterator[Check]:
    """Tell of sources that were not heard during a step, while others were."""
    for each in planned:
        for source, begin_ps, end_ps in facts.silences if each.seen is not None else ():
            seen = each.seen
            stops_ps = seen.end_ps if seen is not None else None
            if seen is None or stops_ps is None or begin_ps > stops_ps or (end_ps or stops_ps) < seen.begin_ps:
                continue
            lasted = (min(end_ps or stops_ps, stops_ps) - max(begin_ps, seen.begin_ps)) / PS_PER_S
            text = f"source {source} was silent for {lasted:,.1f} s of it"
            yield Check("silence", each.step.name, Grade.DOUBTFUL, text, lasted, 0, "s")
