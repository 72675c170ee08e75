"""The catalogue's table, for SQLite and PostgreSQL alike; rows in and out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, cast

import sqlalchemy as sa

from daq.services.catalogue.entry import Acquisition, Filter

CATALOGUE_VERSION = 3
"""Version 2 has the columns `study`, `session` and `label`; version 3 has the tables of quality control."""
_JSON = ("steps", "counts")

metadata = sa.MetaData()

version_table = sa.Table("catalogue_version", metadata, sa.Column("version", sa.Integer, primary_key=True))

acquisitions = sa.Table(
    "acquisitions",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("directory", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text),
    sa.Column("created_ms", sa.BigInteger),
    sa.Column("ended_ms", sa.BigInteger),
    sa.Column("ended_by", sa.Text),
    sa.Column("operator", sa.Text),
    sa.Column("protocol", sa.Text),
    sa.Column("protocol_version", sa.Text),
    sa.Column("protocol_state", sa.Text),
    sa.Column("profile", sa.Text),
    sa.Column("scanner", sa.Text),
    sa.Column("station", sa.Text),
    sa.Column("keeper", sa.Text, nullable=False),
    sa.Column("steps", sa.Text, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),
    sa.Column("duration_ps", sa.BigInteger),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Column("continues", sa.Text),
    sa.Column("recovered_from", sa.Text),
    sa.Column("patient_key", sa.Text),
    sa.Column("administration_key", sa.Text),
    sa.Column("verified", sa.Text),
    sa.Column("verified_ms", sa.BigInteger),
    sa.Column("problem", sa.Text),
    sa.Column("stamp", sa.Text, nullable=False),
    sa.Column("study", sa.Text),
    sa.Column("session", sa.Integer),
    sa.Column("label", sa.Text),
    sa.Index("acquisitions_by_time", "created_ms"),
    sa.Index("acquisitions_by_id", "id"),
    sa.Index("acquisitions_by_study", "study"),
)

ADDED: dict[int, tuple[str, ...]] = {2: ("study", "session", "label"), 3: ()}
"""By version the columns of `acquisitions` that it has beside those of the one before."""

NAMES = [item.name for item in fields(Acquisition)]
COLUMNS = [acquisitions.c[name] for name in NAMES]
_EXACT = (
    "protocol", "profile", "scanner", "station", "simulated", "patient_key", "administration_key", "study", "continues",
    "id",
)  # fmt: skip
_SEARCHED = ("id", "study", "label", "protocol", "operator", "scanner", "station")


def key_of(directory: str) -> str:
    """Return the primary key: a path may be longer than an index takes."""
    return hashlib.sha256(directory.encode()).hexdigest()


def to_row(acquisition: Acquisition) -> dict[str, Any]:
    """Return the values of all columns."""
    row = {name: getattr(acquisition, name) for name in NAMES}
    row |= {name: json.dumps(row[name], separators=(",", ":"), allow_nan=False) for name in _JSON}
    return {"key": key_of(acquisition.directory), **row}


def from_row(row: Sequence[Any]) -> Acquisition:
    """Return the acquisition of a row of `COLUMNS`. One whose JSON is damaged says so, and is made anew next time."""
    values = dict(zip(NAMES, row, strict=True))
    try:
        values |= {name: json.loads(values[name]) for name in _JSON}
    except (ValueError, RecursionError):
        values |= {"steps": [], "counts": {}, "problem": "its row in the catalogue is damaged", "stamp": ""}
    return Acquisition(**values)


def conditions(wanted: Filter) -> list[sa.ColumnElement[bool]]:
    """Return what the rows must fulfil."""
    column = acquisitions.c
    given: list[sa.ColumnElement[bool]] = [
        column[name] == getattr(wanted, name) for name in _EXACT if getattr(wanted, name) is not None
    ]
    if wanted.since_ms is not None:
        given.append(column.created_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        given.append(column.created_ms < wanted.until_ms)
    if wanted.states:
        given.append(column.state.in_(wanted.states))
    if wanted.outcomes:
        given.append(column.outcome.in_(wanted.outcomes))
    if wanted.in_study:
        given.append(column.study.is_not(None))
    if wanted.text:
        given.append(column.id.startswith(wanted.text, autoescape=True))
    if wanted.anywhere:
        given.append(sa.or_(*(column[name].icontains(wanted.anywhere, autoescape=True) for name in _SEARCHED)))
    return given


def newest_first() -> tuple[sa.UnaryExpression[Any], ...]:
    """Return the order of lists; what has no time comes last."""
    column = acquisitions.c
    order = (column.created_ms.desc().nulls_last(), column.id.desc(), column.directory)
    return cast("tuple[sa.UnaryExpression[Any], ...]", order)
