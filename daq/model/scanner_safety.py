"""What a scanner profile must obey where people and detectors could come to harm: supplies, collimators, envelope."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from daq.model.envelope import EnvelopeRule, Travel, axes_of, why_outside
from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.scanner import ScannerProfile
from daq.model.tables import close_names

_TURN_DEG = 360.0


def safety_findings(profile: ScannerProfile) -> list[Finding]:
    """Return everything there is to say about supplies, codes of collimators and the collision envelope."""
    return [*_supplies(profile), *_codes(profile), *_envelope(profile)]


def travels_of(profile: ScannerProfile) -> dict[str, Travel]:
    """Return where each axis can be at all, by its name."""
    turning = {name: Travel(axis.min_deg, axis.max_deg, turns=True) for name, axis in profile.axes.rotary.items()}
    straight = {name: Travel(axis.min_mm, axis.max_mm, turns=False) for name, axis in profile.axes.linear.items()}
    return turning | straight


def _supplies(profile: ScannerProfile) -> Iterator[Finding]:
    heads = tuple(head.id for head in profile.heads)
    for name, supply in profile.supplies.items():
        key = f"supplies.{name}"
        if supply.head is not None and supply.head not in heads:
            yield error(f"{key}.head", supply.head, f"is no head; {close_names(supply.head, heads)}")
        if supply.max_step_v > supply.max_v:
            yield warning(f"{key}.max_step_v", supply.max_step_v, f"above max_v = {supply.max_v:g}: there is one step")
        if supply.tolerance_v > supply.max_step_v:
            reason = f"above max_step_v = {supply.max_step_v:g}: a step that was not done would not be seen"
            yield error(f"{key}.tolerance_v", supply.tolerance_v, reason)
    groups = Counter(supply.trip_group for supply in profile.supplies.values() if supply.trip_group is not None)
    for name, supply in profile.supplies.items():
        if supply.trip_group is not None and groups[supply.trip_group] == 1:
            yield warning(f"supplies.{name}.trip_group", supply.trip_group, "no other supply is of this group")


def _codes(profile: ScannerProfile) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name, collimator in profile.collimators.items():
        if collimator.code is None:
            continue
        if collimator.code in seen:
            yield error(f"collimators.{name}.code", collimator.code, f"is that of {seen[collimator.code]} already")
        seen[collimator.code] = name


def _envelope(profile: ScannerProfile) -> Iterator[Finding]:
    travels = travels_of(profile)
    for index, rule in enumerate(profile.envelope):
        key = f"envelope[{index}]"
        strange = [name for name in axes_of(rule) if name not in travels]
        for name in strange:
            yield error(key, name, f"is no axis; {close_names(name, tuple(travels))}")
        if not strange:
            yield from _bound(key, rule, travels)


def _bound(key: str, rule: EnvelopeRule, travels: dict[str, Travel]) -> Iterator[Finding]:
    if rule.least is None and rule.most is None:
        yield error(f"{key}.least", ABSENT, "a rule has least, most or both")
        return
    if not all(map(math.isfinite, (*rule.sum.values(), rule.least or 0.0, rule.most or 0.0))) or 0 in rule.sum.values():
        yield error(f"{key}.sum", Said("factors"), "are finite numbers and not 0")
        return
    for name, span in rule.where.items():
        longest = _TURN_DEG if travels[name].turns else math.inf
        if not (span[0] < span[1] and span[1] - span[0] <= longest):
            yield error(f"{key}.where.{name}", list(span), "the first lies below the second, within one turn")
    if _nowhere(rule, travels):
        yield error(key, Said("a rule"), "no place at all is allowed within the limits of its axes")
    if why_outside([rule], travels, {}) is None:
        yield warning(key, Said("a rule"), "forbids nothing that the limits of its axes do not forbid")


def _nowhere(rule: EnvelopeRule, travels: dict[str, Travel]) -> bool:
    """Return whether its bound cannot be kept wherever the axes of its sum are."""
    reach = {name: (travels[name].minimum, travels[name].maximum) for name in rule.sum}
    ends = [sorted(factor * end for end in reach[name]) for name, factor in rule.sum.items()]
    low, high = sum(end[0] for end in ends), sum(end[1] for end in ends)
    return (rule.least is not None and high < rule.least) or (rule.most is not None and low > rule.most)
