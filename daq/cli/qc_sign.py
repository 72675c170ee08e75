"""`daq qc sign`: sign a result, after it was shown; the signature is bound to the hash of what was shown."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from daq.cli.qc_place import add_reading_place, one, read
from daq.errors import UsageError

_ANSWER_S = 60.0


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser("sign", help="sign a result as oneself")
    parser.add_argument("result", metavar="ID", help="id of a result, or a test: its newest result")
    parser.add_argument("--meaning", required=True, choices=("performed", "reviewed", "approved"))
    parser.add_argument("--comment", default="", metavar="TEXT", help="stays with the signature; no patient's name")
    parser.add_argument("--yes", action="store_true", help="sign without being asked")
    add_reading_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show what is signed, have it confirmed, and sign it."""
    from daq.cli.output import print_json, print_line
    from daq.cli.qc_show import print_result
    from daq.transports.localclient import ask_once
    from device_profiles.places import find_site, local_socket

    kept = read(options.site, lambda books: one(books, options.result))
    if not options.json:
        print_result(kept)
    if not options.yes:
        confirm(f"Sign this as {options.meaning}?", options)
    asked = {
        "result": kept.document.id, "sha256": kept.document.sha256, "meaning": options.meaning,
        "comment": options.comment,
    }  # fmt: skip
    answer = ask_once(local_socket(find_site(options.site)), "qc-sign", asked, within_s=_ANSWER_S)
    if options.json:
        print_json(answer)
    else:
        print_line(f"signed as {answer['meaning']} by {answer['by']}, {answer['at_utc']}")
    return 0


def confirm(question: str, options: argparse.Namespace) -> None:
    """Ask on the terminal. Raise `UsageError` without one, and where the answer is not yes."""
    if options.json or not sys.stdin.isatty():
        raise UsageError("nobody can be asked here: say --yes where you mean it")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was done")
