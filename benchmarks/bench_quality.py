"""Quality control: a year of daily PET results of 448 blocks trended, and the report of a month of six daily tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.common import Row
from daq.composition.qc.reporthtml import html_of
from daq.composition.qc.reportmonth import Month, MonthBooks, month_report
from daq.composition.qc.reportpdf import pdf_of
from daq.composition.qc.reporttrend import Fixed, trend_of
from daq.model.qc.documents import Document, Judged, QcResult
from daq.model.qc.figures import Figure, Level
from daq.model.qc.limits import Bounds, Limit, QcTest
from daq.qc.trend.series import Rule, Series
from daq.qc.trend.watch import watch
from daq.services.qc.abilities import Kept
from simulators.qc_series import FIGURES, simulate

TREND_S, MONTH_S = 2.0, 10.0
ROUNDS = 3
TESTS = 6


def run() -> list[Row]:
    results = simulate("drift", 1.0, 1)
    names = tuple(f"block {number}" for number in range(448))
    series = [
        Series(name, unit, names, results.days, results.values[name], results.noise[name]) for name, unit in FIGURES
    ]
    begin = time.perf_counter()
    watch(series, Rule())
    first_s = time.perf_counter() - begin
    again_s = _seconds(lambda: watch(series, Rule()))
    month = _month()
    now = datetime(2031, 6, 2, tzinfo=UTC)
    html_s = _seconds(lambda: html_of(month_report(*month, "scanner", "station", now)))
    pdf_s = _seconds(lambda: pdf_of(month_report(*month, "scanner", "station", now)))
    tests = len(results.days)
    return [
        Row(f"trend, {tests} tests of 448 blocks, 5 figures", f"{again_s:.2f} s, the first one {first_s:.2f} s",
            TREND_S / first_s, 1.0, 2.0),
        Row("report of a month, 6 tests a day, HTML", f"{html_s:.2f} s", MONTH_S / html_s, 1.0, 2.0),
        Row("report of a month, 6 tests a day, PDF", f"{pdf_s:.2f} s", MONTH_S / pdf_s, 1.0, 2.0),
    ]  # fmt: skip


def _month() -> tuple[Month, MonthBooks]:
    """Make 31 days of results, and the charts of a year."""
    limit = Limit(unit="%", action=Bounds(above=6.0), counts_needed=0, source="a benchmark")
    tests = {
        f"test-{number}": QcTest(title=f"Test {number}", analysis="planar-uniformity", every="day",
                                 limits={"ufov_integral": limit, "cfov_integral": limit})
        for number in range(TESTS)
    }  # fmt: skip
    random = np.random.default_rng(1)
    days = np.arange(260.0) + 22_000.0
    heads = ("head 0", "head 1")
    trends = {
        name: [
            trend_of(Series(figure, "%", heads, days, 3.0 + 0.2 * random.standard_normal((260, 2))),
                     Fixed(Bounds(above=6.0)), [], Rule())
            for figure in ("ufov_integral", "cfov_integral")
        ]
        for name in tests
    }  # fmt: skip
    kept = [
        _kept(name, datetime(2031, 5, 1, 6, tzinfo=UTC) + timedelta(days=day)) for day in range(31) for name in tests
    ]
    return Month(2031, 5, UTC), MonthBooks(tests, kept, [], trends)


def _kept(name: str, at: datetime) -> Kept:
    figure = Figure("ufov_integral", "%", ("head 0", "head 1"), (3.0, 3.1), (2.0, 2.0), (3600.0, 3600.0))
    result = QcResult(
        test=name, title=name, analysis="planar-uniformity", analysis_version=1, level=Level.IN_LIMITS,
        figures=(figure, replace(figure, name="cfov_integral")),
        judged=(Judged("ufov_integral", "head 0", Level.IN_LIMITS, "in limits"),), limits={"ufov_integral": {}},
    )  # fmt: skip
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    document = Document(
        f"{at:%Y%m%d}-{name}", "result", text, text, "A. Technologist", result.to_body(), simulated=True
    )
    return Kept(document, result)


def _seconds(work: Callable[[], object]) -> float:
    """Return the shortest of a few rounds."""
    spent = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begin)
    return min(spent)
