"""`daq qc due`: what is to be done, what blocks patients, what was found last, and the command that does it."""

from __future__ import annotations

import argparse
from typing import Any


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser(
        "due", help="what is to be done, what blocks patients, and the command that does it"
    )
    parser.add_argument("test", nargs="?", metavar="TEST", help="this test alone")
    add_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the list; without a daemon it is read from the books. Return 0, whatever is due."""
    from daq.cli.output import print_json, print_line, print_table, say
    from daq.cli.qctext import due_lines
    from daq.errors import UnreachableError

    try:
        told = _asked(options)
    except UnreachableError as why:
        if options.socket:
            raise
        say(f"no daemon answers ({why}); this is what the books say")
        told = _read(options)
    if options.json:
        print_json(told)
        return 0
    if not told["tests"]:
        print_line("this scanner has no tests of quality control: [qc] of its profile names them")
        return 0
    print_table("", ["test", "stands", "last result", "next"], due_lines(told["tests"]))
    for text in _besides(told):
        print_line(text)
    return 0


def _besides(told: dict[str, Any]) -> list[str]:
    """Return what else there is to know: results that do not count, the bed, what was left for the night."""
    lines = [f"{row['test']}: {text}" for row in told["tests"] for text in row["ignored"]]
    if (bed := told.get("bed")) is not None:
        stated = bed["why"] if bed["occupied"] else f"stated by {bed['stated_by']}"
        lines.append(f"the bed is {'occupied' if bed['occupied'] else 'empty'}: {stated}")
    left = told.get("left", ())
    return lines + [
        f"left in place for {each['test']} by {each['by']}: {each['source'] or 'no source'}" for each in left
    ]


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    from daq.cli.localsocket import socket_of
    from daq.transports.localclient import ask_once

    args = {"test": options.test} if options.test else {}
    return ask_once(socket_of(options), "qc-due", args, within_s=30.0)


def _read(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the books say, read without the daemon."""
    from daq.cli.qc_place import read
    from daq.composition import equipment
    from daq.composition.qc.zone import host_zone
    from daq.qc.units import heads_of
    from daq.services.qc.duetable import due_table
    from daq.services.qc.standing import Standing
    from device_profiles.places import find_site
    from device_profiles.site import load_site

    path = find_site(options.site)
    scanner = equipment.scanner(load_site(path), path.parent)
    tests = {} if scanner is None else scanner.qc
    heads = frozenset[str]() if scanner is None else heads_of(head.number for head in scanner.heads)
    due = read(options.site, lambda books: Standing(tests, books, host_zone(), heads=heads).due(options.test))
    return {"tests": due_table(due, tests, {})}
