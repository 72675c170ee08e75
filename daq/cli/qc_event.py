"""`daq qc event`: note service, recalibration, damage; tests that follow from it become due."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from daq.model.qc.words import After


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser("event", help="note service, recalibration or damage")
    parser.add_argument("what", choices=get_args(After))
    parser.add_argument("text", metavar="TEXT", help="what was done or happened; no patient's name")
    parser.add_argument("--at", metavar="TIME", help="when, RFC 3339 with its zone; default now")
    parser.add_argument("--test", action="append", default=[], metavar="TEST", help="touches this test; default all")
    add_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Note it."""
    from daq.cli.device_asking import ask
    from daq.cli.output import print_json, print_line

    asked = {"what": options.what, "text": options.text, "tests": options.test}
    answer = ask(options, "qc-event", asked | ({"at": options.at} if options.at else {}))
    if options.json:
        print_json(answer)
        return 0
    print_line(f"{answer['what']} noted for {answer['at_utc']}: {', '.join(answer['tests']) or 'all tests'}")
    return 0
