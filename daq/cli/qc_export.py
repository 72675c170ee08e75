"""`daq qc export`: results as a table of values, or all documents of the books as they are."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.cli.qc_place import add_times, read, times
from daq.errors import RefusedError, StorageFailedError

if TYPE_CHECKING:
    from daq.model.qc.documents import Document
    from daq.services.qc.books import QcBooks

EXPORT_SCHEMA = "qc-export/1"
_MOST = 100_000


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser("export", help="results as CSV, or all documents as JSON")
    parser.add_argument("test", metavar="TEST", nargs="?", help="of this test alone")
    add_times(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--csv", action="store_true", help="one line for each value, without what was struck out; default"
    )
    form.add_argument("--json", action="store_true", help="documents with hashes: results, signatures, events, sources")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a new file; default standard output")
    parser.add_argument("--site", metavar="FILE", help="site file; else $SCANDAQ_SITE, the user's, the machine's")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write it."""
    span = times(options)
    if options.json:
        documents = read(options.site, lambda books: _documents(books, options.test, span), everything=True)
        told = {"schema": EXPORT_SCHEMA, "documents": [each.to_json() for each in documents]}
        _write(options.out, [json.dumps(told, indent=1, ensure_ascii=False) + "\n"])
        return 0
    from daq.services.qc.exported import csv_lines

    found = read(options.site, lambda books: books.results(options.test, limit=_MOST, **span))
    _write(options.out, csv_lines(kept for kept in reversed(found) if kept.struck is None))
    return 0


async def _documents(books: QcBooks, test: str | None, span: dict[str, str | None]) -> list[Document]:
    """Return results with signatures and strikes, and references, events and sources; oldest first."""
    found: list[Document] = []
    for kept in await books.results(test, limit=_MOST, **span):
        found += [kept.document, *kept.signatures, *([kept.struck] if kept.struck else [])]
    found += await books.others(test)
    return sorted(found, key=lambda each: (each.entered_utc, each.id))


def _write(path: Path | None, lines: Any) -> None:
    if path is None:
        sys.stdout.writelines(lines)
        return
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.writelines(lines)
    except FileExistsError:
        raise RefusedError(f"{path}: it is there already") from None
    except OSError as why:
        raise StorageFailedError(f"{path} cannot be written: {why.strerror}") from None
