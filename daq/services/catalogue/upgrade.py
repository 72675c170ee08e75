"""Make the tables of a catalogue, and bring one that an earlier version made up to date."""

from __future__ import annotations

import sqlalchemy as sa

from daq.services.catalogue.table import ADDED, CATALOGUE_VERSION, acquisitions, version_table
from daq.services.catalogue.tableqc import TABLES


def make_tables(connection: sa.Connection) -> None:
    """Make the tables and indexes that are not there."""
    for table in (version_table, acquisitions, *TABLES):
        connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))


def can_upgrade(versions: set[int]) -> bool:
    """Return True for a catalogue of one earlier version that is known."""
    return len(versions) == 1 and next(iter(versions)) + 1 in ADDED


def upgrade(connection: sa.Connection) -> None:
    """Add what is missing, all of it or nothing; whoever comes second finds it done.

    New columns: the stamps are taken away, so that the next rebuild reads every directory once more: a recording may
    tell what the catalogue had no column for.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    made_by = set(connection.scalars(sa.select(version_table.c.version)))
    if not can_upgrade(made_by):
        return
    if added := [name for version in range(min(made_by) + 1, CATALOGUE_VERSION + 1) for name in ADDED[version]]:
        _add_columns(connection, added)
    make_tables(connection)
    connection.execute(sa.update(version_table).values(version=CATALOGUE_VERSION))


def _add_columns(connection: sa.Connection, names: list[str]) -> None:
    there = {column["name"] for column in sa.inspect(connection).get_columns(acquisitions.name)}
    for name in names:
        if name not in there:
            kind = acquisitions.c[name].type.compile(connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {acquisitions.name} ADD COLUMN {name} {kind}")
    connection.execute(sa.update(acquisitions).values(stamp=""))
