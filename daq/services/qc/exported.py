"""Results of quality control as a table: one line for each value, without what was struck out."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from daq.services.qc.abilities import Kept
from daq.services.qc.pasttable import EXPORTED


def csv_lines(found: Iterator[Kept]) -> Iterator[str]:
    """Return lines of CSV, the header first; numbers so that they are read as they were."""
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
