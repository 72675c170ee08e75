"""`daq qc leave`: state that source and heads were left in place, so that a test is done by itself at its hour."""

from __future__ import annotations

import argparse
from typing import Any

_ANSWER_S = 60.0


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser(
        "leave", help="state that source and heads were left in place for the automatic test, and nobody is on the bed"
    )
    parser.add_argument("test", metavar="TEST", help="test of the scanner profile with an hour of its own (auto_at)")
    parser.add_argument("--source", metavar="SERIAL", help="the source that lies in place, of the register")
    parser.add_argument("--reason", default="", metavar="TEXT", help="for the audit log; no patient's name")
    add_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """State it, and print when it will be done."""
    from daq.cli.localsocket import socket_of
    from daq.cli.output import print_json, print_line
    from daq.transports.localclient import ask_once

    asked = {name: getattr(options, name) for name in ("test", "source", "reason") if getattr(options, name)}
    answer = ask_once(socket_of(options), "qc-leave", asked, within_s=_ANSWER_S)
    if options.json:
        print_json(answer)
    else:
        print_line(
            f"{options.test} is done by itself at {answer['auto_at']}, unless something is moved or acquired before"
        )
    return 0
