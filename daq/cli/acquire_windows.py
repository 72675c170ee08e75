"""`daq acquire window` and `repeak`: the energy windows of the exam that is armed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any

from daq.errors import UsageError

_ANSWER_S = 90.0
_EDGES = re.compile(r"(?P<name>[^=]+)=(?P<low>\d+(\.\d+)?)-(?P<high>\d+(\.\d+)?)( ?keV)?")


def add_verbs(verbs: Any) -> None:
    """Add `window` and `repeak`."""
    window = _verb(verbs, "window", "use other energy windows for the exam that is armed", run_window)
    window.add_argument("windows", nargs="+", metavar="WINDOW", help='NAME=LOW-HIGH keV, e.g. "photopeak=129-157 keV"')
    repeak = _verb(verbs, "repeak", "measure where the photopeak is; of a source, move the window with it", run_repeak)
    repeak.add_argument("--window", metavar="NAME", help="energy window of the protocol (default: its first)")
    repeak.add_argument("--source", action="store_true", help="a source is before the heads, and no patient")


def run_window(options: argparse.Namespace) -> int:
    """Set windows, and print what differs from the protocol now."""
    return _told(options, "energy-window", windows=edges_of(options.windows))


def run_repeak(options: argparse.Namespace) -> int:
    """Measure, and print the shift."""
    window = {"window": options.window} if options.window else {}
    return _told(options, "repeak", source=options.source, **window)


def edges_of(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return windows of `NAME=LOW-HIGH keV` texts. Raises `UsageError` for another."""
    found = []
    for text in texts:
        said = _EDGES.fullmatch(text.strip())
        if said is None:
            raise UsageError(f'window {text!r}: write NAME=LOW-HIGH keV, e.g. "photopeak=129-157 keV"')
        found.append({"window": said["name"], "lower_kev": float(said["low"]), "upper_kev": float(said["high"])})
    return found


def _verb(verbs: Any, name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    add_place(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the record; no patient's name")
    parser.set_defaults(run=run)
    return parser


def _told(options: argparse.Namespace, verb: str, **args: Any) -> int:
    from daq.cli.localsocket import socket_of
    from daq.cli.output import print_json, print_line
    from daq.transports.localclient import ask_once

    answer = ask_once(socket_of(options), verb, {**args, "reason": options.reason}, within_s=_ANSWER_S)
    if options.json:
        print_json(answer)
        return 0
    lines = [answer["said"]] if "said" in answer else [each["sentence"] for each in answer["changes"]]
    for line in lines or ["energy windows are as the protocol has them"]:
        print_line(line)
    return 0
