"""`daq protocol versions`, `diff` and `restore`: the versions that the station keeps of each protocol of the site."""

from __future__ import annotations

import argparse
import os
import pwd
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from daq.errors import RefusedError

if TYPE_CHECKING:
    from acquisition_protocols.book import Book

Verb = Callable[[Any, str, str, Any], argparse.ArgumentParser]


def add_verbs(verbs: Any, verb: Verb) -> None:
    """Add them; `verb` makes a parser with the options that all verbs about protocols have."""
    listed = verb(verbs, "versions", "list the versions of a protocol: who, when, why, signed or not", run_versions)
    listed.add_argument("protocol", metavar="NAME", help="id of a protocol")
    listed.add_argument("--toml", metavar="N", type=int, help="print the file of version N")

    diff = verb(verbs, "diff", "tell what differs between two versions of a protocol", run_diff)
    diff.add_argument("protocol", metavar="NAME", help="id of a protocol")
    diff.add_argument("old", metavar="OLD", type=int, help="number of a version")
    diff.add_argument("new", metavar="NEW", type=int, nargs="?", help="number of a version; default the one in force")

    restore = verb(verbs, "restore", "make an older version of a protocol the next one", run_restore)
    restore.add_argument("protocol", metavar="NAME", help="id of a protocol")
    restore.add_argument("version", metavar="N", type=int, help="number of the version")
    restore.add_argument("--reason", required=True, metavar="TEXT", help="why, for who reads it in a year")
    restore.add_argument("--by", metavar="WHO", help="who does it; default whoever is logged in")


def run_versions(args: argparse.Namespace) -> int:
    """Print the versions, newest first, or the file of one."""
    import sys

    from daq.cli.output import print_json, print_table

    book = _book(args)
    if args.toml is not None:
        sys.stdout.write(book.version(args.protocol, args.toml).text)
        return 0
    rows = [
        {
            **each.version.model_dump(mode="json", exclude={"text", "schema_id"}), "in_force": each.in_force,
            "signature": None if each.signature is None else asdict(each.signature),
        }
        for each in book.history(args.protocol)
    ]  # fmt: skip
    if args.json:
        print_json({"id": args.protocol, "versions": rows})
        return 0
    columns = ["version", "", "by", "when", "signed by", "reason"]
    print_table("", columns, [_row(row) for row in rows])
    return 0


def run_diff(args: argparse.Namespace) -> int:
    """Print what differs, a sentence a line."""
    from acquisition_protocols.difference import difference
    from acquisition_protocols.load import protocol_of
    from daq.cli.output import print_json, print_line

    book = _book(args)
    old = protocol_of(book.version(args.protocol, args.old).text)
    if args.new is not None:
        new = protocol_of(book.version(args.protocol, args.new).text)
    else:
        now = book.in_force(args.protocol)
        if now is None:
            raise RefusedError(f"the file of {args.protocol} is gone: name two versions")
        new = now.document
    changes = difference(old, new)
    if args.json:
        print_json({"id": args.protocol, "changes": [asdict(each) | {"sentence": each.sentence} for each in changes]})
        return 0
    for each in changes:
        print_line(each.sentence)
    if not changes:
        print_line("nothing differs")
    return 0


def run_restore(args: argparse.Namespace) -> int:
    """Restore a version."""
    from daq.cli.output import print_json, print_line

    book = _book(args)
    now = book.in_force(args.protocol)
    base = None if now is None else now.sha256
    made = book.restore(args.protocol, args.version, base=base, by=args.by or _user(), reason=args.reason)
    if args.json:
        print_json(made.model_dump(mode="json", exclude={"text", "schema_id"}))
    else:
        print_line(
            f"{made.id}: version {args.version} is in force again, as version {made.version}; a draft until signed"
        )
    return 0


def _book(args: argparse.Namespace) -> Book:
    from acquisition_protocols.book import Book
    from daq.cli.protocol import folders

    where = folders(args)
    return Book(where[0] if where else None)


def _row(row: dict[str, Any]) -> list[str]:
    signed = row["signature"]
    by = row["by"] or ("scandaq" if row["what"] == "shipped" else "by hand")
    return [str(row["version"]), "in force" if row["in_force"] else "", by, row["at_utc"],
            "" if signed is None else signed["by"], row["reason"]]  # fmt: skip


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"
