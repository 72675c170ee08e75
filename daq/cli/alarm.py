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
    history = verbs.add_parser("history", help="what happened to alarms, the newest first")
    history.add_argument("--limit", type=int, default=20, metavar="N", help="so many, 1 to 200 (default 20)")
    history.add_argument("--before", type=int, metavar="N", help="what came before the happening of this number")
    history.add_argument("--priority", choices=("high", "medium", "low"), help="of this priority alone")
    add_place(history)
    history.set_defaults(run=run_history)
    seen = verbs.add_parser("acknowledge", help="say that an alarm was seen")
    seen.add_argument("device", metavar="DEVICE")
    seen.add_argument("name", metavar="NAME")
    add_place(seen)
    seen.set_defaults(run=run_acknowledge)


def run_list(options: argparse.Namespace) -> int:
    """Print the alarms."""
    return _print(options, _ask(options, "alarms", {})["alarms"])


def run_history(options: argparse.Namespace) -> int:
    """Print what happened to alarms."""
    from daq.cli.output import print_json, print_line

    given = {"limit": options.limit, "before": options.before, "priority": options.priority}
    page = _ask(options, "alarm-history", {name: value for name, value in given.items() if value is not None})
    if options.json:
        print_json(page)
        return 0
    for each in page["happened"]:
        by = f" by {each['by']}" if each["by"] else ""
        about = f"{each['priority']}  {each['device']} {each['name']}"
        print_line(f"{each['number']}  {each['at_utc']}  {about}  {each['what']}{by}")
        print_line(f"      {each['text']}")
        if each.get("details"):
            print_line(f"      for the engineer: {each['details']}")
    if not page["happened"]:
        print_line("nothing has happened")
    if page["before"] is not None:
        print_line(f"older ones: --before {page['before']}")
    return 0


def run_acknowledge(options: argparse.Namespace) -> int:
    """Acknowledge one, and print those that are left."""
    answer = _ask(options, "acknowledge-alarm", {"device": options.device, "name": options.name})
    return _print(options, answer["alarms"])


def _ask(options: argparse.Namespace, verb: str, args: dict[str, Any]) -> dict[str, Any]:
    from daq.cli.localsocket import socket_of
    from daq.transports.localclient import ask_once

    return ask_once(socket_of(options), verb, args, within_s=_ASK_S)


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
        if alarm.get("details"):
            print_line(f"      for the engineer: {alarm['details']}")
    if not alarms:
        print_line("no alarm")
    return 0
