"""`daq qc bed-empty`: state that nobody is on the bed."""

from __future__ import annotations

import argparse
from typing import Any

_ANSWER_S = 60.0


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser("bed-empty", help="state that nobody is on the bed")
    parser.add_argument("--reason", default="", metavar="TEXT", help="for the audit log; no patient's name")
    add_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """State it, and print what the station takes it for."""
    from daq.cli.localsocket import socket_of
    from daq.cli.output import print_json, print_line
    from daq.transports.localclient import ask_once

    asked = {"reason": options.reason} if options.reason else {}
    answer = ask_once(socket_of(options), "bed-empty", asked, within_s=_ANSWER_S)
    if options.json:
        print_json(answer)
    else:
        print_line(f"the bed is empty: stated by {answer['bed']['stated_by']} at {answer['bed']['since_utc']}")
    return 0
