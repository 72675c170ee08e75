"""`daq acquire residual` and `amend`: what becomes known of the administration after the injection."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from daq.errors import UsageError

_ANSWER_S = 60.0


def add_verbs(verbs: Any) -> None:
    """Add `residual` and `amend`."""
    left = _verb(verbs, "residual", "note what was left of the dose, also after the end", run_residual)
    left.add_argument("activity", metavar="ACTIVITY", help='with its unit: "12.5 MBq"')
    left.add_argument("--at", metavar="TIME", help="when it was measured, by the calibrator's clock (default now)")
    amend = _verb(verbs, "amend", "change fields of the administration record, also after the end", run_amend)
    amend.add_argument(
        "changes", nargs="+", metavar="FIELD=VALUE", help="extravasation=true, weight_kg=71.5, site=antecubital"
    )


def _verb(verbs: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    add_place(parser)
    parser.add_argument("--run", dest="of", metavar="RUN", help="of this acquisition (default the one under way)")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why a known value is replaced; no patient's name")
    parser.set_defaults(run=run)
    return parser


def run_residual(options: argparse.Namespace) -> int:
    """Note the residual."""
    at = {"at": options.at} if options.at else {}
    return _told(options, "residual", activity=options.activity, **at)


def run_amend(options: argparse.Namespace) -> int:
    """Change fields of the record."""
    return _told(options, "amend", changes=changes_of(options.changes))


def changes_of(texts: Sequence[str]) -> dict[str, Any]:
    """Return the fields of `FIELD=VALUE` texts; a value that is JSON is what it says, any other one is a text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals):
            raise UsageError(f"{text!r}: write FIELD=VALUE, e.g. extravasation=true")
        if name in found:
            raise UsageError(f"{name} is given twice")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = value
    return found


def say_doubts(answer: dict[str, Any]) -> None:
    """Tell what a person should know or look at."""
    from daq.cli.output import say

    for doubt in answer.get("doubts", ()):
        say(f"daq: warning: {doubt}")


def _told(options: argparse.Namespace, verb: str, **args: Any) -> int:
    from daq.cli.localsocket import socket_of
    from daq.cli.output import print_json, print_line, say
    from daq.transports.localclient import ask_once

    args |= {"run": options.of} if options.of else {}
    answer = ask_once(socket_of(options), verb, {**args, "reason": options.reason}, within_s=_ANSWER_S)
    if options.json:
        print_json(answer)
        return 0
    say_doubts(answer)
    if answer["not_found"]:
        say(f"daq: warning: {answer['not_found']}")
    net = "not known yet" if answer["net_mbq"] is None else f"{answer['net_mbq']:.1f} MBq at the injection"
    print_line(f"net activity {net}")
    print_line(f"noted in {', '.join(answer['acquisitions'])}")
    return 0
