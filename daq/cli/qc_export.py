"""`daq qc export`: results as a table of values, or all documents of the books as they are."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.cli.qc_place import add_times, read, times
from daq.errors import RefusedError, StorageFailedError

if TYPE_CHECKING:
    from daq.model.qc.documents import Document
    from daq.services.qc.abilities import Kept
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
    found = read(options.site, lambda books: books.results(options.test, limit=_MOST, **span))
    _write(options.out, csv_lines(kept for kept in reversed(found) if kept.struck is None))
    return 0


def csv_lines(found: Iterator[Kept]) -> Iterator[str]:
    """Return lines of CSV, the header first; numbers so that they are read as they were."""
    from daq.services.qc.pasttable import EXPORTED

    yield ",".join(EXPORTED) + "\n"
    line = _Line()
    writer = csv.writer(line, lineterminator="\n")
    for kept in found:
        for row in _rows(kept):
            writer.writerow(row)
            yield line.text


class _Line:
    """What was written last."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def _rows(kept: Kept) -> Iterator[tuple[str, ...]]:
    document, result = kept.document, kept.result
    for figure in result.figures:
        empty = (None,) * len(figure.values)
        columns = figure.subjects, figure.values, figure.noise or empty, figure.counts or empty
        for subject, *numbers in zip(*columns, strict=True):
            cells = ("" if number is None else repr(float(number)) for number in numbers)
            yield (
                document.id, result.test, document.at_utc, str(result.level), figure.name, figure.unit, str(subject),
                *cells,
            )  # fmt: skip


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
