"""`daq alarm`: the alarms of the station, and saying that one was seen."""

from __future__ import annotations

import argparse
from typing import Any

_ASK_S = 10.0


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `alarm` with its verbs."""
    from daq.cli.localsocket import add_place

    noun = nouns.add_parser("alarm", help="the alarms of the station")
    verbs = noun.add_subparsers(metavar="VERB", required=True)
    listed = verbs.add_parser("list", help="the alarms that are shown, the most important first")
    add_place(listed)
    listed.set_defaults(run=run_list)
    seen = verbs.add_parser("acknowledge", help="say that an alarm was seen")
    seen.add_argument("device", metavar="DEVICE")
    seen.add_argument("name", metavar="NAME")
    add_place(seen)
    seen.set_defaults(run=run_acknowledge)


def run_list(options: argparse.Namespace) -> int:
    """Print the alarms."""
    return _print(options, _ask(options, "alarms", {}))


def run_acknowledge(options: argparse.Namespace) -> int:
    """Acknowledge one, and print those that are left."""
    return _print(options, _ask(options, "acknowledge-alarm", {"device": options.device, "name": options.name}))


def _ask(options: argparse.Namespace, verb: str, args: dict[str, Any]) -> list[dict[str, Any]]:
    from daq.cli.localsocket import socket_of
    from daq.transports.localclient import ask_once

    return list(ask_once(socket_of(options), verb, args, within_s=_ASK_S)["alarms"])


def _print(options: argparse.Namespace, alarms: list[dict[str, Any]]) -> int:
    from daq.cli.output import print_json, print_line

    if options.json:
        print_json({"alarms": alarms})
        return 0
    for alarm in alarms:
        over = "" if alarm["active"] else ", over"
        by = f", seen by {alarm['acknowledged_by']}" if alarm["acknowledged_by"] else ""
        print_line(f"{alarm['priority']}  {alarm['device']} {alarm['name']}  since {alarm['since_utc']}{over}{by}")
        print_line(f"      {alarm['text']}; {alarm['guidance']}")
    if not alarms:
        print_line("no alarm")
    return 0
