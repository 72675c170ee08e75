"""What trends and reports read from the books of a station; the daemon need not run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from daq.composition.qc.report import report_of
from daq.composition.qc.reportalike import Alike, alike, made_with, named
from daq.composition.qc.reportmodel import Report
from daq.composition.qc.reportmonth import Month, MonthBooks
from daq.composition.qc.reporttrend import (
    Trend,
    decay_remark,
    events_from,
    figures_watched,
    fixed_of,
    series_from,
    trend_of,
    without,
)
from daq.errors import MissingError
from daq.model.nuclide_table import DAY_S, nuclide
from daq.model.nuclides import Nuclide
from daq.model.qc.documents import Document
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import QcTest
from daq.model.scanner import ScannerProfile
from daq.qc.trend.series import Rule
from daq.services.qc.abilities import FigureSeries, Kept
from daq.services.qc.books import QcBooks
from daq.services.qc.evidence import Evidence
from device_profiles.places import find_site
from device_profiles.scanners import beside, load_scanner
from device_profiles.site import Site, load_site

_ALL = 100_000


class Readable(Protocol):
    """Of the books what trends and reports read; `daq.services.qc.books.QcBooks` does it."""

    async def results(
        self, test: str | None = None, *, since_utc: str | None = None, until_utc: str | None = None, limit: int = 1000,
        level: str | None = None,
    ) -> list[Kept]:  # fmt: skip
        """Return results, newest first."""
        ...

    async def reference(self, test: str) -> Kept | None:
        """Return the result that a test is compared with now."""
        ...

    async def events(self, test: str | None = None, *, since_utc: str | None = None) -> list[Document]:
        """Return events that touch a test, or all, newest first."""
        ...

    async def series(
        self, test: str, figure: str, *, since_utc: str | None = None, until_utc: str | None = None
    ) -> FigureSeries:
        """Return a figure of all results of a test."""
        ...


def scanner_of(given: str | None) -> tuple[Site, ScannerProfile]:
    """Return the site and its scanner. Raise `MissingError` where no scanner profile is named."""
    path = find_site(given)
    site = load_site(path)
    if site.scanner is None:
        raise MissingError(f"{path}: the site names no scanner profile, and so no tests of quality control")
    return site, load_scanner(beside(site.scanner, path.parent))


def test_of(scanner: ScannerProfile, name: str) -> QcTest:
    """Return a test of a scanner. Raise `MissingError` with those that there are."""
    if name not in scanner.qc:
        raise MissingError(f"the scanner has no test {name!r}; it has {', '.join(sorted(scanner.qc)) or 'none'}")
    return scanner.qc[name]


async def trends_of(
    books: Readable, name: str, test: QcTest, *, figures: Iterable[str] = (), rule: Rule | None = None,
    tests_between: float | None = None, since_utc: str | None = None, until_utc: str | None = None,
) -> list[Trend]:  # fmt: skip
    """Return the charts of figures of a test, of those that the profile watches where none is named.

    Figures without a single result are left out. A result that something stands against (half a flood, another nuclide)
    is no part of a chart; one with too few counts for its limits is, for charts know its noise.
    """
    watched = figures_watched(test)
    wanted = {each: watched.get(each, Rule().tests_between) for each in figures} or watched
    reference = await books.reference(name)
    results = await books.results(name, since_utc=since_utc, until_utc=until_utc, limit=_ALL)
    source, same = _source(results), alike(results)
    events = sorted([*events_from(await books.events(name, since_utc=since_utc)), *same.events])
    found = []
    for figure, rarely in wanted.items():
        whole = await books.series(name, figure, since_utc=since_utc, until_utc=until_utc)
        kept = without(whole, same.left_out)
        if not kept:
            continue
        kind = ANALYSES[test.analysis].figure(figure) if test.analysis in ANALYSES else None
        plain = series_from(whole, test.analysis, whole=kept)
        series, kinds = same.parted(plain, [whole.results[at] for at in kept])
        of_kinds = series is not plain
        fixed = fixed_of(test, figure, _of_reference(reference, figure, whole.unit if of_kinds else None))
        charted = replace(rule or Rule(), tests_between=tests_between or rarely)
        trend = trend_of(series, fixed, events, charted, kind.about if kind else figure)
        remarks = same.remarks
        if of_kinds:
            remarks = (*remarks, f"Results of different kinds have charts of their own: {_listed(kinds)}.")
        if source is not None and (decay := decay_remark(series, events, source.name, source.half_life_s / DAY_S)):
            remarks = (*remarks, decay)
        if whole.other_units:
            remarks = (*remarks, f"{whole.other_units} results in another unit are in no chart.")
        found.append(replace(trend, remarks=remarks))
    return found


def _listed(kinds: Sequence[str]) -> str:
    return "; ".join(each or "without collimator" for each in dict.fromkeys(reversed(kinds)))


def _source(newest_first: Sequence[Kept]) -> Nuclide | None:
    """Return the nuclide of the source of the newest result; None where it has none that is known."""
    told = newest_first[0].result.source.get("nuclide") if newest_first else None
    try:
        return nuclide(told) if isinstance(told, str) else None
    except MissingError:
        return None


def _of_reference(kept: Kept | None, figure: str, parted_by_unit: str | None) -> Mapping[str, float] | None:
    """Return the values of the reference by subject, of charts of one kind of results by those of its kind; or None."""
    found = None if kept is None else next((each for each in kept.result.figures if each.name == figure), None)
    if kept is None or found is None:
        return None
    kind = "" if parted_by_unit is None else Alike.kind(made_with(kept), parted_by_unit)
    told = zip(found.subjects, found.values, strict=True)
    return {named(subject, kind): value for subject, value in told if value is not None}


async def result_report(books: QcBooks, scanner: ScannerProfile, kept: Kept, made_utc: str) -> Report:
    """Return the report of a result with its pictures and the trends up to it.

    Charts take all results before it: a normal that began anew each year would hide what goes wrong over years.
    """
    at = datetime.fromisoformat(kept.document.at_utc)
    evidence: Evidence = await books.evidence(kept)
    test = scanner.qc.get(kept.result.test)
    trends = [] if test is None else await trends_of(
        books, kept.result.test, test, until_utc=_written(at + timedelta(seconds=1))
    )  # fmt: skip
    return report_of(kept, evidence, trends, made_utc)


async def month_of_books(books: Readable, tests: Mapping[str, QcTest], month: Month) -> MonthBooks:
    """Return what the books have of a month, and the charts of all results up to its end."""
    since, until = _written(month.first), _written(month.after)
    results = await books.results(since_utc=since, until_utc=until, limit=_ALL)
    events = [each for each in await books.events(since_utc=since) if each.at_utc < until]
    done = {kept.result.test for kept in results}
    trends = {
        name: await trends_of(books, name, test, until_utc=until)
        for name, test in tests.items() if name in done
    }  # fmt: skip
    return MonthBooks(tests, results, events, {name: found for name, found in trends.items() if found})


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
