"""What makes the `[qc]` tables of a scanner profile sensible, beyond the types of their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daq.model.finding import ABSENT, Finding, Said, error, warning
from daq.model.qc.analyses import AnalysisKind, FigureKind
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import Bounds, Limit, QcTest
from daq.model.tables import close_names

_SIDES = ("below", "above")


def qc_findings(tests: Mapping[str, QcTest]) -> list[Finding]:
    """Return everything there is to say about tests of quality control and their limits."""
    return [finding for name, test in tests.items() for finding in _test(f"qc.{name}", test)]


def _test(key: str, test: QcTest) -> Iterator[Finding]:
    kind = ANALYSES.get(test.analysis)
    if kind is None:
        yield error(
            f"{key}.analysis", test.analysis, f"there is no such analysis; {close_names(test.analysis, ANALYSES)}"
        )
        return
    yield from _when(key, test)
    yield from _recorded(key, test, kind)
    yield from _parameters(key, test, kind)
    for name, limit in test.limits.items():
        yield from _limit(f"{key}.limits.{name}", name, limit, kind)
    for name in test.trend:
        if kind.figure(name) is None:
            yield error(f"{key}.trend.{name}", test.trend[name], _no_figure(name, kind))
    yield from _advice(key, test)


def _when(key: str, test: QcTest) -> Iterator[Finding]:
    if test.blocking and test.every is None and not test.after:
        yield error(f"{key}.blocking", test.blocking, "nothing asks for this test: say `every` or `after`")
    if test.auto_at is not None and test.every is None:
        yield error(f"{key}.auto_at", test.auto_at, "only of a test with `every`: nothing says on which days")
    if len(set(test.after)) != len(test.after):
        yield error(f"{key}.after", list(test.after), "names an event twice")


def _recorded(key: str, test: QcTest, kind: AnalysisKind) -> Iterator[Finding]:
    """Demand a protocol of what acquires by itself, and none, but perhaps items, of what a person enters."""
    entered = kind.made_of == "entered"
    if test.auto_at is not None and (entered or test.protocol is None):
        yield error(f"{key}.auto_at", test.auto_at, "only of a test with a protocol: it acquires by itself")
    if entered and test.protocol is not None:
        yield error(f"{key}.protocol", test.protocol, f"{kind.name} is entered by a person; nothing is acquired")
    if test.items and not kind.items:
        yield error(f"{key}.items", Said(f"{len(test.items)} items"), f"only of a check by hand; {kind.name} is none")
    if kind.items and not test.items:
        yield error(f"{key}.items", ABSENT, f"{kind.name} asks them one by one")
    if kind.items and not test.limits:
        yield error(f"{key}.limits", ABSENT, f'without one a "no" is not judged: set one for {kind.figures[0].name}')
    if len(set(test.items)) != len(test.items):
        yield error(f"{key}.items", Said(f"{len(test.items)} items"), "names one twice")


def _parameters(key: str, test: QcTest, kind: AnalysisKind) -> Iterator[Finding]:
    known = tuple(name for name, _ in kind.parameters)
    for name, value in test.parameters.items():
        if name not in known:
            yield error(f"{key}.parameters.{name}", value, f"{kind.name} takes none such; {close_names(name, known)}")
    for name in kind.required:
        if name not in test.parameters:
            yield error(f"{key}.parameters.{name}", ABSENT, f"{kind.name} needs it: {dict(kind.parameters)[name]}")


def _limit(key: str, name: str, limit: Limit, kind: AnalysisKind) -> Iterator[Finding]:
    figure = kind.figure(name)
    if figure is None:
        yield error(key, Said("a limit"), _no_figure(name, kind))
        return
    wanted = "%" if limit.of == "reference-percent" else figure.unit
    if limit.unit != wanted:
        yield error(f"{key}.unit", limit.unit, f'must be "{wanted}", for its bounds are in that')
    if limit.action is None and limit.suspension is None:
        yield error(key, Said("a limit"), "neither `action` nor `suspension`: a figure without a limit is left out")
    for level, bounds in (("action", limit.action), ("suspension", limit.suspension)):
        if bounds is not None:
            yield from _bounds(f"{key}.{level}", bounds, limit)
    if limit.action is not None and limit.suspension is not None:
        yield from _order(key, limit.action, limit.suspension)
    yield from _counts(key, limit, figure)


def _bounds(key: str, bounds: Bounds, limit: Limit) -> Iterator[Finding]:
    below, above = bounds.below, bounds.above
    if below is None and above is None:
        yield error(key, Said("no bound"), "say `below`, `above` or both")
    if below is not None and above is not None and below > above:
        yield error(f"{key}.below", below, f"above the upper bound, {above:g}: every value would be beyond")
    if limit.of == "value":
        return
    if below is not None and below > 0.0:
        yield error(f"{key}.below", below, "the reference itself would be beyond it: write it with its minus")
    if above is not None and above < 0.0:
        yield error(f"{key}.above", above, "the reference itself would be beyond it")


def _order(key: str, action: Bounds, suspension: Bounds) -> Iterator[Finding]:
    """Demand that somebody investigates before use is suspended."""
    for side in _SIDES:
        first, last = getattr(action, side), getattr(suspension, side)
        if first is None or last is None:
            continue
        if (last < first) if side == "above" else (last > first):
            yield error(f"{key}.suspension.{side}", last, f"comes before the action level, {first:g}")


def _counts(key: str, limit: Limit, figure: FigureKind) -> Iterator[Finding]:
    if limit.counts_needed == 0 and (figure.noise == "floor" or "pixel" in figure.per):
        reason = f"{figure.about} is what counts make it: say the counts that it needs per {figure.per or 'pixel'}"
        yield error(f"{key}.counts_needed", limit.counts_needed, reason)


def _advice(key: str, test: QcTest) -> Iterator[Finding]:
    for level in ("action", "suspension"):
        limited = any(getattr(limit, level) is not None for limit in test.limits.values())
        if limited and not getattr(test.advice, level):
            yield warning(f"{key}.advice.{level}", ABSENT, "nobody is told what to do beyond this level")


def _no_figure(name: str, kind: AnalysisKind) -> str:
    return f"{kind.name} gives no such figure; {close_names(name, tuple(each.name for each in kind.figures))}"
