"""Studies of the catalogue, a page at a time: a key for each, newest first. An acquisition of no study is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from daq.services.catalogue.table import COLUMNS, acquisitions, conditions, from_row

if TYPE_CHECKING:
    from daq.services.catalogue.database import Database
    from daq.services.catalogue.entry import Acquisition, Filter

_MOST_ROWS = 5000
"""Acquisitions of one page; a study has a handful."""


@dataclass(frozen=True, slots=True)
class StudyRows:
    """A study and its acquisitions, newest first. `key` is that of the study, else the id of its one acquisition."""

    key: str
    acquisitions: tuple[Acquisition, ...]


def study_page(database: Database, wanted: Filter, *, limit: int, offset: int) -> tuple[list[StudyRows], int]:
    """Return so many studies with an acquisition that fulfils `wanted`, all their acquisitions, and how many there are.

    A study is as new as its newest acquisition. Raises what reading the database raises.
    """
    column = acquisitions.c
    key = sa.func.coalesce(column.study, column.id)
    newest = sa.func.max(column.created_ms)
    chosen = sa.select(key.label("key")).where(*conditions(wanted)).group_by(key)
    page = chosen.order_by(newest.desc().nulls_last(), sa.literal_column("1").desc()).limit(limit).offset(offset)
    with database.reading() as connection:
        total = int(connection.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) or 0)
        keys = [str(each) for each in connection.scalars(page)]
        rows = _rows_of(connection, keys)
    return _grouped(keys, rows), total


def study_rows(database: Database, key: str) -> list[Acquisition]:
    """Return the acquisitions of a study, or of the one that an acquisition belongs to, newest first; none: empty."""
    with database.reading() as connection:
        found = connection.scalar(
            sa.select(sa.func.coalesce(acquisitions.c.study, acquisitions.c.id)).where(acquisitions.c.id == key)
        )
        return _rows_of(connection, [str(found or key)])


def _rows_of(connection: sa.Connection, keys: Sequence[str]) -> list[Acquisition]:
    column = acquisitions.c
    either = sa.or_(column.study.in_(keys), sa.and_(column.study.is_(None), column.id.in_(keys)))
    order = (column.created_ms.desc().nulls_last(), column.id.desc(), column.directory)
    query = sa.select(*COLUMNS).where(either).order_by(*order).limit(_MOST_ROWS)
    return [from_row(row) for row in connection.execute(query).all()]


def _grouped(keys: Sequence[str], rows: Sequence[Acquisition]) -> list[StudyRows]:
    of: dict[str, list[Acquisition]] = {key: [] for key in keys}
    for row in rows:
        of[row.study or row.id].append(row)
    return [StudyRows(key, tuple(found)) for key, found in of.items() if found]
