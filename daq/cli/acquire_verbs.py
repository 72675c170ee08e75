"""What the verbs of `daq acquire` do."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daq.cli.bars import Display

_ANSWER_S = 60.0
_STOP_S = 20.0
_GOOD = frozenset({"completed", "ready"})

Status = dict[str, Any]


def run_verb(options: argparse.Namespace) -> int:
    """Ask for one thing, and print the state after it."""
    return _print_answer(options, _ask(options, options.verb, reason=options.reason))


def run_start(options: argparse.Namespace) -> int:
    """Start now, or by the clock, and print the state after it."""
    from datetime import UTC, datetime

    from daq.cli.clocktime import moment

    at: dict[str, Any] = {} if options.at is None else {"at": moment(options.at, datetime.now(UTC)).isoformat()}
    return _print_answer(options, _ask(options, "start", **at, reason=options.reason))


def run_mark(options: argparse.Namespace) -> int:
    """Put a text into the recording."""
    return _print_answer(options, _ask(options, "mark", text=options.text, reason=options.reason))


def run_confirm(options: argparse.Namespace) -> int:
    """State what was confirmed after motion was lost."""
    stated = {"identity": options.identity, "position": options.position}
    return _print_answer(options, _ask(options, "confirm", **stated, reason=options.reason))


def run_hand_over(options: argparse.Namespace) -> int:
    """Confirm what is handed over: the record of a file, or the look at the overlay."""
    from pathlib import Path

    from daq.cli.preparing import read_table
    from daq.errors import UsageError

    if (options.file is None) == (options.overlay is None):
        raise UsageError("give the FILE with the record of the CT, or --overlay aligned (or accepted, with --note)")
    record = {"overlay": options.overlay} if options.file is None else read_table(Path(options.file))
    if options.note:
        record["note"] = options.note
    name = {"name": options.name} if options.name else {}
    return _print_answer(options, _ask(options, "hand-over", record=record, reason=options.reason, **name))


def run_status(options: argparse.Namespace) -> int:
    """Print the state, what is possible, and alarms."""
    from daq.cli.output import print_json, print_line
    from daq.cli.stationtext import alarm_line, status_line

    status = _ask(options, "status")
    if options.json:
        print_json(status)
        return 0
    print_line(status_line(status))
    print_line(f"since {status['since_utc']}; possible: {', '.join(status['possible']) or 'nothing but waiting'}")
    if status.get("directory"):
        print_line(f"recorded in {status['directory']}")
    for alarm in status.get("alarms", []):
        print_line(alarm_line(alarm))
    return 0


def run_prepare(options: argparse.Namespace) -> int:
    """Prepare, and wait until armed; return 6 where that does not come about."""
    from daq.cli.administration import say_doubts
    from daq.cli.preparing import prepare_args

    answer = _ask(options, "prepare", **prepare_args(options))
    say_doubts(answer)
    if options.no_wait:
        return _print_answer(options, answer)
    return _follow(options, answer["run"], lambda status: status["state"] != "preparing", good={"armed"})


def run_stop(options: argparse.Namespace) -> int:
    """Stop or abort, and wait until the recording is sealed; return 6 where it ends otherwise than asked for."""
    from daq.cli.following import OVER

    answer = _ask(options, options.verb, within_s=_STOP_S, reason=options.reason)
    if options.no_wait:
        return _print_answer(options, answer)
    good = {"aborted"} if options.verb == "abort" else {"aborted", "completed"}
    return _follow(options, answer["run"], lambda status: status["state"] in OVER, good=good)


def run_watch(options: argparse.Namespace) -> int:
    """Watch until the acquisition under way has ended; return at once where none is."""
    from daq.cli.following import OVER

    def over(status: Status) -> bool:
        return not options.forever and status["state"] in {*OVER, "ready"}

    return _follow(options, None, over, any_run=options.forever, events_as_json=options.json)


def run_run(options: argparse.Namespace) -> int:
    """Prepare, start, and follow to the end.

    The first Ctrl-C stops the acquisition in order. The second leaves it to itself and raises `KeyboardInterrupt`.
    """
    from daq.cli.administration import say_doubts
    from daq.cli.following import OVER
    from daq.cli.output import say
    from daq.cli.preparing import prepare_args

    def start_once_armed(status: Status) -> None:
        if status["state"] == "armed" and not started:
            started.append(status["run"])
            _ask(options, "start")

    def over(status: Status) -> bool:
        return status["state"] in OVER

    started: list[str] = []
    prepared = _ask(options, "prepare", **prepare_args(options))
    say_doubts(prepared)
    run = prepared["run"]
    try:
        return _follow(options, run, over, on_status=start_once_armed)
    except KeyboardInterrupt:
        say("stopping: what was recorded is sealed; Ctrl-C again leaves it to the daemon")
        _ask(options, "stop", within_s=_STOP_S)
    try:
        return _follow(options, run, over)
    except KeyboardInterrupt:
        say("left alone: the acquisition ends by itself; `daq acquire status` says how")
        raise


def _ask(options: argparse.Namespace, verb: str, *, within_s: float = _ANSWER_S, **args: Any) -> dict[str, Any]:
    """Return the daemon's answer."""
    from daq.cli.localsocket import socket_of
    from daq.transports.localclient import ask_once

    return ask_once(socket_of(options), verb, args, within_s=within_s)


def _print_answer(options: argparse.Namespace, answer: dict[str, Any]) -> int:
    from daq.cli.output import print_json, print_line

    if options.json:
        print_json(answer)
    elif "since_utc" in answer:
        from daq.cli.stationtext import status_line

        print_line(status_line(answer))
    else:
        for key, value in answer.items():
            print_line(f"{key}: {value}")
    return 0


def _follow(
    options: argparse.Namespace,
    run: str | None,
    until: Callable[[Status], bool],
    *,
    good: Collection[str] = _GOOD,
    any_run: bool = False,
    events_as_json: bool = False,
    on_status: Callable[[Status], None] = lambda _: None,
) -> int:
    """Show what happens until it is there, print how it is then, and return the exit code of that."""
    from daq.cli.bars import JsonLines, display
    from daq.cli.following import Follower, Following
    from daq.cli.localsocket import socket_of
    from daq.errors import VerificationError

    shown: Display = JsonLines() if events_as_json else display(quiet=options.json)
    with shown:
        following = Following(socket_of(options), patience_s=options.patience, note=shown.note)
        follower = Follower(
            following.events(), shown.show, run=run, any_run=any_run, on_status=on_status, within_s=options.within
        )
        status = follower.follow(until)
    if not events_as_json:
        _print_end(options, status)
    return 0 if status["state"] in good else VerificationError.exit_code


def _print_end(options: argparse.Namespace, status: Status) -> None:
    """Print the state that was waited for, and where the recording is, if the daemon still says so."""
    from daq.cli.output import print_json, print_line
    from daq.cli.stationtext import status_line

    now = _ask(options, "status") if status["run"] else {}
    directory = now.get("directory") if now.get("run") == status["run"] else None
    if options.json:
        print_json({**status, "directory": directory})
        return
    print_line(status_line(status))
    if directory:
        print_line(f"recorded in {directory}")
