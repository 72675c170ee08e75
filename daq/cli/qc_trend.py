"""`daq qc trend`: control charts of a test, with a stated rate of false alarms, beside its fixed limits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.cli.qc_place import add_reading_place, add_times, read, times
from daq.errors import MissingError, RefusedError, UsageError

if TYPE_CHECKING:
    from daq.composition.qc.reporttrend import Trend
    from daq.qc.trend.series import Series
    from daq.services.qc.books import QcBooks

_EXIT_CHANGED = 6
_PERCENT = 5.0
_MOST_PANELS = 8


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "trend", help="control charts of a test: what has changed, since when, how fast; beside fixed limits"
    )
    parser.add_argument("test", metavar="TEST", nargs="?", help="test of the scanner profile")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="results of a file, in place of the books")
    parser.add_argument("--figure", action="append", metavar="F", help="this figure alone; may be repeated")
    parser.add_argument("--subject", metavar="S", help="this subject alone: `block 17`, `head 0`, `all together`")
    add_times(parser)
    parser.add_argument("--method", choices=("ewma", "cusum"), default="ewma", help="default: ewma")
    parser.add_argument("--tests-between", type=float, metavar="N",
                        help="false alarms of all charts together, mean tests from one to the next; "
                        "default: the profile's, or 250")  # fmt: skip
    parser.add_argument("--baseline", type=int, default=30, metavar="N",
                        help="first results that make the normal; default 30, at least 20")  # fmt: skip
    parser.add_argument("--fixed-percent", type=float, default=_PERCENT, metavar="P",
                        help="with --csv: fixed limits about the normal; default 5")  # fmt: skip
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="draw the charts; it must not exist")
    parser.add_argument("--strict", action="store_true", help="exit 6 where a chart has changed")
    add_reading_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the state of each chart; 6 with `--strict` where one is out of control."""
    from daq.cli.output import print_json, print_line
    from daq.composition.qc.reportwords import rate_sentence, trend_json, trend_sentences

    if (options.test is None) == (options.csv is None):
        raise UsageError("daq qc trend: name a test, or a file by --csv")
    if options.picture is not None and options.picture.exists():
        raise RefusedError(f"{options.picture}: it is there already")
    trends, simulated = _of_file(options) if options.csv is not None else _of_books(options)
    if not trends:
        raise MissingError("daq qc trend: nothing to chart: no result has a figure that is watched, or none was named")
    _require_subject(trends, options.subject)
    if options.picture is not None:
        _draw(trends, options, simulated=simulated)
    changed = sum(len(trend.changed) for trend in trends)
    if options.json:
        told = [trend_json(trend, options.subject) for trend in trends]
        print_json({"simulated": simulated, "charts_changed": changed, "rate": rate_sentence(trends), "trends": told})
    else:
        print_line(f"{'SIMULATED. ' if simulated else ''}{rate_sentence(trends)}")
        for trend in trends:
            print_line(f"{trend.figure} ({trend.watched.series.unit})")
            for line in trend_sentences(trend, options.subject):
                print_line(f"  {line}")
    return _EXIT_CHANGED if options.strict and changed else 0


def _require_subject(trends: list[Trend], subject: str | None) -> None:
    known = list(dict.fromkeys(name for trend in trends for name in trend.watched.subjects))
    if subject is not None and any(subject not in trend.watched.subjects for trend in trends):
        few = ", ".join(repr(name) for name in known[:5])
        raise MissingError(f"daq qc trend: not every figure has a subject {subject!r}; there are {few} ...")


def _of_file(options: argparse.Namespace) -> tuple[list[Trend], bool]:
    from daq.composition.qc.reporttrend import TESTS_BETWEEN, Fixed, read_csv, trend_of
    from daq.model.qc.limits import Bounds

    told = read_csv(options.csv)
    chosen = [_narrowed(one, options) for one in told.series if not options.figure or one.figure in options.figure]
    bounds = Bounds(below=-options.fixed_percent, above=options.fixed_percent)
    fixed = Fixed(bounds, of="reference-percent")
    wanted = (options.tests_between or TESTS_BETWEEN) * max(len(chosen), 1)
    rule = _rule(options, wanted)
    limits = [None if (one.values <= 0.0).any() else fixed for one in chosen]
    return [trend_of(one, of, told.events, rule) for one, of in zip(chosen, limits, strict=True)], told.simulated


def _rule(options: argparse.Namespace, tests_between: float) -> Any:
    from daq.qc.trend.series import Rule

    try:
        return Rule(tests_between=tests_between, method=options.method, baseline=options.baseline)
    except ValueError as why:
        raise UsageError(f"daq qc trend: {why}") from None


def _narrowed(series: Series, options: argparse.Namespace) -> Series:
    """Return the series within the times."""
    import math
    from dataclasses import replace

    from daq.composition.qc.reporttrend import MS_PER_DAY
    from daq.services.catalogue.entry import limits_ms

    span = limits_ms(options.since, options.until)
    first = -math.inf if span["since_ms"] is None else span["since_ms"] / MS_PER_DAY
    after = math.inf if span["until_ms"] is None else span["until_ms"] / MS_PER_DAY
    kept = (series.days >= first) & (series.days < after)
    noise = None if series.noise is None else series.noise[kept]
    return replace(series, days=series.days[kept], values=series.values[kept], noise=noise)


def _of_books(options: argparse.Namespace) -> tuple[list[Trend], bool]:
    from daq.composition.qc.reportbooks import scanner_of, test_of, trends_of

    _, scanner = scanner_of(options.site)
    test = test_of(scanner, options.test)
    rule = _rule(options, options.tests_between or 1.0)
    span = times(options)

    async def charted(books: QcBooks) -> tuple[list[Trend], bool]:
        newest = await books.newest(options.test)
        trends = await trends_of(
            books, options.test, test, figures=options.figure or (), rule=rule, tests_between=options.tests_between,
            **span,
        )  # fmt: skip
        return trends, newest is not None and newest.document.simulated

    return read(options.site, charted)


def _draw(trends: list[Trend], options: argparse.Namespace, *, simulated: bool) -> None:
    from daq.composition.qc.reporttrenddraw import shown_subject, trends_png

    panels = [(trend, options.subject or shown_subject(trend)) for trend in trends][:_MOST_PANELS]
    options.picture.write_bytes(trends_png(panels, simulated=simulated))
