"""`daq catalogue`: find, look at, rebuild and verify the acquisitions of a station. No daemon is needed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import MissingError, UsageError

if TYPE_CHECKING:
    from daq.services.catalogue.database import Database
    from daq.services.catalogue.entry import Acquisition, Filter

_EXIT_FAILED = 6
_MOST_ROWS = 100_000
_DEFAULT_ROWS = 50
_STATES = ("open", "sealed", "recovered", "damaged", "missing")
_OUTCOMES = ("completed", "interrupted", "aborted", "fault")
_GB, _MB = 1e9, 1e6
_PS_PER_S = 1e12


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `catalogue` with its verbs."""
    noun = nouns.add_parser("catalogue", help="find, look at, rebuild and verify acquisitions")
    verbs = noun.add_subparsers(metavar="VERB", required=True)

    listed = _verb(verbs, "list", "list acquisitions, newest first", run_list)
    listed.add_argument("--since", metavar="DATE", help="from this date or time on, UTC: 2026-11-22, 2026-11-22T14:05Z")
    listed.add_argument("--until", metavar="DATE", help="up to this date, which is included, or time")
    listed.add_argument("--state", action="append", choices=_STATES, help="may be repeated")
    listed.add_argument("--outcome", action="append", choices=_OUTCOMES, help="may be repeated")
    listed.add_argument("--protocol", metavar="ID", help="recorded with this protocol")
    listed.add_argument("--profile", metavar="ID", help="recorded from this instrument profile")
    listed.add_argument("--scanner", metavar="ID", help="recorded with this scanner profile")
    listed.add_argument("--station", metavar="NAME", help="recorded at this station")
    listed.add_argument("--patient", metavar="KEY", help="opaque key of the patient reference")
    listed.add_argument("--study", metavar="KEY", help="of this study")
    listed.add_argument("--limit", type=int, default=_DEFAULT_ROWS, metavar="N", help="at most so many; default 50")
    listed.add_argument("--offset", type=int, default=0, metavar="N", help="pass over so many")

    shown = _verb(verbs, "show", "show all that the catalogue knows of an acquisition", run_show)
    shown.add_argument("id", metavar="ID", help="acquisition id")

    rebuilt = _verb(verbs, "rebuild", "make the catalogue right from the directories", run_rebuild)
    rebuilt.add_argument("--everything", action="store_true", help="read directories that seem unchanged, too")

    verified = _verb(verbs, "verify", "read every byte of acquisitions and keep the verdict; exit 6 unless all are ok",
                     run_verify)  # fmt: skip
    verified.add_argument("ids", metavar="ID", nargs="*", help="acquisition ids")
    verified.add_argument("--unverified", action="store_true", help="all sealed ones that never were verified")
    verified.add_argument("--sha256", action="store_true", help="compare the SHA-256 that the manifest holds, too")


def _verb(verbs: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    parser.add_argument("--site", metavar="FILE", help="site file; else $SCANDAQ_SITE, the user's, the machine's")
    parser.add_argument("--storage", metavar="DIR", help="folder of recordings, in place of a site file")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)
    return parser


def run_list(options: argparse.Namespace) -> int:
    """Print the acquisitions that fulfil every condition."""
    from daq.cli.output import print_json, print_line, print_table

    if not 0 < options.limit <= _MOST_ROWS or options.offset < 0:
        raise UsageError(f"--limit {options.limit} --offset {options.offset}: from 1 to {_MOST_ROWS}, and from 0 on")
    wanted = _filter(options)
    database, _, _ = place(options)
    try:
        rows, total = database.find(wanted, limit=options.limit, offset=options.offset), database.count(wanted)
    finally:
        database.close()
    if options.json:
        print_json({"total": total, "acquisitions": [row.to_json() for row in rows]})
        return 0
    columns = ["id", "state", "outcome", "protocol", "seconds", "rows", "size", "verified"]
    print_table("", columns, [_cells(row) for row in rows])
    if options.offset + len(rows) < total or options.offset:
        print_line(f"{len(rows)} of {total:,}, from number {options.offset + 1} on")
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Print all fields of an acquisition."""
    from daq.cli.output import print_json, print_line

    database, _, _ = place(options)
    try:
        told = database.get(options.id).to_json()
    finally:
        database.close()
    if options.json:
        print_json(told)
        return 0
    steps = told.pop("steps")
    wide = max(map(len, told))
    for key, value in told.items():
        print_line(f"{key:<{wide}}  {_words(value)}")
    for step in steps:
        fate = f"{'completed' if step.get('completed') else 'not completed'}: {step.get('ended_by')}"
        print_line(f"step {step.get('number')}  {step.get('name')}  {fate}")
    return 0


def run_rebuild(options: argparse.Namespace) -> int:
    """Walk through the storage and renew what has changed."""
    from dataclasses import asdict

    from daq.cli.output import print_json, print_line, progress, say
    from daq.services.catalogue.rebuild import Rebuild

    database, storage, keeper = place(options)
    aside = None
    try:
        if database.exists():
            aside = _move_aside_if_damaged(database)
        work = Rebuild(database, storage, keeper=keeper, everything=options.everything)
        with progress(quiet=options.json) as shown:
            task = shown.add_task("directories", total=None, figures="")
            while work.step():
                shown.update(task, figures=f"{work.result.directories:,}")
    finally:
        database.close()
    done = work.result
    for problem in done.problems:
        say(problem)
    if options.json:
        print_json({"catalogue": database.shown_url, "moved_aside": aside, **asdict(done)})
        return 0
    if aside is not None:
        print_line(f"the catalogue was damaged; the old one is {aside}")
    print_line(
        f"{done.directories:,} acquisitions found, {done.stored:,} rows made or renewed, {done.damaged:,} damaged"
    )
    print_line(f"{done.missing:,} directories missing, {done.moved:,} moved, {done.unreadable:,} folders not readable")
    return 0


def run_verify(options: argparse.Namespace) -> int:
    """Verify acquisitions one after the other."""
    import time

    from daq.cli.output import print_json, print_table
    from daq.storage.verify import verify

    if bool(options.ids) == options.unverified:
        raise UsageError("daq catalogue verify: give acquisition ids, or --unverified")
    database, _, _ = place(options)
    results: list[tuple[str, str, str]] = []
    try:
        for row in _chosen(database, options.ids):
            directory = Path(row.directory)
            verdict = verify(directory, sha256=options.sha256).verdict if directory.is_dir() else "missing"
            if verdict != "missing":
                database.set_verified(row, verdict, time.time_ns() // 1_000_000)
            results.append((row.id, row.directory, verdict))
    finally:
        database.close()
    if options.json:
        keys = ("id", "directory", "verdict")
        print_json({"acquisitions": [dict(zip(keys, result, strict=True)) for result in results]})
    else:
        print_table("", ["id", "verdict"], [(name, verdict) for name, _, verdict in results])
    return 0 if all(verdict == "ok" for _, _, verdict in results) else _EXIT_FAILED


def _chosen(database: Database, ids: list[str]) -> list[Acquisition]:
    """Return the acquisitions to verify: those named, or all sealed ones that never were."""
    from daq.services.catalogue.entry import Filter

    if ids:
        return [database.get(identity) for identity in ids]
    sealed = database.find(Filter(states=("sealed", "recovered")), limit=_MOST_ROWS)
    return [row for row in sealed if row.verified is None]


def place(options: argparse.Namespace) -> tuple[Database, Path, str]:
    """Return the catalogue, the storage, and the station that keeps it."""
    from daq.services.catalogue.database import CATALOGUE_FILE, Database

    if options.site is not None and options.storage is not None:
        raise UsageError("--site and --storage exclude each other")
    if options.storage is not None:
        storage = Path(options.storage).absolute()
        if not storage.is_dir():
            raise MissingError(f"{storage}: no such storage folder")
        return Database(storage / "station" / CATALOGUE_FILE), storage, ""
    from device_profiles.places import find_site
    from device_profiles.site import load_site

    site = load_site(find_site(options.site))
    return Database(site.catalogue or site.state_folder / CATALOGUE_FILE), site.storage, site.station


def _filter(options: argparse.Namespace) -> Filter:
    from daq.services.catalogue.entry import Filter, limits_ms

    return Filter(
        **limits_ms(options.since, options.until), states=tuple(options.state or ()),
        outcomes=tuple(options.outcome or ()), protocol=options.protocol, profile=options.profile,
        scanner=options.scanner, station=options.station, patient_key=options.patient,
        study=options.study,
    )  # fmt: skip


def _move_aside_if_damaged(database: Database) -> str | None:
    """Return the new name of a damaged catalogue file, None for one that is whole."""
    from daq.errors import FormatError

    try:
        database.check()
    except FormatError:
        if not database.is_damaged:
            raise
        return str(database.move_aside())
    return None


def _words(value: object) -> str:
    """Return a value as people write it."""
    match value:
        case None:
            return "not known"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{count:,} {name}" for name, count in value.items())
        case _:
            return str(value)


def _cells(row: Acquisition) -> list[str]:
    rows = sum(row.counts.values())
    size = f"{row.size_bytes / _GB:,.2f} GB" if row.size_bytes >= _GB else f"{row.size_bytes / _MB:,.1f} MB"
    duration = "" if row.duration_ps is None else f"{row.duration_ps / _PS_PER_S:,.1f}"
    protocol = row.protocol or row.profile or ""
    return [row.id, row.state, row.outcome or "", protocol, duration, f"{rows:,}", size, row.verified or ""]
