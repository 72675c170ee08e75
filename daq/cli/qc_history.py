"""`daq qc history`: results of quality control, newest first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from daq.cli.qc_place import add_reading_place, add_times, read, require_limit, times
from daq.model.qc.words import Level

if TYPE_CHECKING:
    from daq.services.qc.abilities import Kept

_MOST = 100_000


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser("history", help="results, newest first; signed, struck out")
    parser.add_argument("test", metavar="TEST", nargs="?", help="of this test alone")
    add_times(parser)
    parser.add_argument("--level", choices=[str(level) for level in Level], help="of this level alone")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many; default 50")
    add_reading_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the results."""
    from daq.cli.output import print_json, print_line, print_table

    require_limit(options.limit, _MOST)
    span = times(options)
    found = read(
        options.site,
        lambda books: books.results(options.test, level=options.level, limit=options.limit, **span),
        everything=True,
    )
    if options.json:
        print_json({"results": [told(kept) for kept in found]})
        return 0
    print_table("", ["performed (UTC)", "test", "level", "signed", "result"], [_cells(kept) for kept in found])
    for kept in found:
        for doubt in kept.doubts:
            print_line(f"{kept.document.id}: {doubt}")
    return 0


def told(kept: Kept) -> dict[str, Any]:
    """Return a result as plain data: its document, its signatures, and whether it was struck out."""
    return {
        "document": kept.document.to_json(),
        "signatures": [{**each.to_json(), "holds": kept.holds(each)} for each in kept.signatures],
        "struck": kept.struck.to_json() if kept.struck else None,
        "doubts": list(kept.doubts),
    }


def signed(kept: Kept) -> str:
    """Return who signed, with which meaning."""
    return ", ".join(
        f"{each.by} {each.body['meaning']}" + ("" if kept.holds(each) else " (BROKEN)") for each in kept.signatures
    )


def _cells(kept: Kept) -> tuple[str, ...]:
    level = "struck out" if kept.struck is not None else str(kept.result.level)
    level += ", SIMULATED" if kept.document.simulated else ""
    at = kept.document.at_utc[:16].replace("T", " ") + (" ?" if kept.doubts else "")
    return at, kept.result.test, level, signed(kept), kept.document.id
