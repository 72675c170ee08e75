"""`daq acquire`: have the daemon run acquisitions, and watch them. Talks to the daemon's local socket alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from daq.cli import acquire_windows, administration
from daq.cli.acquire_verbs import (
    run_confirm,
    run_hand_over,
    run_mark,
    run_prepare,
    run_run,
    run_start,
    run_status,
    run_stop,
    run_verb,
    run_watch,
)

_PATIENCE_S = 60.0

Run = Callable[[argparse.Namespace], int]


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `acquire` with its verbs."""
    noun = nouns.add_parser("acquire", help="prepare, start, watch and stop acquisitions of the running daemon")
    verbs = noun.add_subparsers(metavar="VERB", required=True)

    prepare = _verb(verbs, "prepare", "check everything, position for the first step, arm", run_prepare)
    prepare.add_argument("protocol", metavar="PROTOCOL", help="id of a protocol; `daq protocol list`")
    _add_preparing(prepare)
    _add_waiting(prepare)

    everything = _verb(verbs, "run", "prepare, start, and follow to the end", run_run)
    everything.add_argument("protocol", metavar="PROTOCOL", help="id of a protocol; `daq protocol list`")
    _add_preparing(everything)
    _add_following(everything)

    start = _with_reason(_verb(verbs, "start", "begin the first step, or the one that waits", run_start))
    start.add_argument(
        "--at", metavar="TIME", help="not now, but at 14:30, 14:30:05 or a time of RFC 3339, within 24 h"
    )
    for name, text in (
        ("pause", "pause, as the kind of acquisition does"),
        ("resume", "go on after a pause"),
        ("end-step", "end the step that records, and go on to the next"),
        ("acknowledge", "return to ready after an end or a fault"),
        ("renew-arming", "let the armed acquisition wait as long again"),
        ("injected-now", "note the time of injection in the administration record"),
    ):
        _with_reason(_verb(verbs, name, text, run_verb)).set_defaults(verb=name)
    for name, text in (
        ("stop", "end in order; what was recorded is kept"),
        ("abort", "give up; what was recorded is kept"),
    ):
        stop = _with_reason(_verb(verbs, name, text, run_stop))
        stop.set_defaults(verb=name)
        _add_waiting(stop)

    mark = _with_reason(_verb(verbs, "mark", "put a text into the recording", run_mark))
    mark.add_argument("text", metavar="TEXT", help="the text; no patient's name")
    confirm = _with_reason(_verb(verbs, "confirm", "after motion was lost: state what was confirmed", run_confirm))
    confirm.add_argument("--identity", action="store_true", help="the patient's identity was confirmed")
    confirm.add_argument("--position", action="store_true", help="the patient's position was confirmed")

    administration.add_verbs(verbs)
    acquire_windows.add_verbs(verbs)
    _add_hand_over(verbs)
    _verb(verbs, "status", "say what the station is doing, and what is possible now", run_status)
    watch = _verb(verbs, "watch", "watch until the acquisition under way has ended", run_watch)
    watch.add_argument("--forever", action="store_true", help="go on watching the next ones, until interrupted")
    _add_following(watch)


def _add_hand_over(verbs: Any) -> None:
    text = "confirm what is handed over: the CT of a PET/CT, the overlay"
    handed = _with_reason(_verb(verbs, "hand-over", text, run_hand_over))
    handed.add_argument("file", nargs="?", metavar="FILE", help="the record of the CT, TOML or JSON")
    handed.add_argument("--name", metavar="STEP", help="name of the hand-over (default: the next that is missing)")
    handed.add_argument(
        "--overlay", choices=("aligned", "accepted"), help="CT and emission were looked at over each other"
    )
    handed.add_argument("--note", metavar="TEXT", help="for the record; why an overlay is accepted; no patient's name")


def _verb(verbs: Any, name: str, text: str, run: Run) -> argparse.ArgumentParser:
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    add_place(parser)
    parser.set_defaults(run=run)
    return parser


def _with_reason(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the audit log; no patient's name")
    return parser


def _add_preparing(parser: argparse.ArgumentParser) -> None:
    _with_reason(parser)
    parser.add_argument("--draft-reason", metavar="TEXT", help="why a protocol that nobody has signed is used")
    parser.add_argument("--administration", metavar="FILE", help="administration record, TOML or JSON")
    parser.add_argument("--patient", metavar="FILE", help="the patient's identity, TOML or JSON; never given otherwise")
    parser.add_argument("--entry", metavar="KEY", help="entry of the worklist (daq worklist list) that it is for")
    parser.add_argument("--continues", metavar="RUN", help="the acquisition that this one continues")
    parser.add_argument("--repeats", metavar="RUN", help="the acquisition whose views are taken again; both are kept")
    parser.add_argument(
        "--same-position-as",
        metavar="RUN",
        help="the patient has not moved since that acquisition: one frame of reference",
    )
    parser.add_argument("--study", metavar="STUDY", help="study it belongs to: its key, or one of its acquisitions")
    parser.add_argument("--session", type=int, metavar="N", help="session of the protocol to acquire (default 1)")
    parser.add_argument(
        "--patient-orientation", metavar="WAY", help="how the patient lies: HFS, HFP, HFDL, HFDR, FFS, FFP, FFDL, FFDR"
    )
    parser.add_argument("--label", metavar="TEXT", help="what you call it; no patient's name")
    parser.add_argument(
        "--override", action="append", default=[], metavar="NAME=REASON",
        help="why a requirement that is not met does not matter; may be repeated",
    )  # fmt: skip


def _add_waiting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-wait", action="store_true", help="return when it has begun, not when it is done")
    _add_following(parser)


def _add_following(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--within", type=float, metavar="S", help="stop waiting after so many seconds, exit code 7")
    parser.add_argument(
        "--patience", type=float, default=_PATIENCE_S, metavar="S",
        help=f"how long a daemon that has gone may take to come back (default {_PATIENCE_S:g})",
    )  # fmt: skip
