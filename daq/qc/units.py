"""What a result is about, so that a good result of one head does not stand for another that was suspended before."""

from __future__ import annotations

from collections.abc import Iterable

from daq.model.qc.documents import QcResult
from daq.model.qc.figures import Level

ALL = ""
"""The whole scanner: blocks of a ring, a bed, a room are not tested one without the others."""
_HEAD = "head "
_SOURCE = "source "
_OF_A_SOURCE = "leak-test"


def units_of(result: QcResult) -> frozenset[str]:
    """Return the heads that a result is about, the source that was wiped, else the whole."""
    if result.analysis == _OF_A_SOURCE and result.source.get("serial"):
        return frozenset({source(str(result.source["serial"]))})
    heads = {_unit(subject) for figure in result.figures for subject in figure.subjects} - {ALL}
    return frozenset(heads or {ALL})


def heads_of(numbers: Iterable[int]) -> frozenset[str]:
    """Return the units that heads are, by their numbers in the scanner."""
    return frozenset(f"{_HEAD}{number}" for number in numbers)


def source(serial: str) -> str:
    """Return the unit that a source is."""
    return f"{_SOURCE}{serial}"


def is_source(unit: str) -> bool:
    """Say whether a unit is a source."""
    return unit.startswith(_SOURCE)


def evaluated(result: QcResult) -> frozenset[str]:
    """Return those of them of which the result says something: of what is not evaluable an earlier one stands."""
    if result.level is Level.NOT_EVALUABLE:
        return frozenset()
    return units_of(result) - _judged(result, Level.NOT_EVALUABLE)


def suspended(result: QcResult) -> frozenset[str]:
    """Return those of them that lie beyond the suspension level; none of a result that is not."""
    return _judged(result, Level.SUSPENSION) or units_of(result) if result.level is Level.SUSPENSION else frozenset()


def _judged(result: QcResult, level: Level) -> frozenset[str]:
    """Return the units with a sentence of a level; a sentence of all is one of each."""
    of = units_of(result)
    said = {_unit(one.subject) for one in result.judged if one.level is level}
    return of if said - of else of & said


def _unit(subject: str) -> str:
    return subject.split(", ", maxsplit=1)[0].split(" and ", maxsplit=1)[0] if subject.startswith(_HEAD) else ALL
