"""`daq device`: what devices say and do, through the daemon; and what a person does to simulated ones."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from daq.cli.device_asking import ask, shown, unit_text
from daq.cli.device_check import run_check
from daq.cli.device_raise import run_raise
from daq.cli.device_values import run_clear, run_do, run_read, run_set, run_watch

_ASK_S = 10.0
_MOVE_S = 180.0
_MOST_ARMED_S = 600.0
_PATIENT_S = 3.0
_STILL_UP = "not down yet, or it does not answer; the daemon tells it again and again"


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `device` with its verbs."""
    noun = nouns.add_parser("device", help="what the devices of the station say and do")
    verbs = noun.add_subparsers(metavar="VERB", required=True)
    _verb(verbs, "list", "the devices, with what they last said", run_list)
    check = _verb(verbs, "check", "who answers, how sound wires are, what is against raising and moving", run_check)
    check.add_argument("device", metavar="NAME", nargs="?", help="a device or controller; default: all")
    _add_values(verbs)
    _add_voltage(verbs)
    _add_moving(verbs)
    simulate = _verb(verbs, "simulate", "do to a simulated device what a person would do to a real one", run_simulate)
    simulate.add_argument("device", metavar="DEVICE", help="a simulated device, or `enable`, the button in the room")
    simulate.add_argument(
        "action", metavar="ACTION", help="e.g. hold, latch, release; a wrong one is told which there are"
    )
    simulate.add_argument("value", metavar="VALUE", nargs="?", help="a number or a word, where the action takes one")


def _add_values(verbs: Any) -> None:
    read = _verb(verbs, "read", "read a device or a controller now", run_read)
    read.add_argument("device", metavar="NAME", help="a device or controller of the site file")
    read.add_argument("name", metavar="VALUE", nargs="?", help="default: all that is read regularly")
    put = _verb(verbs, "set", "set a value that neither energises nor moves, and read it back", run_set)
    put.add_argument("device", metavar="NAME", help="a device or controller of the site file")
    put.add_argument("name", metavar="VALUE", help="a value or register of its control profile")
    put.add_argument("value", metavar="NUMBER", help="in the unit of the profile; 0x... for registers")
    act = _verb(verbs, "do", "do an action of a controller that neither energises nor moves", run_do)
    act.add_argument("device", metavar="NAME", help="a device or controller of the site file")
    act.add_argument("action", metavar="ACTION", help="of its control profile")
    for parser in (read, put, act):
        parser.add_argument("--channel", metavar="CHANNEL", help="of a controller that has channels")
    clear = _verb(verbs, "clear", "let a controller forget a trip or stall whose cause is gone", run_clear)
    clear.add_argument("device", metavar="NAME", help="a device or controller of the site file")
    for parser in (put, act, clear):
        parser.add_argument("--reason", metavar="TEXT", default="", help="for the audit log")
    watch = _verb(verbs, "watch", "print readings and alarms as they come", run_watch)
    watch.add_argument("devices", metavar="DEVICE", nargs="*", help="default: all")
    watch.add_argument("--for", dest="seconds", type=_positive, metavar="SECONDS", help="default: until interrupted")


def _add_voltage(verbs: Any) -> None:
    up = _verb(verbs, "raise", "raise a supply: armed, shown, agreed, step by step, each read back", run_raise)
    up.add_argument("device", metavar="DEVICE", help="a high voltage")
    up.add_argument("volts", metavar="VOLTS", type=_positive, help="as a magnitude")
    up.add_argument("--within", type=_positive, metavar="SECONDS", help="default: what its slope needs, thrice")
    up.add_argument("--valid", type=_valid, metavar="SECONDS", default=60.0, help="how long it stays armed, up to 600")
    up.add_argument("--yes", action="store_true", help="do not ask")
    up.add_argument("--reason", metavar="TEXT", default="", help="for the audit log")
    lower = _verb(verbs, "lower-voltage", "take high voltage down; always possible, for everybody", run_lower)
    lower.add_argument("device", metavar="DEVICE", nargs="?", help="default: all supplies")
    lower.add_argument("--to", type=_not_negative, metavar="VOLTS", help="default: off")


def _add_moving(verbs: Any) -> None:
    home = _verb(verbs, "home", "find the reference of axes; the enable is held in the room meanwhile", run_home)
    home.add_argument("axes", metavar="AXIS", nargs="*", help="default: all axes")
    retreat = _verb(verbs, "retreat", "move an axis away from the patient; the enable is held meanwhile", run_retreat)
    retreat.add_argument("axis", metavar="AXIS")


def _positive(text: str) -> float:
    """Return a number above zero."""
    if (number := _number(text)) is None or number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def _valid(text: str) -> float:
    """Return for how long a supply may be armed, in seconds."""
    if (number := _number(text)) is None or not 0 < number <= _MOST_ARMED_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0, up to {_MOST_ARMED_S:g}")
    return number


def _not_negative(text: str) -> float:
    """Return a number from zero on."""
    if (number := _number(text)) is None or number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on: a voltage is a magnitude")
    return number


def _number(text: str) -> float | None:
    """Return a finite number; None for anything else."""
    with suppress(ValueError):
        if math.isfinite(number := float(text)):
            return number
    return None


def _verb(verbs: Any, name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    add_place(parser)
    parser.set_defaults(run=run)
    return parser


def run_list(options: argparse.Namespace) -> int:
    """Print every device and its newest readings."""
    from daq.cli.output import print_json, print_table

    said = ask(options, "describe", {}, _ASK_S)["announced"]
    readings = [record for record in said if record["kind"] == "Reading"]
    devices: dict[str, dict[str, str]] = next(
        (record["devices"] for record in said if record["kind"] == "Description"), {}
    )
    if options.json:
        print_json({"devices": devices, "readings": readings})
        return 0
    print_table("Devices", ["name", "ability", "kind"], [[n, d["ability"], d["kind"]] for n, d in devices.items()])
    rows = [[r["device"], r["name"], shown(r["value"]), unit_text(r["unit"]), _quality(r)] for r in readings]
    print_table("Readings", ["device", "name", "value", "unit", "quality"], sorted(rows))
    return 0


def _quality(reading: dict[str, Any]) -> str:
    return f"{reading['quality']}, {reading['level']}" if reading.get("level") else str(reading["quality"])


def run_home(options: argparse.Namespace) -> int:
    """Home axes; return when they have found their reference."""
    return _moved(options, "home", {"axes": options.axes})


def run_retreat(options: argparse.Namespace) -> int:
    """Retreat one axis; return when it stands."""
    return _moved(options, "retreat", {"axis": options.axis})


def run_lower(options: argparse.Namespace) -> int:
    """Lower voltage; 6 where a supply did not come down."""
    import threading

    from daq.cli.output import print_json, print_line, say

    args = {"device": options.device} if options.device else {}
    args |= {"volts": options.to} if options.to else {}
    waiting = threading.Timer(_PATIENT_S, say, (_STILL_UP,))
    waiting.daemon = True
    waiting.start()
    try:
        said = ask(options, "lower-voltage", args, _MOVE_S)["high_voltage"]
    finally:
        waiting.cancel()
    if options.json:
        print_json({"high_voltage": said})
    else:
        for name, state in said.items():
            off = "off, " if state["off"] else ""
            print_line(f"{name}: {state['error'] or off + shown(state['output_v']) + ' V'}")
    return 0 if not any(state["error"] for state in said.values()) else 6


def run_simulate(options: argparse.Namespace) -> int:
    """Work a simulated device."""
    from daq.cli.output import print_json

    args = {"device": options.device, "action": options.action}
    if options.value is not None:
        args["value"] = _value(options.value)
    answer = ask(options, "simulate", args, _ASK_S)
    if options.json:
        print_json(answer)
    return 0


def _moved(options: argparse.Namespace, verb: str, args: dict[str, Any]) -> int:
    from daq.cli.output import print_json, print_line

    motion = ask(options, verb, args, _MOVE_S)["motion"]
    if options.json:
        print_json({"motion": motion})
        return 0
    for name, axis in motion["axes"].items():
        print_line(f"{name}: {shown(axis['position'])} {axis['unit']}{'' if axis['homed'] else ', not homed'}")
    print_line(f"positions: {motion['reference']}; {motion['needed']}")
    return 0


def _value(text: str) -> float | str | bool:
    if text in ("true", "false"):
        return text == "true"
    number = _number(text)
    return text if number is None else number
