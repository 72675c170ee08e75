"""The sentences of judging: what was found, beside its limit, with the limit's source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daq.model.qc.documents import Judged
from daq.model.qc.figures import Figure, Level
from daq.model.qc.limits import Bounds, Limit

if TYPE_CHECKING:
    from daq.model.qc.analyses import FigureKind
    from daq.qc.judging import Measured

MOST_SAID_ONE_BY_ONE = 16
"""Of more subjects than these, those that are as they should be are said in one sentence."""
_DIGITS, _MOST_DIGITS = 4, 12
_MOST_SOURCE = 160
_CERTAIN_Z = 3.0
_LOOK = ": look at it now"


@dataclass(frozen=True, slots=True)
class Said:
    """What one figure of one subject is. `why`: it is not evaluable; `would`: the level its value would have."""

    one: Measured
    level: Level
    why: str | None = None
    counts: float = 0.0
    z: float | None = None
    would: Level = Level.IN_LIMITS


def gathered(name: str, of: FigureKind, limit: Limit, each: Sequence[Said]) -> list[Judged]:
    """Return the sentences of all subjects: one each, or where they are many one for those that are alike."""
    if len(each) <= MOST_SAID_ONE_BY_ONE:
        return [Judged(name, one.one.subject, one.level, sentence(one, limit)) for one in each]
    alone = [one for one in each if not _is_plain(one)]
    told = [Judged(name, one.one.subject, one.level, sentence(one, limit)) for one in alone]
    groups: dict[tuple[Level, str | None], list[Said]] = {}
    for one in each:
        if _is_plain(one):
            groups.setdefault((one.level, one.why), []).append(one)
    for (level, _), alike in groups.items():
        told.append(Judged(name, "", level, _together(of, limit, alike, len(each))))
    return told


def sentence(said: Said, limit: Limit) -> str:
    """Return the sentence of one figure of one subject."""
    one = said.one
    head = f"{one.subject}: " if one.subject else ""
    if said.why is not None:
        return f"{head}{one.kind.about} {_value(one, limit)}: not evaluable: {_why(said, limit)}{_beyond_noise(said)}"
    return f"{head}{one.kind.about} {_value(one, limit)}: {_against(said, limit)}{_noise(one, limit)}"


def not_there(of: FigureKind, figure: Figure | None, why: str) -> str:
    """Return the sentence of a figure that no subject has evaluable."""
    shown = f" {_range(figure.values, figure.unit)}" if figure is not None and figure.values else ""
    return f"{of.about}{shown}: not evaluable: {why}"


def without_limit(figure: Figure, of: FigureKind | None) -> str:
    """Return the sentence of a figure that nobody has set a limit for."""
    about = of.about if of is not None else figure.name.replace("_", " ")
    return f"{about} {_range(figure.values, figure.unit)}: not judged: no limit is set"


def number(value: float, *, beside: Sequence[float] = ()) -> str:
    """Return a number with four digits, or as many as show on which side of each of `beside` it lies."""
    for digits in range(_DIGITS, _MOST_DIGITS):
        text = f"{value:.{digits}g}"
        near = float(text)
        if all((near > other) == (value > other) and (near < other) == (value < other) for other in beside):
            return _plain(near)
    return _plain(value)


def bounds_text(limit: Limit) -> str:
    """Return the bounds of a limit: `action above 5 %, suspension above 8 %`."""
    unit = _unit(limit.unit)
    of = {"value": "", "reference-percent": " of the reference", "reference-difference": " from the reference"}
    told = [f"{word} {_outside(each, unit)}" for word, each in _levels(limit) if each is not None]
    return f"{', '.join(told)}{of[limit.of]}" if told else "no bound"


def rounded_up(value: float) -> str:
    """Return a factor, rounded up to two digits."""
    if value <= 0:
        return "0"
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return _plain(math.ceil(value / step - 1e-9) * step)


def counts_text(counts: float, per: str) -> str:
    """Return counts, and what they are per."""
    return f"{round(counts):d} counts{f' per {per}' if per else ''}"


def _is_plain(said: Said) -> bool:
    """Say whether a subject is one of many: in limits, or not evaluable with nothing more to say of it alone."""
    return said.level is Level.IN_LIMITS or (said.why is not None and not _beyond_noise(said))


def _together(of: FigureKind, limit: Limit, alike: Sequence[Said], total: int) -> str:
    first = alike[0]
    held = [said.one.value if limit.of != "value" else said.one.raw for said in alike]
    head = f"{len(alike)} of {total}: {of.about}{_relative(limit)} {_range(held, limit.unit)}"
    if first.why is not None:
        fewest = min(alike, key=lambda said: said.one.counts or 0.0)
        return f"{head}: not evaluable: {_why(fewest, limit)}"
    return f"{head}: {_against(first, limit)}"


def _relative(limit: Limit) -> str:
    return "" if limit.of == "value" else ", against the reference,"


def _against(said: Said, limit: Limit) -> str:
    word = "in limits" if said.level is Level.IN_LIMITS else f"beyond the {said.level} level"
    return f"{word} ({bounds_text(limit)}; {_source(limit)})"


def _why(said: Said, limit: Limit) -> str:
    one = said.one
    floor = f", where noise alone gives {_with_unit(one.noise, limit.unit)}" if one.noise is not None else ""
    have = counts_text(one.counts or 0.0, one.kind.per)
    wanted = counts_text(said.counts, "")
    return {
        "no-value": "it could not be determined; the remarks say why",
        "no-reference": "the signed reference has no value of it to compare with",
        "stopped": "something stands against the whole test",
        "counts-unknown": f"its limit needs {wanted}, and its counts are not known",
        "counts": f"{have}{floor}; its limit ({bounds_text(limit)}) needs {wanted}",
        "noise": f"noise alone gives {_with_unit(one.noise, limit.unit)}, more than half of its limit "
        f"({bounds_text(limit)}); {_needed(said)}",
    }[said.why or "no-value"]


def _needed(said: Said) -> str:
    if said.one.counts is None:
        return "its counts are not known"
    have, wanted = counts_text(said.one.counts, said.one.kind.per), counts_text(said.counts, "")
    return f"it has {have}, and {wanted} are needed"


def is_alarming(said: Said) -> bool:
    """Say whether what is not evaluable lies so far beyond a level that noise does not explain it."""
    beyond = said.why is not None and said.would in (Level.ACTION, Level.SUSPENSION)
    return beyond and said.z is not None and said.z >= _CERTAIN_Z


def says_look(one: Judged) -> bool:
    """Say the same of a sentence that was kept."""
    return one.level is Level.NOT_EVALUABLE and one.text.endswith(_LOOK)


def _beyond_noise(said: Said) -> str:
    if not is_alarming(said):
        return ""
    z = said.z or 0.0
    why = f"by more than noise explains (z = {z:.0f})" if math.isfinite(z) else "and counting has no part in it"
    return f". It is beyond its {said.would} level {why}{_LOOK}"


def _noise(one: Measured, limit: Limit) -> str:
    if one.noise is None:
        return ""
    counts = "" if one.counts is None else f" with {counts_text(one.counts, one.kind.per)}"
    return f"; noise alone gives {_with_unit(one.noise, limit.unit)}{counts}"


def _value(one: Measured, limit: Limit) -> str:
    if one.raw is None:
        return "without a value"
    edges = [edge for _, each in _levels(limit) if each is not None for edge in (each.below, each.above) if edge]
    if limit.of == "value":
        return _with_unit(one.raw, limit.unit, edges)
    was = _with_unit(one.raw, one.kind.unit)
    if one.value is None or one.reference is None:
        return was
    side = "above" if one.value >= 0 else "below"
    far = number(abs(one.value), beside=[abs(edge) for edge in edges])
    return f"{was}, {far}{_unit(limit.unit)} {side} the reference of {_with_unit(one.reference, one.kind.unit)}"


def _range(values: Sequence[float | None], unit: str) -> str:
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return "without a value"
    if len(known) == 1:
        return _with_unit(known[0], unit)
    return f"{number(min(known))} to {_with_unit(max(known), unit)}"


def _with_unit(value: float | None, unit: str, beside: Sequence[float] = ()) -> str:
    return f"{'unknown' if value is None else number(value, beside=beside)}{_unit(unit)}"


def _unit(unit: str) -> str:
    """Return a unit with a space before it; nothing of a pure number."""
    return f" {unit}" if unit not in ("", "1") else ""


def _levels(limit: Limit) -> tuple[tuple[str, Bounds | None], ...]:
    return (("action", limit.action), ("suspension", limit.suspension))


def _outside(bounds: Bounds, unit: str) -> str:
    told = [
        f"{word} {_plain(edge)}{unit}"
        for word, edge in (("below", bounds.below), ("above", bounds.above))
        if edge is not None
    ]
    return " or ".join(told) or "never"


def _source(limit: Limit) -> str:
    text = " ".join(limit.source.split())
    return text if len(text) <= _MOST_SOURCE else f"{text[: _MOST_SOURCE - 3]}..."


def _plain(value: float) -> str:
    """Return a number without a trailing point, and without an exponent where it is of a size that people read."""
    most, least = 1e15, 1e-6
    if value == 0 or least <= abs(value) < most:
        return f"{value:.15g}" if "e" not in f"{value:.15g}" else f"{value:.12f}".rstrip("0").rstrip(".")
    return f"{value:.6g}"
