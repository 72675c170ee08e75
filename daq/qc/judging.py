"""Put limits beside what a test found: what each figure is against its limit, and what the whole test is.

| what is found | level |
| --- | --- |
| something stands against the whole test (an obstacle) | not evaluable, and so is every figure with a limit |
| a limit, and the figure, its counts or its reference is not there | not evaluable |
| a limit, and fewer counts than it needs | not evaluable |
| a limit, and noise that takes up more than half of it | not evaluable |
| strictly beyond a bound | action or suspension, the worse of the two |
| a limit, and none of the above | in limits |
| no limit | not judged |

The whole test is what its worst figure is: suspension, action, not evaluable, in limits; `not judged` is left for a
test of which nothing has a limit. What is not evaluable never passes for good: a limit that says nothing of one head
makes the test not evaluable, but what another head was found beyond stays.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import ValidationError

from daq.errors import FormatError
from daq.model.qc.analyses import AnalysisKind, FigureKind
from daq.model.qc.documents import Judged, QcResult
from daq.model.qc.figures import Figure, Findings, Level
from daq.model.qc.limits import Bounds, Limit, QcTest
from daq.qc import judgingwords as words

RANKS = (Level.NOT_JUDGED, Level.IN_LIMITS, Level.NOT_EVALUABLE, Level.ACTION, Level.SUSPENSION)
"""From what says least to what weighs most."""
MOST_NOISE = 0.5
"""Of the room that a limit leaves: noise beyond it and the limit means nothing."""
EXPLAINED_BY_NOISE_Z = 3.0
"""A value further beyond a limit than that, in standard deviations, is not noise however few the counts are."""


class Judgement(NamedTuple):
    """What a test is. `advice`: what to do next, as the scanner profile says it, and what more counts would mend."""

    level: Level
    judged: tuple[Judged, ...]
    advice: str


class Measured(NamedTuple):
    """One figure of one subject: what is held against the limit (`value`: or its deviation from the reference)."""

    kind: FigureKind
    subject: str
    raw: float | None
    value: float | None
    noise: float | None
    counts: float | None
    reference: float | None = None


def judged(findings: Findings, test: QcTest, kind: AnalysisKind, reference: QcResult | None) -> Judgement:
    """Return what a test is, what each of its figures is, and what to do next.

    `reference`: the result that was made the reference of this test; None where nobody made one. Sentences come in the
    order of the limits in the profile, those without a limit last. Where a figure has many subjects, those in limits
    and those not evaluable for one reason are said in one sentence, whose `subject` is empty.
    """
    found = [one for name, limit in test.limits.items() for one in _of_limit(findings, name, limit, kind, reference)]
    found += _without_limit(findings, test, kind)
    level = Level.NOT_EVALUABLE if findings.obstacles else worst([one.level for one in found])
    return Judgement(level, tuple(found), _advice(test, level, findings, kind, reference))


def against_itself(result: QcResult, kind: AnalysisKind) -> Level:
    """Return what a result would be if it were the reference of its test; what it is where no limit is relative.

    Limits on values stand; what a relative limit is of must be there, with counts and noise that others can be compared
    with. Raise `FormatError` for limits that nobody can read.
    """
    try:
        limits = {name: Limit.model_validate_json(json.dumps(told)) for name, told in result.limits.items()}
    except (ValidationError, TypeError, ValueError):
        raise FormatError(f"the limits of this result of {result.test} cannot be read") from None
    if all(limit.of == "value" for limit in limits.values()):
        return result.level
    test = QcTest(title=result.title or result.test, analysis=result.analysis, limits=limits)
    return judged(Findings(result.figures, result.obstacles), test, kind, result).level


def worst(levels: list[Level]) -> Level:
    """Return the worst of levels; `not judged` of none."""
    return max(levels, key=RANKS.index, default=Level.NOT_JUDGED)


def counts_for(counts: float, noise: float, limit: Limit) -> float:
    """Return the counts with which noise takes up no more than half of a limit; it falls as their root does."""
    return counts * (noise / (MOST_NOISE * room(limit))) ** 2


def room(limit: Limit) -> float:
    """Return how much the tighter level of a limit leaves: half of what lies between two bounds, else the bound.

    Infinite where the limit has no bound, or its bound is zero: then noise is judged by `counts_needed` alone.
    """
    return min((_room(each) for each in (limit.action, limit.suspension) if each is not None), default=math.inf)


def _room(bounds: Bounds) -> float:
    if bounds.below is not None and bounds.above is not None:
        return (bounds.above - bounds.below) / 2.0
    bound = bounds.above if bounds.above is not None else bounds.below
    return abs(bound) or math.inf if bound is not None else math.inf


def level_of(value: float, limit: Limit) -> Level:
    """Return what a value is against a limit: a value at the bound itself is not beyond it."""
    if limit.suspension is not None and _beyond(value, limit.suspension) is not None:
        return Level.SUSPENSION
    if limit.action is not None and _beyond(value, limit.action) is not None:
        return Level.ACTION
    return Level.IN_LIMITS


def _beyond(value: float, bounds: Bounds) -> float | None:
    """Return how far a value lies beyond bounds; None within them."""
    if bounds.above is not None and value > bounds.above:
        return value - bounds.above
    if bounds.below is not None and value < bounds.below:
        return bounds.below - value
    return None


def _of_limit(
    findings: Findings, name: str, limit: Limit, kind: AnalysisKind, reference: QcResult | None
) -> list[Judged]:
    """Return the sentences of one limit."""
    of = kind.figure(name) or FigureKind(name, limit.unit, name.replace("_", " "))
    figure = findings.figure(name)
    why = _whole(figure, of, limit, kind, reference)
    if figure is None or why is not None:
        return [Judged(name, "", Level.NOT_EVALUABLE, words.not_there(of, figure, why or "it was not determined"))]
    return words.gathered(name, of, limit, _held(findings, of, limit, kind, reference))


def _held(
    findings: Findings, of: FigureKind, limit: Limit, kind: AnalysisKind, reference: QcResult | None
) -> list[words.Said]:
    """Return what each subject of a figure is; nothing where the limit cannot be held against it."""
    figure = findings.figure(of.name)
    if figure is None or _whole(figure, of, limit, kind, reference) is not None:
        return []
    return [_one(one, limit, stopped=bool(findings.obstacles)) for one in _measured(figure, of, limit, reference)]


def _whole(
    figure: Figure | None, of: FigureKind, limit: Limit, kind: AnalysisKind, reference: QcResult | None
) -> str | None:
    """Return why a limit cannot be held against a figure of any subject; None where it can."""
    if figure is None or not figure.values:
        return "it was not determined"
    wanted = "%" if limit.of == "reference-percent" else figure.unit
    if limit.unit != wanted:
        return f"its limit is in {limit.unit or 'no unit'}, and it is in {wanted or 'no unit'}"
    return None if limit.of == "value" else _incomparable(of, kind, reference)


def _incomparable(of: FigureKind, kind: AnalysisKind, reference: QcResult | None) -> str | None:
    """Return why a relative limit has nothing to be relative to; None where it has."""
    if reference is None:
        return "its limit is relative, and no reference has been signed"
    if (reference.analysis, reference.analysis_version) != (kind.name, kind.version):
        made = f"version {reference.analysis_version} of {reference.analysis}"
        return f"the reference was made by {made}, and this is version {kind.version} of {kind.name}: sign another"
    if all(each.name != of.name for each in reference.figures):
        return "its limit is relative, and the signed reference does not have it"
    return None


def _measured(figure: Figure, of: FigureKind, limit: Limit, reference: QcResult | None) -> Iterator[Measured]:
    """Give what is held against a limit, subject after subject."""
    base = None if limit.of == "value" or reference is None else _named(reference, figure.name)
    for at, subject in enumerate(figure.subjects):
        raw, noise, counts = _at(figure.values, at), _at(figure.noise, at), _at(figure.counts, at)
        if limit.of == "value":
            yield Measured(of, subject, raw, raw, noise, counts)
            continue
        own = None if base is None else base.of_subject(subject)
        yield _deviation(Measured(of, subject, raw, None, noise, counts), own, limit)


def _deviation(one: Measured, own: Figure | None, limit: Limit) -> Measured:
    """Return the deviation from a reference, the noise of both in it; no value where there is none to compare with."""
    base = None if own is None else _at(own.values, 0)
    if own is None or base is None or one.raw is None:
        return one._replace(reference=base)
    scale = 1.0 if limit.of == "reference-difference" else math.inf if base == 0 else 100.0 / abs(base)
    if not math.isfinite(scale):
        return one._replace(reference=base)
    noise = None if one.noise is None else _noise_of_both(one, one.noise, _at(own.noise, 0) or 0.0) * scale
    return one._replace(reference=base, value=(one.raw - base) * scale, noise=noise)


def _noise_of_both(one: Measured, noise: float, of_reference: float) -> float:
    """Return the noise of a difference. Of floors it is their spread, and what unlike counts alone make them differ."""
    both = math.hypot(noise, of_reference)
    return both if one.kind.noise == "deviation" else one.kind.spread * both + abs(noise - of_reference)


def _one(one: Measured, limit: Limit, *, stopped: bool) -> words.Said:
    """Return what one figure of one subject is, and why."""
    if one.value is None:
        return words.Said(one, Level.NOT_EVALUABLE, "no-value" if one.raw is None else "no-reference")
    level = level_of(one.value, limit)
    why = "stopped" if stopped else _too_little(one, limit)
    if why is None:
        return words.Said(one, level)
    return words.Said(one, Level.NOT_EVALUABLE, why, counts=_wanted(one, limit), z=_z(one, limit), would=level)


def _too_little(one: Measured, limit: Limit) -> str | None:
    """Return why counts do not carry a figure; None where they do."""
    if limit.counts_needed > 0 and one.counts is None:
        return "counts-unknown"
    if one.counts is not None and one.counts < limit.counts_needed:
        return "counts"
    if one.noise is not None and one.noise > MOST_NOISE * room(limit):
        return "noise"
    return None


def _wanted(one: Measured, limit: Limit) -> float:
    """Return the counts with which it could be evaluated."""
    if not one.counts or one.noise is None or not math.isfinite(room(limit)):
        return limit.counts_needed
    return max(limit.counts_needed, counts_for(one.counts, one.noise, limit))


def _z(one: Measured, limit: Limit) -> float | None:
    """Return how many standard deviations a value lies beyond what noise explains; None where it is not beyond a bound.

    Of a floor the noise is an expected size, and that of the value is compared with it. Infinite where counting has no
    part in the figure.
    """
    bounds = [each for each in (limit.suspension, limit.action) if each is not None]
    beyond = next((far for far in (_beyond(one.value or 0.0, each) for each in bounds) if far is not None), None)
    if beyond is None or one.value is None:
        return None
    if not one.noise:
        return None if limit.counts_needed > 0 else math.inf
    if one.kind.noise == "floor" and one.reference is None:
        return (abs(one.value) - one.noise) / (one.kind.spread * one.noise)
    return beyond / one.noise


def _without_limit(findings: Findings, test: QcTest, kind: AnalysisKind) -> list[Judged]:
    bare = [figure for figure in findings.figures if figure.name not in test.limits]
    return [Judged(one.name, "", Level.NOT_JUDGED, words.without_limit(one, kind.figure(one.name))) for one in bare]


def _advice(test: QcTest, level: Level, findings: Findings, kind: AnalysisKind, reference: QcResult | None) -> str:
    said = _said_of(test, level)
    if level is not Level.NOT_EVALUABLE:
        return said
    more = "" if findings.obstacles else _more_counts(findings, test, kind)
    return " ".join(part for part in (_seen(findings, test, kind, reference), said, more) if part)


def _said_of(test: QcTest, level: Level) -> str:
    by = {Level.ACTION: "action", Level.SUSPENSION: "suspension", Level.NOT_EVALUABLE: "not_evaluable"}
    return str(getattr(test.advice, by[level])) if level in by else ""


def _seen(findings: Findings, test: QcTest, kind: AnalysisKind, reference: QcResult | None) -> str:
    """Return first of all what is certainly beyond a level in a test that is not evaluable; empty where nothing is."""
    found: dict[Level, list[str]] = {}
    for name, limit in test.limits.items():
        of = kind.figure(name) or FigureKind(name, limit.unit, name.replace("_", " "))
        for said in filter(words.is_alarming, _held(findings, of, limit, kind, reference)):
            found.setdefault(said.would, []).append(", ".join(part for part in (said.one.subject, of.about) if part))
    if not found:
        return ""
    level = worst(list(found))
    more = f" and {len(found[level]) - 1} more" if len(found[level]) > 1 else ""
    do = _said_of(test, level) or ("Do not use it." if level is Level.SUSPENSION else "Investigate.")
    return f"Beyond the {level} level all the same: {found[level][0]}{more}. Until a test that is evaluable: {do}"


def _more_counts(findings: Findings, test: QcTest, kind: AnalysisKind) -> str:
    """Return how many times the counts would carry all limits on values; empty where counts are not what lacks."""
    times = [0.0]
    for name, limit in test.limits.items():
        figure, of = findings.figure(name), kind.figure(name)
        if figure is None or of is None or limit.of != "value":
            continue
        poor = [one for one in _measured(figure, of, limit, None) if one.counts and _too_little(one, limit)]
        times += [_wanted(one, limit) / (one.counts or math.inf) for one in poor]
    return f"Acquire {words.rounded_up(max(times))} times the counts." if max(times) > 1.0 else ""


def _named(reference: QcResult, name: str) -> Figure | None:
    return next((each for each in reference.figures if each.name == name), None)


def _at(kept: tuple[float | None, ...], at: int) -> float | None:
    """Return what is kept of a subject; None where nothing is, or no finite number."""
    value = kept[at] if at < len(kept) else None
    return value if value is not None and math.isfinite(value) else None
