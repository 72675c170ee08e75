"""`daq qc enter`: what a person measured or looked at, judged like any other test."""

from __future__ import annotations

import argparse
from typing import Any

_ANSWER_S = 120.0
_YES = {"yes": True, "true": True, "no": False, "false": False}


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser("enter", help="enter what you measured or looked at")
    parser.add_argument("test", metavar="TEST", help="test of the scanner profile that is entered; `daq qc due`")
    parser.add_argument(
        "entries",
        nargs="*",
        metavar="NAME=VALUE",
        help='each entry of the test: `item_1=yes`, `stop="1.2 s"`; without any: what there is to enter',
    )
    parser.add_argument("--source", metavar="SERIAL", help="source of the register that was used")
    parser.add_argument("--performed", metavar="TIME", help="when it was done, RFC 3339; default now")
    parser.add_argument("--comment", default="", metavar="TEXT", help="for who reads it; no patient's name")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the audit log; no patient's name")
    add_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Enter, and print the result; return its exit code. Without entries print what there is to enter."""
    from daq.cli.localsocket import socket_of
    from daq.cli.output import print_json, print_line
    from daq.cli.qctext import EXIT, result_lines
    from daq.model.qc.documents import QcResult
    from daq.transports.localclient import ask_once

    if not options.entries:
        return _show(options)
    asked: dict[str, Any] = {"test": options.test, "entries": entries(options.entries)}
    for name in ("source", "performed", "comment", "reason"):
        if getattr(options, name):
            asked[name] = getattr(options, name)
    answer = ask_once(socket_of(options), "qc-enter", asked, within_s=_ANSWER_S)
    result = QcResult.from_body(answer["result"]["body"])
    if options.json:
        print_json(answer)
    else:
        for line in result_lines(result, answer["result"]["id"]):
            print_line(line)
    return EXIT[result.level]


def _show(options: argparse.Namespace) -> int:
    from daq.cli.localsocket import socket_of
    from daq.cli.output import print_json, print_line, print_table
    from daq.transports.localclient import ask_once

    (row,) = ask_once(socket_of(options), "qc-due", {"test": options.test}, within_s=_ANSWER_S)["tests"]
    if options.json:
        print_json({"test": options.test, "asks": row["asks"]})
        return 0
    if not row["asks"]:
        print_line(f"{options.test} is not entered: {row['next']}")
        return 0
    print_table(row["title"], ["entry", "what it is"], [(each["name"], each["about"]) for each in row["asks"]])
    first = row["asks"][0]
    example = f"{first['name']}={'...' if first['unit'] else 'yes'}"
    print_line(f"daq qc enter {options.test} {example} ...")
    return 0


def entries(texts: list[str]) -> dict[str, float | str | bool]:
    """Return entry to value of `NAME=VALUE` texts: yes and no, bare numbers, texts with a unit.

    Raise `UsageError` for what is none, and for one that is given twice.
    """
    from daq.errors import UsageError

    found: dict[str, float | str | bool] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not (name and equals and value):
            raise UsageError(f'{text!r}: write NAME=VALUE, e.g. pads=yes or stop="1.2 s"')
        if name in found:
            raise UsageError(f"{name!r} is given twice")
        found[name] = _value(value)
    return found


def _value(text: str) -> float | str | bool:
    if text.lower() in _YES:
        return _YES[text.lower()]
    try:
        return float(text)
    except ValueError:
        return text
