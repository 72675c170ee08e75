"""`daq qc limits`: the limits in force, the counts they need, the noise their protocols leave, who says so."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import MissingError, UsageError

if TYPE_CHECKING:
    from daq.model.qc.limits import QcTest


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "limits", help="limits in force: counts they need, noise of their protocols, source, reference"
    )
    parser.add_argument("test", metavar="TEST", nargs="?", help="test of the scanner profile; none: all")
    parser.add_argument("--scanner", metavar="NAME", help="scanner profile, without a site; references are not known")
    parser.add_argument("--site", metavar="FILE", help="site file; else $SCANDAQ_SITE, the user's, the machine's")
    parser.add_argument("--all", action="store_true", help="figures without a limit, too: they are not judged")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, all figures in it")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the limits."""
    from daq.cli.output import print_json, print_line

    if options.scanner is not None and options.site is not None:
        raise UsageError("daq qc limits: give --scanner or --site, not both")
    scanner, rows = _of_scanner(options) if options.scanner is not None else _of_site(options)
    if options.json:
        print_json({"scanner": scanner, "limits": rows})
        return 0
    shown = [row for row in rows if options.all or row["limit"] is not None]
    for test in dict.fromkeys(row["test"] for row in rows):
        _print_test(test, [row for row in shown if row["test"] == test])
    if not rows:
        print_line(f"scanner {scanner} has no tests of quality control")
    return 0


def _of_scanner(options: argparse.Namespace) -> tuple[str, list[dict[str, Any]]]:
    from daq.composition.qc.limitslist import limit_rows, tests_of
    from device_profiles.scanners import load_scanner

    scanner = load_scanner(options.scanner)
    return scanner.id, limit_rows(scanner, tests_of(scanner, options.test))


def _of_site(options: argparse.Namespace) -> tuple[str, list[dict[str, Any]]]:
    from daq.composition.qc.limitslist import limit_rows, tests_of
    from device_profiles.places import find_site
    from device_profiles.scanners import beside, load_scanner
    from device_profiles.site import load_site

    path = find_site(options.site)
    site = load_site(path)
    if site.scanner is None:
        raise MissingError(f"{path}: the site names no scanner profile, and so no tests of quality control")
    scanner = load_scanner(beside(site.scanner, path.parent))
    tests = tests_of(scanner, options.test)
    references = _references(path, site.state_folder, tests)
    folders = [site.protocols] if site.protocols is not None else []
    return scanner.id, limit_rows(scanner, tests, protocols=folders, references=references)


def _references(path: Path, state: Path, tests: dict[str, QcTest]) -> dict[str, str]:
    """Return what the books of a station say; nothing where it has none yet."""
    from daq.cli.qc_place import read
    from daq.composition.qc.limitslist import references_of
    from daq.services.qc.books import FOLDER

    return read(path, lambda books: references_of(books, tests)) if (state / FOLDER).is_dir() else {}


def _print_test(test: str, rows: list[dict[str, Any]]) -> None:
    from daq.cli.output import print_line, print_table

    if not rows:
        print_line(f"{test}: no limit is set: it is not judged")
        return
    first = rows[0]
    print_line(f"{test}: {first['title']} ({first['analysis']}{_by(first)})")
    columns = ("figure", "limit", "counts needed", "noise of the protocol", "source")
    print_table("", columns, [_cells(row) for row in rows])
    if first["problem"]:
        print_line(f"  {first['problem']}")


def _by(row: dict[str, Any]) -> str:
    protocol = f", protocol {row['protocol']}" if row["protocol"] else ""
    return f"{protocol}, reference {row['reference']}" if row["reference"] else protocol


def _cells(row: dict[str, Any]) -> list[str]:
    noise = "" if row["noise"] is None else f"{row['noise']:.2f} {row['unit']} at {row['counts']:.0f}"
    return [row["figure"], row["limit"] or "none", _needed(row), noise, row["source"] or ""]


def _needed(row: dict[str, Any]) -> str:
    """Return the counts that a limit needs by the profile, or by its own noise where that is more."""
    if row["limit"] is None or not row["counts_needed"]:
        return ""
    more = row["counts_meaningful"]
    enough = f"; {more:.0f} by its noise" if more is not None and more > row["counts_needed"] else ""
    per = f" per {row['per']}" if row["per"] else ""
    return f"{row['counts_needed']:g}{per}{enough}"
