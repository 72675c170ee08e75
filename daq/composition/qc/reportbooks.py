"""What trends and reports read from the books of a station; the daemon need not run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from daq.composition.qc.reporttrend import (
    Trend,
    evaluable,
    events_from,
    figures_watched,
    fixed_of,
    series_from,
    trend_of,
)
from daq.errors import MissingError
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import QcTest
from daq.model.scanner import ScannerProfile
from daq.qc.trend.series import Rule
from daq.services.catalogue.database import CATALOGUE_FILE
from daq.services.qc.abilities import Books, Kept
from daq.services.qc.books import FOLDER, QcBooks
from device_profiles.places import find_site
from device_profiles.scanners import beside, load_scanner
from device_profiles.site import Site, load_site


@asynccontextmanager
async def books_of(site: Site) -> AsyncIterator[QcBooks]:
    """Give the books of a station, to read."""
    state = site.state_folder
    url = site.catalogue or f"sqlite:///{state / CATALOGUE_FILE}"
    books = QcBooks(url, state / FOLDER, station=site.station)
    try:
        yield books
    finally:
        books.close()


def site_of(given: str | None) -> tuple[Site, ScannerProfile]:
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
    books: Books, name: str, test: QcTest, *, figures: Iterable[str] = (), rule: Rule | None = None,
    tests_between: float | None = None, since_utc: str | None = None, until_utc: str | None = None,
) -> list[Trend]:  # fmt: skip
    """Return the charts of figures of a test, of those that the profile watches where none is named.

    Figures without a single result are left out; results that are not evaluable are no part of a chart. The normal
    that events begin is found from `since_utc` on.
    """
    watched = figures_watched(test)
    wanted = {each: watched.get(each, Rule().tests_between) for each in figures} or watched
    events = events_from(await books.events(name, since_utc=since_utc))
    reference = await books.reference(name)
    found = []
    for figure, rarely in wanted.items():
        whole = await books.series(name, figure, since_utc=since_utc, until_utc=until_utc)
        kept = evaluable(whole)
        if not kept:
            continue
        kind = ANALYSES[test.analysis].figure(figure) if test.analysis in ANALYSES else None
        fixed = fixed_of(test, figure, _of_reference(reference, figure))
        charted = replace(rule or Rule(), tests_between=tests_between or rarely)
        series = series_from(whole, test.analysis, whole=kept)
        found.append(trend_of(series, fixed, events, charted, kind.about if kind else figure))
    return found


def _of_reference(kept: Kept | None, figure: str) -> Mapping[str, float] | None:
    """Return the values of the reference by subject; None where there is none."""
    found = None if kept is None else next((each for each in kept.result.figures if each.name == figure), None)
    if found is None:
        return None
    return {subject: value for subject, value in zip(found.subjects, found.values, strict=True) if value is not None}
