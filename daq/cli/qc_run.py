"""`daq qc run`: a test from request to result: prepare, start, follow, have it analysed, say what it is."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

_ANSWER_S = 60.0
_STOP_S = 20.0
_RESULT_S = 900.0
_LOOK_S = 0.5
_GOOD = frozenset({"completed"})


def add_verb(verbs: Any) -> None:
    """Add the verb."""
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser("run", help="acquire a test, analyse it, say what it is")
    parser.add_argument("test", metavar="TEST", help="test of the scanner profile; `daq qc due`")
    parser.add_argument("--source", metavar="SERIAL", help="source of the register; `daq qc source`")
    parser.add_argument("--bed-empty", action="store_true", help="you state that nobody is on the bed")
    parser.add_argument("--start", action="store_true", help="begin as soon as it is armed, without asking")
    parser.add_argument("--draft-reason", default="", metavar="TEXT", help="why a protocol that nobody signed is used")
    parser.add_argument(
        "--override", action="append", default=[], metavar="NAME=REASON",
        help="why a requirement that is not met does not matter; may be repeated",
    )  # fmt: skip
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the audit log; no patient's name")
    parser.add_argument("--no-wait", action="store_true", help="return when it counts, not when it has a result")
    parser.add_argument("--within", type=float, metavar="S", help="stop waiting after so many seconds, exit code 7")
    parser.add_argument(
        "--patience", type=float, default=60.0, metavar="S",
        help="how long a daemon that has gone may take to come back (default 60)",
    )  # fmt: skip
    add_place(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run a test; return the exit code of its result: 0, 3 not evaluable, 6 beyond a level or not acquired, 7 late.

    Ctrl-C stops it in order: what was counted is analysed, and is not evaluable.
    """
    from daq.cli.following import OVER
    from daq.cli.output import print_json, print_line, say

    asked = _arguments(options)
    prepared = _ask(options, "qc-run", **asked)
    started: list[bool] = []

    def start_once_armed(status: dict[str, Any]) -> None:
        if status["state"] == "armed" and not started:
            started.append(True)
            _confirm(options, prepared)
            _ask(options, "start")

    def counts(status: dict[str, Any]) -> bool:
        return status["state"] in OVER or (options.no_wait and status["state"] == "acquiring")

    try:
        status = _follow(options, prepared["run"], counts, start_once_armed)
    except KeyboardInterrupt:
        say("stopping: what was counted is kept")
        _ask(options, "stop", within_s=_STOP_S)
        status = _follow(options, prepared["run"], lambda told: told["state"] in OVER, lambda _: None)
    if options.no_wait and status["state"] == "acquiring":
        print_json(status) if options.json else print_line(f"{options.test} counts: {prepared['directory']}")
        return 0
    if status["state"] == "aborted" or not started:
        print_json(status) if options.json else print_line(f"{options.test} was not acquired: {status['detail']}")
        return 6
    return await_result(options, options.test, prepared["run"])


def await_result(options: argparse.Namespace, test: str, run: str) -> int:
    """Wait for the result that is made of a run, print it and return its exit code."""
    from daq.cli.output import print_json, print_line, say
    from daq.cli.qctext import EXIT, result_lines
    from daq.errors import DeadlineError, VerificationError
    from daq.model.qc.documents import QcResult

    until_s = time.monotonic() + _RESULT_S
    say("analysing")
    while True:
        told = _ask(options, "qc-due", test=test)
        found = told.get("newest")
        if found is not None and any(each["id"] == run for each in found["body"]["acquisitions"]):
            result = QcResult.from_body(found["body"])
            if options.json:
                print_json(found)
            else:
                for line in (*result_lines(result, found["id"]), *_then(found, result)):
                    print_line(line)
            return EXIT[result.level]
        failed = [each for each in _ask(options, "alarms")["alarms"] if each["name"] == f"not-analysed-{run}"[:80]]
        if failed:
            raise VerificationError(f"{failed[0]['text']}; {failed[0]['guidance']}")
        if time.monotonic() > until_s:
            raise DeadlineError(f"{test} has no result after {_RESULT_S:g} s; the daemon goes on analysing")
        time.sleep(_LOOK_S)


def _then(found: dict[str, Any], result: Any) -> list[str]:
    """Return what a person does with a result: sign it."""
    from daq.model.qc.figures import Level

    if result.level is Level.NOT_EVALUABLE:
        return []
    return [f"  sign it: daq qc sign {found['id']} --meaning performed"]


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    from daq.cli.preparing import overrides

    told = {"test": options.test, "bed_empty": options.bed_empty, "overrides": overrides(options.override)}
    for name in ("source", "draft_reason", "reason"):
        if getattr(options, name):
            told[name] = getattr(options, name)
    return told


def _confirm(options: argparse.Namespace, prepared: dict[str, Any]) -> None:
    """Return where the person wants it to begin. Raise `RefusedError` where nobody can be asked."""
    from daq.cli.output import say
    from daq.errors import RefusedError

    if options.start:
        return
    if not sys.stdin.isatty():
        _ask(options, "abort", within_s=_STOP_S)
        raise RefusedError(f"{options.test} is armed, and nobody can be asked: say --start; it was called off")
    source = prepared.get("source") or {}
    what = (
        f"with {source['serial']}, {source['activity_mbq']:.4g} MBq of {source['nuclide']}" if source else "no source"
    )
    say(f"{options.test} is armed, {what}. Press Enter to begin, Ctrl-C to call it off.")
    sys.stdin.readline()


def _follow(
    options: argparse.Namespace, run: str, until: Callable[[dict[str, Any]], bool],
    on_status: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:  # fmt: skip
    from daq.cli.bars import display
    from daq.cli.following import Follower, Following
    from daq.cli.localsocket import socket_of

    with display(quiet=options.json) as shown:
        following = Following(socket_of(options), patience_s=options.patience, note=shown.note)
        follower = Follower(following.events(), shown.show, run=run, on_status=on_status, within_s=options.within)
        return follower.follow(until)


def _ask(options: argparse.Namespace, verb: str, *, within_s: float = _ANSWER_S, **args: Any) -> dict[str, Any]:
    from daq.cli.localsocket import socket_of
    from daq.transports.localclient import ask_once

    return ask_once(socket_of(options), verb, args, within_s=within_s)
