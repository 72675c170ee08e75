"""`daq qc source`: the register of sealed sources: list them, enter one or what is new of it, add a line to its log."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from daq.cli.qc_place import add_reading_place, read
from daq.errors import MissingError, UsageError

if TYPE_CHECKING:
    from daq.model.qc.documents import Document
    from daq.services.qc.books import QcBooks


def add_verb(verbs: Any) -> None:
    """Add the verb with what can be done to sources."""
    from daq.cli.localsocket import add_place

    noun = verbs.add_parser("source", help="the register of sealed sources")
    below = noun.add_subparsers(metavar="WHAT", required=True)
    listed = below.add_parser("list", help="the sources, with their activity now; or one, with its log")
    listed.add_argument("serial", nargs="?", metavar="SERIAL", help="this one, with its log")
    add_reading_place(listed)
    listed.set_defaults(run=run_list)
    added = below.add_parser("add", help="enter a source, or what is new of one")
    added.add_argument("serial", metavar="SERIAL")
    added.add_argument(
        "fields", nargs="+", metavar="FIELD=VALUE",
        help='nuclide=Co-57 form=sheet activity="370 MBq" reference=2025-01-01T12:00:00Z certificate=C-1 place=safe; '
        "place= takes a field out",
    )  # fmt: skip
    added.add_argument("--note", default="", metavar="TEXT", help="a line for its log")
    noted = below.add_parser("note", help="a line for the log of a source: leak test, moved, disposed of")
    noted.add_argument("serial", metavar="SERIAL")
    noted.add_argument("note", metavar="TEXT")
    for parser in (added, noted):
        add_place(parser)
    added.set_defaults(run=run_add)
    noted.set_defaults(run=run_note)


def run_add(options: argparse.Namespace) -> int:
    """Enter a source, or what is new of it."""
    return _told(options, {"serial": options.serial, "fields": fields_of(options.fields), "note": options.note})


def fields_of(texts: Sequence[str]) -> dict[str, str | float | None]:
    """Return the fields of `FIELD=VALUE` texts; per cents are numbers, an empty value takes its field out."""
    found: dict[str, str | float | None] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals) or name in found:
            raise UsageError(f"{text!r}: write FIELD=VALUE, each field once, e.g. place='hot lab'")
        try:
            found[name] = (float(value) if name.endswith("_percent") else value) if value else None
        except ValueError:
            raise UsageError(f"{text!r}: must be a number") from None
    return found


def run_note(options: argparse.Namespace) -> int:
    """Note a line in its log."""
    return _told(options, {"serial": options.serial, "note": options.note})


def run_list(options: argparse.Namespace) -> int:
    """Print the register, or one source with its log."""
    from daq.cli.output import print_json, print_line, print_table

    entries, log = read(options.site, lambda books: _entries(books, options.serial))
    if options.json:
        print_json({"sources": [{**dict(each.body), "now_mbq": _now_mbq(each)} for each in entries],
                    "log": [each.to_json() for each in log]})  # fmt: skip
        return 0
    columns = ["serial", "nuclide", "form", "now", "by its certificate", "place", "leak test until", "state"]
    print_table("", columns, [_cells(each) for each in entries])
    for each in log:
        print_line(f"{each.at_utc} {each.by}: {each.body.get('note')}")
    return 0


async def _entries(books: QcBooks, serial: str | None) -> tuple[list[Document], list[Document]]:
    if serial is None:
        return await books.sources(), []
    entry = await books.source(serial)
    if entry is None:
        raise MissingError(f"no source {serial!r} in the register")
    return [entry], await books.source_notes(serial)


def _told(options: argparse.Namespace, asked: dict[str, Any]) -> int:
    from daq.cli.device_asking import ask
    from daq.cli.output import print_json, print_line

    answer = ask(options, "qc-source", asked)
    if options.json:
        print_json(answer)
    elif options.run is run_note:
        print_line(f"noted in the log of source {options.serial}")
    else:
        print_line(f"source {options.serial} is {'entered' if answer['is_new'] else 'renewed'} in the register")
    return 0


def _now_mbq(entry: Document) -> float:
    from datetime import UTC, datetime

    from daq.model.qc.sources import SourceEntry
    from daq.qc.sources import activity_at

    return activity_at(SourceEntry.model_validate(dict(entry.body)), datetime.now(UTC))


def _cells(entry: Document) -> tuple[str, ...]:
    body = entry.body
    stated = f"{body['activity']} on {str(body['reference'])[:10]}"
    state = f"disposed of {body['disposed']}" if body.get("disposed") else ""
    return (
        str(body["serial"]), str(body["nuclide"]), str(body["form"]), f"{_now_mbq(entry):.4g} MBq", stated,
        str(body["place"]), str(body.get("leak_test_next") or ""), state,
    )  # fmt: skip
