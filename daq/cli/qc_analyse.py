"""`daq qc analyse`: a test of recordings that are there already, several together where the test wants them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daq.composition.qc.job import Job
    from daq.model.scanner import ScannerProfile
    from daq.services.qc.books import QcBooks


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser(
        "analyse", help="analyse recordings for a test; stores nothing unless told to"
    )
    parser.add_argument("recordings", nargs="+", metavar="DIR", help="list-mode directories, in order")
    parser.add_argument("--test", required=True, metavar="TEST", help="test of the scanner profile")
    parser.add_argument(
        "--scanner", metavar="NAME", help="scanner profile; default that of --site, else the recording's"
    )
    parser.add_argument(
        "--entry", action="append", default=[], metavar="NAME=VALUE",
        help='what the test needs beside, e.g. activity="4.2 MBq"; may be given again',
    )  # fmt: skip
    parser.add_argument("--source", metavar="SERIAL", help="source of the register, where the recordings name none")
    parser.add_argument(
        "--store", action="store_true", help="let the daemon do it and enter the result; DIR are its acquisitions"
    )
    add_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the result and return its exit code: 0, 3 not evaluable, 6 beyond a level."""
    from daq.cli.output import print_json, print_line
    from daq.cli.qctext import EXIT, result_lines

    if options.store:
        return _store(options)
    from daq.composition.qc.analysed import analysed

    done = analysed(_job(options))
    if options.json:
        print_json({"result": done.result.to_body(), "at_utc": done.at_utc, "by": done.by,
                    "simulated": done.simulated, "stored": False})  # fmt: skip
    else:
        for line in result_lines(done.result):
            print_line(line)
    return EXIT[done.result.level]


def _store(options: argparse.Namespace) -> int:
    from daq.cli.localsocket import socket_of
    from daq.cli.qc_enter import entries
    from daq.cli.qc_run import await_result
    from daq.transports.localclient import ask_once

    runs = [Path(name).name for name in options.recordings]
    asked = {"test": options.test, "runs": runs, "entries": entries(options.entry)}
    asked |= {"source": options.source} if options.source else {}
    ask_once(socket_of(options), "qc-analyse", asked, within_s=60.0)
    return await_result(options, options.test, runs[0])


def _job(options: argparse.Namespace) -> Job:
    """Return the job: limits of the scanner, reference and earlier results of the books where a site is named."""
    from daq.cli.qc_enter import entries
    from daq.cli.qc_place import read
    from daq.composition.qc.job import Job
    from daq.errors import MissingError, UsageError

    directories = tuple(Path(name) for name in options.recordings)
    if options.site is None and options.source:
        raise UsageError("--source: sources are in the register of a site (--site), and none is named")
    scanner = _scanner(options, directories[0])
    if options.test not in scanner.qc:
        known = ", ".join(scanner.qc) or "none"
        raise MissingError(f"scanner {scanner.id} has no test {options.test!r}; it has {known}")
    test = scanner.qc[options.test]
    job = Job(options.test, test, scanner, directories, entries=entries(options.entry))
    return job if options.site is None else read(options.site, lambda books: _with_books(job, books, options))


async def _with_books(job: Job, books: QcBooks, options: argparse.Namespace) -> Job:
    """Return the job with the site's calibrations, and the reference, source and earlier results of its books."""
    from dataclasses import replace

    from daq.errors import MissingError
    from device_profiles.places import find_site
    from device_profiles.site import load_site

    site = load_site(find_site(options.site))
    reference = await books.reference(job.test)
    source = await books.source(options.source) if options.source else None
    if options.source and source is None:
        raise MissingError(f"source {options.source} is not in the register (daq qc source)")
    newest = {name: await books.newest(name) for name in job.scanner.qc if name != job.test}
    return replace(
        job, source={} if source is None else source.body,
        earlier={name: kept.result for name, kept in newest.items() if kept is not None},
        reference=None if reference is None else (reference.document.id, reference.result),
        head_calibrations=site.head_calibrations, calibrations=site.calibrations,
    )  # fmt: skip


def _scanner(options: argparse.Namespace, directory: Path) -> ScannerProfile:
    """Return the scanner that is named, else that of the site, else the one that the recording was made with."""
    import json

    from daq.composition import equipment
    from daq.errors import UsageError
    from daq.model.scanner import ScannerProfile
    from daq.storage.listing import load_manifest
    from device_profiles.places import find_site
    from device_profiles.scanners import load_scanner
    from device_profiles.site import load_site

    if options.scanner is not None:
        return load_scanner(options.scanner)
    if options.site is not None:
        path = find_site(options.site)
        found = equipment.scanner(load_site(path), path.parent)
        if found is None:
            raise UsageError(f"{path} names no scanner: say --scanner")
        return found
    recorded = load_manifest(directory).scanner
    if recorded is None:
        raise UsageError(f"{directory} names no scanner: say --scanner or --site")
    return ScannerProfile.model_validate_json(json.dumps(recorded))
