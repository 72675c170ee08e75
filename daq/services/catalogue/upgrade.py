"""Bring a catalogue that an earlier version made up to date: new columns, and rows that are read anew."""

from __future__ import annotations

import sqlalchemy as sa

from daq.services.catalogue.table import ADDED, CATALOGUE_VERSION, acquisitions, version_table


def can_upgrade(versions: set[int]) -> bool:
    """Return True for a catalogue of one earlier version that is known."""
    return len(versions) == 1 and next(iter(versions)) + 1 in ADDED


def upgrade(connection: sa.Connection) -> None:
    """Add what is missing, all of it or nothing; whoever comes second finds it done.

    The stamps are taken away, so that the next rebuild reads every directory once more: a recording may tell what
    the catalogue had no column for.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    made_by = set(connection.scalars(sa.select(version_table.c.version)))
    if not can_upgrade(made_by):
        return
    there = {column["name"] for column in sa.inspect(connection).get_columns(acquisitions.name)}
    for version in range(next(iter(made_by)) + 1, CATALOGUE_VERSION + 1):
        for name in ADDED[version]:
            if name not in there:
                kind = acquisitions.c[name].type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {acquisitions.name} ADD COLUMN {name} {kind}")
    for index in acquisitions.indexes:
        connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
    connection.execute(sa.update(acquisitions).values(stamp=""))
    connection.execute(sa.update(version_table).values(version=CATALOGUE_VERSION))
