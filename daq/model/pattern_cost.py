"""How long a regular expression may take: a reply that nearly fits must not hold the loop of a program for minutes.

Python's expressions try one way after the other. Where a repeated part can end and begin again at the same character,
the ways double with every character; where it only follows another such part, they multiply by its length. The rules
here are careful: what they let pass is fast, what they refuse can be written so that one character decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from re import _constants, _parser  # type: ignore[attr-defined]  # no other module takes a pattern apart
from typing import Any

_Set = frozenset[int]
_ALL: _Set = frozenset(range(128))
"""Replies are ASCII."""
_FEW = 16
"""Repeated at most so often counts as written out."""
_MOST_WAYS = 2e7
_CATEGORIES: dict[Any, _Set] = {
    _constants.CATEGORY_DIGIT: frozenset(b"0123456789"),
    _constants.CATEGORY_SPACE: frozenset(b" \t\n\r\f\v"),
    _constants.CATEGORY_WORD: frozenset(c for c in range(128) if chr(c).isalnum() or c == ord("_")),
}
_OPPOSITES = {
    _constants.CATEGORY_NOT_DIGIT: _constants.CATEGORY_DIGIT,
    _constants.CATEGORY_NOT_SPACE: _constants.CATEGORY_SPACE,
    _constants.CATEGORY_NOT_WORD: _constants.CATEGORY_WORD,
}
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)


class _Doubles(Exception):  # noqa: N818 - it never leaves this module
    """Ways double with every character."""


def why_slow(pattern: str, longest: int) -> str:
    """Return why a pattern may take too long with a text of `longest` characters; empty where it does not."""
    try:
        ways = _ways(list(_parser.parse(pattern)), frozenset(), longest, looped=False)
    except _Doubles:
        return "may try for ever: what is repeated can end and begin again at the same character, as in (a+)+"
    except RecursionError:
        return "is nested too deeply"
    except OverflowError:
        ways = math.inf
    if ways > _MOST_WAYS:
        return f"may try {ways:.0e} ways with {longest} characters: parts that vary follow one another, as in .*.*.*"
    return ""


def _ways(nodes: Sequence[Any], follow: _Set, longest: int, *, looped: bool) -> float:
    """Return a bound of the ways in which nodes match before `follow`. Raises `_Doubles`."""
    ways = 1.0
    for number, node in enumerate(nodes):
        ways *= _ways_of(node, _first(nodes[number + 1 :], follow), longest, looped=looped)
    return ways


def _ways_of(node: Any, after: _Set, longest: int, *, looped: bool) -> float:
    kind, said = node
    if kind in _REPEATS:
        least, most, body = int(said[0]), int(said[1]), list(said[2])
        begins = _first(body, frozenset())
        many = most > _FEW
        inside = _ways(body, begins | after if most > 1 else after, longest, looped=looped or many)
        if least == most and not many:
            return inside**most
        if not begins & after:
            return inside if many else inside**most
        if looped:
            raise _Doubles
        return longest * inside if many else (most - least + 1) * inside**most
    if kind is _constants.BRANCH:
        return _of_branches([list(each) for each in said[1]], after, longest, looped=looped)
    body = _body(node)
    return _ways(body, after, longest, looped=looped) if body else 1.0


def _of_branches(branches: Sequence[Sequence[Any]], after: _Set, longest: int, *, looped: bool) -> float:
    firsts = [_first(each, after) for each in branches]
    apart = sum(map(len, firsts)) == len(frozenset().union(*firsts))
    if looped and not apart:
        raise _Doubles
    ways = [_ways(each, after, longest, looped=looped) for each in branches]
    return max(ways) if apart else sum(ways)


def _first(nodes: Iterable[Any], follow: _Set) -> _Set:
    """Return the characters that nodes may begin with, and `follow` where they may be nothing."""
    found: _Set = frozenset()
    for node in nodes:
        begins, maybe_nothing = _begin(node)
        found |= begins
        if not maybe_nothing:
            return found
    return found | follow


def _begin(node: Any) -> tuple[_Set, bool]:
    """Return the characters that a node may begin with, and whether it may be nothing."""
    kind, said = node
    if kind in (_constants.LITERAL, _constants.NOT_LITERAL, _constants.IN, _constants.ANY):
        return _characters(kind, said), False
    if kind is _constants.BRANCH:
        each = [_sequence(branch) for branch in said[1]]
        return frozenset().union(*(begins for begins, _ in each)), any(nothing for _, nothing in each)
    if kind in _REPEATS:
        begins, nothing = _sequence(said[2])
        return begins, nothing or said[0] == 0
    if kind in (_constants.AT, _constants.ASSERT, _constants.ASSERT_NOT):
        return frozenset(), True
    body = _body(node)
    return _sequence(body) if body else (_ALL, True)  # e.g. the text of a group again


def _sequence(nodes: Iterable[Any]) -> tuple[_Set, bool]:
    mark = -1
    found = _first(nodes, frozenset({mark}))
    return found - {mark}, mark in found


def _body(node: Any) -> list[Any]:
    """Return what stands in the brackets of a group; nothing of what is none."""
    kind, said = node
    if kind is _constants.SUBPATTERN:
        return list(said[3])
    if kind is _constants.ATOMIC_GROUP:
        return list(said)
    return list(said[1]) if kind in (_constants.ASSERT, _constants.ASSERT_NOT) else []


def _characters(kind: Any, said: Any) -> _Set:
    if kind is _constants.ANY:
        return _ALL
    if kind is _constants.IN:
        parts = [each for each in said if each[0] is not _constants.NEGATE]
        found = frozenset().union(*(_of_class(each) for each in parts))
        return _ALL - found if len(parts) < len(said) else found
    one = _either_case({int(said)})
    return one if kind is _constants.LITERAL else _ALL - {int(said)}


def _of_class(part: Any) -> _Set:
    kind, said = part
    if kind is _constants.RANGE:
        return _either_case(range(int(said[0]), min(int(said[1]), 127) + 1))
    if kind is _constants.CATEGORY:
        opposite = _OPPOSITES.get(said)
        return _CATEGORIES.get(said, _ALL) if opposite is None else _ALL - _CATEGORIES[opposite]
    return _either_case({int(said)})


def _either_case(characters: Iterable[int]) -> _Set:
    """Return characters in both cases, as a pattern may take no notice of it."""
    return frozenset(
        ord(each) for c in characters for each in (chr(c), chr(c).lower(), chr(c).upper()) if len(each) == 1
    )
