"""`daq qc strike`: take a result out of lists and trends; it stays where it is, with the reason."""

from __future__ import annotations

import argparse
from typing import Any


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser("strike", help="take a result out of lists and trends")
    parser.add_argument("result", metavar="ID", help="id of a result")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="stays with the result; no patient's name")
    add_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Strike it out."""
    from daq.cli.device_asking import ask
    from daq.cli.output import print_json, print_line, say

    answer = ask(options, "qc-strike", {"result": options.result, "reason": options.reason})
    if options.json:
        print_json(answer)
        return 0
    print_line(f"{answer['result']} is struck out by {answer['by']}")
    if answer["was_reference"]:
        say("daq: warning: it was the reference of its test: there is none until another result is made the reference")
    return 0
