"""`daq qc report`: a result, or a month, as one HTML page or as PDF."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.cli.qc_place import one, read
from daq.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from daq.composition.qc.reportmodel import Report
    from daq.services.qc.books import QcBooks


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "report", help="a result, or a month, as one HTML page that needs nothing else, or as PDF"
    )
    parser.add_argument("result", metavar="ID", nargs="?", help="result, or a test: its newest result")
    parser.add_argument("--month", metavar="YYYY-MM", help="everything of a month, by days of --zone")
    parser.add_argument("--html", type=Path, metavar="FILE", help="where the page goes; it must not exist")
    parser.add_argument("--pdf", type=Path, metavar="FILE", help="where the PDF goes; it must not exist")
    parser.add_argument("--zone", metavar="ZONE", help="time zone of a month's days; default: this host's")
    parser.add_argument("--site", metavar="FILE", help="site file; else $SCANDAQ_SITE, the user's, the machine's")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the files and print their names."""
    from daq.cli.output import print_line

    wanted = [path for path in (options.html, options.pdf) if path is not None]
    if (options.result is None) == (options.month is None):
        raise UsageError("daq qc report: name a result, or a month by --month")
    if not wanted:
        raise UsageError("daq qc report: say --html FILE, --pdf FILE or both")
    for path in wanted:
        if path.exists():
            raise RefusedError(f"{path}: it is there already")
    report = _read(options)
    for path in wanted:
        path.write_bytes(_written(report, pdf=path is options.pdf))
        print_line(f"{path}: {report.title}")
    return 0


def _written(report: Report, **kind: bool) -> bytes:
    if kind["pdf"]:
        from daq.composition.qc.reportpdf import pdf_of

        return pdf_of(report)
    from daq.composition.qc.reporthtml import html_of

    return html_of(report).encode()


def _read(options: argparse.Namespace) -> Report:
    from datetime import UTC, datetime

    from daq.composition.qc.reportbooks import month_of_books, result_report, scanner_of
    from daq.composition.qc.reportmonth import month_from, month_report

    now = datetime.now(UTC)
    month = month_from(options.month, _zone(options.zone)) if options.month is not None else None
    site, scanner = scanner_of(options.site)

    async def report(books: QcBooks) -> Report:
        if month is None:
            return await result_report(books, scanner, await one(books, options.result), now.isoformat())
        found = await month_of_books(books, scanner.qc, month)
        return month_report(month, found, scanner.title, site.station, now)

    return read(options.site, report)


def _zone(name: str | None) -> Any:
    """Return a time zone by its name; that of this host where none is named. Raise `UsageError`."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from daq.composition.qc.zone import host_zone

    if name is None:
        return host_zone()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"--zone {name!r}: no such time zone; such as Europe/Berlin") from None
