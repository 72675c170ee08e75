"""`daq device read|set|do|clear|watch`: single values, now or as they come."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

_FAILED = 6
_MOST_FOR_S = 86_400.0


def run_read(options: argparse.Namespace) -> int:
    """Print values that were read now; 6 where one could not be."""
    from daq.cli.device_asking import ask, shown, unit_text
    from daq.cli.output import print_json, print_table

    args = {"device": options.device, "name": options.name, "channel": options.channel}
    answer = ask(options, "read", {key: value for key, value in args.items() if value is not None})
    if options.json:
        print_json(answer)
    else:
        rows = [
            [each["name"], each.get("channel", ""), shown(each["value"]), unit_text(each["unit"]), _remark(each)]
            for each in answer["read"]
        ]
        print_table(answer["device"], ["name", "channel", "value", "unit", "remark"], rows)
    return _FAILED if any(each["error"] for each in answer["read"]) else 0


def _remark(read: dict[str, Any]) -> str:
    return str(read["error"] or read["level"] or ", ".join(read.get("flags", [])))


def run_set(options: argparse.Namespace) -> int:
    """Set a value, and print what it was and is."""
    from daq.cli.device_asking import ask, with_unit
    from daq.cli.output import print_json, print_line

    args = {"device": options.device, "name": options.name, "value": _number_or_text(options.value)}
    args |= {"channel": options.channel} if options.channel else {}
    args |= {"reason": options.reason} if options.reason else {}
    answer = ask(options, "set", args)
    if options.json:
        print_json(answer)
        return 0
    unit = answer["set"]["unit"]
    proof = "read back" if answer["proven"] else "its profile names no read-back"
    change = f"{with_unit(answer['old'], unit)} -> {with_unit(answer['new'], unit)}"
    print_line(f"{options.device} {options.name}: {change} ({proof})")
    return 0


def run_clear(options: argparse.Namespace) -> int:
    """Let a controller forget what it tripped or stalled for."""
    from daq.cli.device_asking import ask
    from daq.cli.output import print_json, print_line

    args = {"device": options.device, **({"reason": options.reason} if options.reason else {})}
    answer = ask(options, "clear", args)
    if options.json:
        print_json(answer)
    else:
        print_line(f"{options.device}: {answer['cleared']} said; nothing is raised or moved by that")
    return 0


def run_do(options: argparse.Namespace) -> int:
    """Do an action, and say whether a reading has confirmed it."""
    from daq.cli.device_asking import ask
    from daq.cli.output import print_json, print_line

    args = {"device": options.device, "action": options.action}
    args |= {"channel": options.channel} if options.channel else {}
    args |= {"reason": options.reason} if options.reason else {}
    answer = ask(options, "act", args)
    if options.json:
        print_json(answer)
    else:
        proof = "confirmed by a reading" if answer["proven"] else "its profile names no reading that confirms it"
        print_line(f"{options.device}: {answer['done']} ({proof})")
    return 0


def run_watch(options: argparse.Namespace) -> int:
    """Print readings and alarms as they come, for a while or until interrupted; `--json`: one object a line."""
    from daq.cli.localsocket import socket_of
    from daq.transports.localclient import LocalClient

    told = _as_json if options.json else _as_text
    if options.devices:
        _demand_known(options)
    until_s = time.monotonic() + min(options.seconds or _MOST_FOR_S, _MOST_FOR_S)
    with LocalClient(socket_of(options)) as client:
        for event in client.watch("reading", "alarm"):
            if time.monotonic() > until_s:
                break
            if event["event"] in ("reading", "alarm") and _wanted(event["data"]["device"], options.devices):
                told(event)
    return 0


def _demand_known(options: argparse.Namespace) -> None:
    """Raise `MissingError` for a name of which nothing would ever be told."""
    from daq.cli.device_asking import ask
    from daq.errors import MissingError
    from daq.model.tables import close_names

    known: dict[str, object] = {}
    for record in ask(options, "describe", {})["announced"]:
        named = [*record["devices"], *record["controllers"]] if record["kind"] == "Description" else []
        known |= dict.fromkeys([*named, record["device"]] if "device" in record else named)
    for name in options.devices:
        if name not in known:
            raise MissingError(f"there is no device or controller {name!r}; {close_names(name, known)}")


def _wanted(device: str, devices: list[str]) -> bool:
    return not devices or device in devices


def _as_json(event: dict[str, Any]) -> None:
    import json
    import sys

    sys.stdout.write(json.dumps({"kind": event["event"], **event["data"]}) + "\n")
    sys.stdout.flush()


def _as_text(event: dict[str, Any]) -> None:
    import sys

    from daq.cli.output import print_line

    line: Callable[[dict[str, Any]], str] = reading_line if event["event"] == "reading" else alarm_line
    print_line(line(event["data"]))
    sys.stdout.flush()


def reading_line(said: dict[str, Any]) -> str:
    """Return a reading in one line. One that is not current says so, and since when, in place of a bare number."""
    from daq.cli.device_asking import with_unit

    value = with_unit(said["value"], said["unit"])
    what = f"{said['read_utc'][11:19]} {said['device']} {said['name']}"
    if said["quality"] == "stale":
        return f"{what}: not current; last {value}"
    if said["quality"] == "comm_fail":
        return f"{what}: cannot be read"
    return f"{what}: {value}" + (f"  {said['level'].upper()}" if said["level"] else "")


def alarm_line(said: dict[str, Any]) -> str:
    """Return an alarm in one line."""
    state = "" if said["active"] else ", over"
    return f"{said['since_utc'][11:19]} ALARM {said['priority']}{state}: {said['text']}; {said['guidance']}"


def _number_or_text(text: str) -> float | str:
    try:
        number = float(int(text, 16)) if text.lower().startswith("0x") else float(text)
    except (ValueError, OverflowError):
        return text
    return number if math.isfinite(number) else text  # the daemon says what is wrong with it
