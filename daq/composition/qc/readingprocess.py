"""The process that makes a report, a picture or control charts for the daemon: `... readingprocess JOB MADE`.

JOB is a file with what to do and where the books are; MADE is written. It reads the books itself, changes nothing, and
has the lowest priority: nothing of it disturbs an acquisition under way.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import ScandaqError
from daq.storage.hashing import lower_priority

if TYPE_CHECKING:
    from daq.model.scanner import ScannerProfile
    from daq.services.qc.books import QcBooks

_WRONG = 1
_MOST_PICTURES = 60
_MOST_RESULTS = 100_000


def command(job: Path, made: Path) -> tuple[str, ...]:
    """Return the command that does the job of a file."""
    return (sys.executable, "-m", "daq.composition.qc.readingprocess", str(job), str(made))


def main(job_file: Path, made: Path) -> int:
    """Do the job. Return 0, or the exit code of what stood against it, which is said in one line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    lower_priority()
    try:
        made.touch(mode=0o600)
        made.write_bytes(asyncio.run(_made({**json.loads(job_file.read_bytes()), "made": str(made)})))
    except ScandaqError as why:
        made.unlink(missing_ok=True)
        sys.stderr.write(f"{why}\n")
        return why.exit_code
    except (OSError, ValueError) as why:
        made.unlink(missing_ok=True)
        sys.stderr.write(f"{type(why).__name__}: {str(why)[:300]}\n")
        return _WRONG
    return 0


async def _made(job: Mapping[str, Any]) -> bytes:
    from daq.model.scanner import ScannerProfile
    from daq.services.qc.books import QcBooks

    scanner = ScannerProfile.model_validate_json(json.dumps(job["scanner"]))
    books = QcBooks(job["url"], Path(job["folder"]), station=job["station"], simulated=job["simulated"])
    try:
        return await _DOES[job["do"]](books, scanner, job)
    finally:
        books.close()


async def _report(books: QcBooks, scanner: ScannerProfile, job: Mapping[str, Any]) -> bytes:
    """Return a report as HTML or PDF."""
    from daq.composition.qc.reportbooks import month_of_books, result_report
    from daq.composition.qc.reportmonth import month_from, month_report
    from daq.composition.qc.zone import host_zone

    now = datetime.now(UTC)
    if job["month"] is not None:
        month = month_from(job["month"], host_zone())
        found = await month_of_books(books, scanner.qc, month)
        report = month_report(month, found, scanner.title, job["station"], now)
    else:
        report = await result_report(books, scanner, await books.result(job["result"]), now.isoformat())
    if job["kind"] == "pdf":
        from daq.composition.qc.reportpdf import pdf_of

        return pdf_of(report)
    from daq.composition.qc.reporthtml import html_of

    return html_of(report).encode()


async def _pictures(books: QcBooks, _: ScannerProfile, job: Mapping[str, Any]) -> bytes:
    """Draw all pictures of a result, with outlines, scale and profiles, as `STEM-NUMBER.png` beside what is made.

    Return how many there are, as JSON.
    """
    from daq.composition.qc.reportimages import picture_png

    kept = await books.result(job["result"])
    pictures, _curves = await books.evidence(kept)
    for number, picture in enumerate(pictures[:_MOST_PICTURES]):
        drawn = Path(job["made"]).with_name(f"{job['stem']}-{number}.png")
        part = drawn.with_suffix(".part")
        part.write_bytes(picture_png(picture, simulated=kept.document.simulated))
        part.replace(drawn)
    return json.dumps({"pictures": len(pictures)}).encode()


async def _trend(books: QcBooks, scanner: ScannerProfile, job: Mapping[str, Any]) -> bytes:
    """Return the control charts of a test as JSON."""
    from daq.composition.qc.readingtrend import charts_told

    return json.dumps(await charts_told(books, scanner, job), allow_nan=False).encode()


async def _table(books: QcBooks, _: ScannerProfile, job: Mapping[str, Any]) -> bytes:
    """Return the results of a test, or of all, as CSV, the oldest first."""
    from daq.services.qc.exported import csv_lines

    found = await books.results(job["test"], limit=_MOST_RESULTS)
    return "".join(csv_lines(kept for kept in reversed(found) if kept.struck is None)).encode()


_DOES = {"report": _report, "pictures": _pictures, "trend": _trend, "table": _table}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
