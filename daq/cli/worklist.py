"""`daq worklist`: who comes, somebody who is not on the list, emergencies, identities that turn out to be others."""

from __future__ import annotations

import argparse
from typing import Any

_ANSWER_S = 60.0
_SEXES = ("female", "male", "other", "unknown")


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun with its verbs."""
    noun = nouns.add_parser("worklist", help="who comes: list, add, emergency, reconcile, correct, countersign")
    verbs = noun.add_subparsers(metavar="VERB", required=True)
    _add_list(verbs)
    _add_add(verbs)
    emergency = _verb(verbs, "emergency", "make a temporary identity, to be reconciled later", _emergency)
    emergency.add_argument("--sex", choices=_SEXES, default="unknown", help="as far as it is known")
    emergency.add_argument("--protocol", metavar="ID", help="the protocol that is proposed for it")
    reconcile = _verb(verbs, "reconcile", "give a temporary identity the real one", _reconcile, "KEY")
    reconcile.add_argument("--with", dest="other", metavar="OTHER", help="key of the entry that it turned out to be")
    _add_identity(reconcile)
    reconcile.add_argument("--reason", metavar="TEXT", default="", help="how that is known")
    correct = _verb(verbs, "correct", "correct a wrong identity; flagged until countersigned", _correct, "KEY")
    _add_identity(correct)
    correct.add_argument("--reason", metavar="TEXT", required=True, help="what was wrong")
    _verb(verbs, "countersign", "countersign what another person corrected", _countersign, "KEY")
    discontinue = _verb(verbs, "discontinue", "say that an entry is not done, and why", _discontinue, "KEY")
    discontinue.add_argument("--reason", metavar="TEXT", required=True, help="why")


def _verb(
    verbs: Any, name: str, words: str, run: Any, *keys: str
) -> argparse.ArgumentParser:  # fmt: skip
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser(name, help=words)
    for key in keys:
        parser.add_argument("entry", metavar=key, help="key of the entry, see daq worklist list")
    add_place(parser)
    parser.set_defaults(run=run)
    return parser


def _add_list(verbs: Any) -> None:
    parser = _verb(verbs, "list", "who comes on a day, for what, and what became of it", _list)
    parser.add_argument("--day", metavar="DATE", help="a day such as 2026-01-31; default today")
    parser.add_argument("--find", metavar="TEXT", default="", help="rows that hold all of these words")


def _add_add(verbs: Any) -> None:
    parser = _verb(verbs, "add", "enter somebody who is not on the worklist, or a phantom", _add)
    parser.add_argument("--phantom", action="store_true", help="a phantom, which has no name")
    _add_identity(parser)
    parser.add_argument("--procedure", metavar="TEXT", default="", help="what is to be done")
    parser.add_argument("--start", metavar="TIME", help="when, such as 2026-01-31T09:30; default now")
    parser.add_argument("--protocol", metavar="ID", help="the protocol that is proposed for it")
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why it is not on the worklist")


def _add_identity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--patient", metavar="FILE", help="who it is, TOML or JSON; never an argument, which every user could read"
    )


def _list(options: argparse.Namespace) -> int:
    from daq.cli.output import print_json, print_line, print_table

    day = {} if options.day is None else {"day": options.day}
    told = _ask(options, "worklist", text=options.find, limit=1000, **day)
    if options.json:
        print_json(told)
        return 0
    rows = [
        [row["start"][11:16], row["name"], row["patient_id"], row["procedure"], row["protocol"] or "-", _stands(row),
         row["entry"]]
        for row in told["rows"]
    ]  # fmt: skip
    print_table(f"{told['day']}: {told['total']} entries",
                ["time", "name", "id", "procedure", "protocol", "status", "key"], rows)  # fmt: skip
    for problem in told["problems"]:
        print_line(problem)
    return 0


def _stands(row: dict[str, Any]) -> str:
    waits = ["to be reconciled"] * row["to_reconcile"] + ["to be countersigned"] * row["to_countersign"]
    return ", ".join([row["status"], *waits])


def _add(options: argparse.Namespace) -> int:
    from daq.errors import UsageError

    named = _identity(options)
    if options.phantom == bool(named):
        raise UsageError("give --phantom, or --patient FILE")
    asked: dict[str, Any] = {
        "kind": "phantom" if options.phantom else "patient", "procedure": options.procedure, "reason": options.reason,
        "start": options.start, "protocol": options.protocol, **({"patient": named} if named else {}),
    }  # fmt: skip
    return _done(options, _ask(options, "worklist-add", **asked))


def _emergency(options: argparse.Namespace) -> int:
    return _done(options, _ask(options, "worklist-emergency", sex=options.sex, protocol=options.protocol))


def _reconcile(options: argparse.Namespace) -> int:
    from daq.errors import UsageError

    named = _identity(options)
    if bool(options.other) == bool(named):
        raise UsageError("give --with OTHER, or --patient FILE")
    who = {"other": options.other} if options.other else {"patient": named}
    return _done(options, _ask(options, "worklist-reconcile", entry=options.entry, reason=options.reason, **who))


def _correct(options: argparse.Namespace) -> int:
    from daq.errors import UsageError

    named = _identity(options)
    if not named:
        raise UsageError("give --patient FILE, with the identity as it should be")
    return _done(
        options, _ask(options, "worklist-correct", entry=options.entry, patient=named, reason=options.reason)
    )  # fmt: skip


def _countersign(options: argparse.Namespace) -> int:
    return _done(options, _ask(options, "worklist-countersign", entry=options.entry))


def _discontinue(options: argparse.Namespace) -> int:
    return _done(options, _ask(options, "worklist-discontinue", entry=options.entry, reason=options.reason))


def _identity(options: argparse.Namespace) -> dict[str, Any]:
    """Return the identity of the file that is named; empty where none is."""
    from daq.cli.preparing import read_patient_file

    return read_patient_file(options.patient) if options.patient else {}


def _done(options: argparse.Namespace, told: dict[str, Any]) -> int:
    """Print what was done; 6 where acquisitions do not have the identity yet."""
    from daq.cli.output import print_json, print_line, say

    if options.json:
        print_json(told)
    else:
        print_line(told["entry"])
    for trouble in told.get("not_changed", ()):
        say(f"does not have the identity yet: {trouble}")
    return 6 if told.get("not_changed") else 0


def _ask(options: argparse.Namespace, verb: str, **args: Any) -> dict[str, Any]:
    from daq.cli.localsocket import socket_of
    from daq.transports.localclient import ask_once

    return ask_once(socket_of(options), verb, args, within_s=_ANSWER_S)
