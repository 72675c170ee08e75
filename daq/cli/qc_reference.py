"""`daq qc reference`: make an approved result the one that others of its test are compared with."""

from __future__ import annotations

import argparse
from typing import Any


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser("reference", help="make an approved result the reference")
    parser.add_argument("result", metavar="ID", help="id of a result that was signed as approved")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why now; no patient's name")
    add_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make it the reference."""
    from daq.cli.device_asking import ask
    from daq.cli.output import print_json, print_line

    answer = ask(options, "qc-reference", {"result": options.result, "reason": options.reason})
    if options.json:
        print_json(answer)
        return 0
    before = f"; before it was {answer['before']}" if answer["before"] else ""
    print_line(f"{answer['result']} is the reference of {answer['test']}{before}")
    return 0
