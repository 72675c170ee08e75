"""What the verbs of `daq qc` share that read the books: where they are, with a daemon or without one."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from daq.errors import MissingError, UsageError

if TYPE_CHECKING:
    from daq.services.qc.abilities import Kept
    from daq.services.qc.books import QcBooks

T = TypeVar("T")


def add_reading_place(parser: argparse.ArgumentParser) -> None:
    """Add the options that say whose books are read, and `--json`."""
    parser.add_argument("--site", metavar="FILE", help="site file; else $SCANDAQ_SITE, the user's, the machine's")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_times(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which results, by when they were performed."""
    parser.add_argument("--since", metavar="DATE", help="from this date or time on, UTC: 2025-11-22, 2025-11-22T14:05Z")
    parser.add_argument("--until", metavar="DATE", help="up to this date, which is included, or time")


def times(options: argparse.Namespace) -> dict[str, str | None]:
    """Return `since_utc` and `until_utc` as the books take them. Raise `UsageError`."""
    from daq.services.catalogue.entry import limits_ms, utc_text

    found = limits_ms(options.since, options.until)
    return {"since_utc": utc_text(found["since_ms"]), "until_utc": utc_text(found["until_ms"])}


def read(site_file: str | Path | None, work: Callable[[QcBooks], Awaitable[T]], *, everything: bool = False) -> T:
    """Return what `work` reads of a station's books. Nothing is changed, and no daemon is needed.

    `everything`: at a real machine what is simulated, too, which counts for nothing there.
    """
    import asyncio

    from daq.cli.output import say
    from daq.services.catalogue.database import CATALOGUE_FILE
    from daq.services.qc.books import FOLDER, QcBooks
    from device_profiles.places import find_site
    from device_profiles.site import load_site

    site = load_site(find_site(site_file))
    folder = site.state_folder / FOLDER
    url = site.catalogue or f"sqlite:///{site.state_folder / CATALOGUE_FILE}"
    if not folder.is_dir():
        raise MissingError(f"{folder}: no books of quality control yet: nothing was ever entered at this station")

    async def opened() -> T:
        books = QcBooks(url, folder, station=site.station, simulated=site.simulated or everything)
        try:
            return await work(books)
        finally:
            if books.index.reads_files:
                say(
                    f"daq: the database does not answer: read are files of the last {books.index.bounds.file_days} days"
                )
            books.close()

    return asyncio.run(opened())


async def one(books: QcBooks, name: str) -> Kept:
    """Return the result of an id, or the newest one of a test. Raise `MissingError`."""
    try:
        return await books.result(name)
    except MissingError:
        newest = await books.newest(name)
    if newest is None:
        raise MissingError(f"no result {name!r}, and none of a test of that name; `daq qc history` lists them")
    return await books.result(newest.document.id)


def require_limit(limit: int, most: int) -> None:
    """Raise `UsageError` for a limit that is none."""
    if not 0 < limit <= most:
        raise UsageError(f"--limit {limit}: from 1 to {most}")
