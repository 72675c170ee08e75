"""Checks of gated series: triggers, accepted and rejected beats, long stretches without any, equal time per angle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from daq.model.framed import Beats, Framed, ImageKind
from daq.model.verdict import Check, Grade
from daq.qc.studysteps import PS_PER_S, Planned, name_of

_LONG_S = 60.0
"""A stretch of rejected beats as long as this is told, whatever share of all it is."""
_UNEQUAL = 0.1
"""Accepted times of angles that differ by more than this from their median make streaks in the reconstruction; a choice
of scandaq, no clinical number."""
_LOST_S, _LOST_BREATH_S = 3.0, 20.0
"""Without a trigger for so long the signal was lost, not a beat."""
_MS_PER_MIN, _MS_PER_S = 60_000.0, 1000.0
_PS_PER_MS = 10**9


def beats(series: Framed, planned: Sequence[Planned], most_percent: float | None) -> Iterator[Check]:
    """Check the beats of a gated series."""
    if series.kind not in (ImageKind.GATED, ImageKind.GATED_TOMO):
        return
    told, of = series.beats, name_of(series)
    if told is None or told.triggers == 0:
        yield Check("triggers", of, Grade.BAD, "no R wave came: nothing is gated", 0, 1, "triggers")
        return
    yield _rejected(told, of, most_percent)
    yield from _reached(told, of, planned)
    yield from _lost(told, of, planned, most_percent)
    yield from _stretch(told, of)
    if series.kind is ImageKind.GATED_TOMO:
        yield from _equal(series, told, of)


def _rejected(told: Beats, of: str, most_percent: float | None) -> Check:
    judged = told.accepted + told.rejected
    if judged == 0:
        return Check("beats", of, Grade.BAD, f"{told.triggers} triggers and no whole interval between them", 0, 1)
    share = 100 * told.rejected / judged
    causes = ", ".join(f"{count:,} {cause.replace('_', ' ')}" for cause, count in told.by_cause.items() if count)
    rate = f", {_MS_PER_MIN / told.mean_ms:.0f} per minute" if told.mean_ms else ""
    text = (
        f"{told.accepted:,} of {judged:,} beats accepted{rate}; {share:.1f} % rejected{f': {causes}' if causes else ''}"
    )
    bad = told.accepted == 0 or (most_percent is not None and share > most_percent)
    return Check("beats", of, Grade.BAD if bad else Grade.GOOD, text, share, most_percent, "%")


def _reached(told: Beats, of: str, planned: Sequence[Planned]) -> Iterator[Check]:
    """Compare accepted beats with those that end the steps; of all steps together."""
    wanted = sum(each.step.stop.beats or 0 for each in planned)
    if wanted:
        enough = told.accepted >= wanted
        text = f"{told.accepted:,} accepted beats of {wanted:,}"
        yield Check("beats wanted", of, Grade.GOOD if enough else Grade.BAD, text, told.accepted, wanted, "beats")


def _lost(told: Beats, of: str, planned: Sequence[Planned], most_percent: float | None) -> Iterator[Check]:
    """Tell of time in which no trigger came: at the end of a step, where no interval tells it, or in the midst of it.

    Intervals that are not judged lie around the ends of a step and its pauses; none lasts longer than what is taken.
    """
    active_s = sum(each.seen.active_ps or 0 for each in planned if each.seen is not None) / PS_PER_S
    breathes = any(each.step.gate is not None and each.step.gate.trigger != "ecg" for each in planned)
    lost_s, what = (_LOST_BREATH_S, "breath") if breathes else (_LOST_S, "R wave")
    of_beats_ms = [interval for interval in told.intervals_ms if interval < lost_s * _MS_PER_S]
    longest_ms = told.high_ms or max(of_beats_ms, default=0.0)
    without_s = active_s - (sum(of_beats_ms) + told.outside * longest_ms) / _MS_PER_S
    if without_s < lost_s:
        return
    share = 100 * without_s / active_s
    bad = most_percent is not None and share > most_percent
    text = f"for {without_s:.0f} s of {active_s:.0f} s no {what} came: what was counted then belongs to no beat"
    yield Check("lost triggers", of, Grade.BAD if bad else Grade.DOUBTFUL, text, share, most_percent, "%")


def _stretch(told: Beats, of: str) -> Iterator[Check]:
    """Tell of the longest time in which beat after beat was rejected."""
    longest_s = since_s = 0.0
    for interval_ms, accepted in zip(told.intervals_ms, told.accepted_mask, strict=True):
        since_s = 0.0 if accepted else since_s + interval_ms / 1000
        longest_s = max(longest_s, since_s)
    if longest_s >= _LONG_S:
        text = f"for {longest_s:.0f} s no beat was accepted: an arrhythmia, or the wrong window"
        yield Check("long rejection", of, Grade.DOUBTFUL, text, longest_s, _LONG_S, "s")


def _equal(series: Framed, told: Beats, of: str) -> Iterator[Check]:
    """Compare the accepted times of the views; one beat more or less cannot be avoided."""
    views = np.unique(series.slots.view)
    live = np.array([series.slots.live_ps[series.slots.view == view].sum() for view in views], np.float64)
    without = int((live == 0).sum())
    if without:
        text = f"{without} of {len(views)} views have no accepted beat at all"
        yield Check("time per angle", of, Grade.BAD, text, without, 0, "views")
    if without or len(views) < 2:  # noqa: PLR2004
        return
    middle = float(np.median(live))
    apart = 100 * float(np.abs(live / middle - 1).max())
    limit = max(100 * _UNEQUAL, 100 * (told.mean_ms or 0.0) * _PS_PER_MS / middle)
    worst = int(views[int(np.abs(live - middle).argmax())]) + 1
    text = f"accepted time of view {worst} differs by {apart:.1f} % from that of the others"
    grade = Grade.DOUBTFUL if apart > limit else Grade.GOOD
    yield Check("time per angle", of, grade, text, apart, limit, "%")
