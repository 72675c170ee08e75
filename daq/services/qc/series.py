"""A figure of many results as one table: results by subjects."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from daq.model.qc.documents import Document, QcResult
from daq.services.qc.abilities import FigureSeries
from daq.services.qc.entries import head_of
from daq.services.qc.tables import FigureRow, figure_row


def series_of(test: str, figure: str, rows: Sequence[FigureRow]) -> FigureSeries:
    """Return the table of rows that are newest first; a subject that a result lacks is NaN in it."""
    unit = rows[0].unit if rows else ""
    same = [row for row in reversed(rows) if row.unit == unit]
    names = {text: tuple(json.loads(text)) for text in {row.subjects for row in same}}
    subjects = tuple(dict.fromkeys(name for row in reversed(same) for name in names[row.subjects]))
    places = {text: np.array([subjects.index(name) for name in found], int) for text, found in names.items()}
    values = np.full((len(same), len(subjects)), np.nan)
    noise = np.full_like(values, np.nan)
    for number, row in enumerate(same):
        values[number, places[row.subjects]] = np.frombuffer(row.numbers, "<f8")
        if row.noise is not None:
            noise[number, places[row.subjects]] = np.frombuffer(row.noise, "<f8")
    at_ms = np.array([row.at_ms for row in same], np.int64)
    return FigureSeries(
        test, figure, unit, tuple(row.result for row in same), at_ms, tuple(row.level for row in same), subjects,
        values, noise, len(rows) - len(same),
    )  # fmt: skip


def rows_of(documents: Sequence[Document], figure: str) -> list[FigureRow]:
    """Return what the database would say of a figure, of documents that are read from files."""
    rows = []
    for document in documents:
        found = next((one for one in QcResult.from_body(document.body).figures if one.name == figure), None)
        if found is not None:
            head, told = head_of(document), figure_row(found)
            rows.append(
                FigureRow(document.id, head.at_ms, head.level, found.unit, told["subjects"], told["numbers"],
                          told["noise"])
            )  # fmt: skip
    return rows
