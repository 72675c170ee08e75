"""`daq device`: what devices say and do, through the daemon; and what a person does to simulated ones."""

from __future__ import annotations

import argparse
from typing import Any

_ASK_S = 10.0
_MOVE_S = 180.0


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the noun `device` with its verbs."""
    noun = nouns.add_parser("device", help="what the devices of the station say and do")
    verbs = noun.add_subparsers(metavar="VERB", required=True)
    _verb(verbs, "list", "the devices, with what they last said", run_list)
    home = _verb(verbs, "home", "find the reference of axes; the enable is held in the room meanwhile", run_home)
    home.add_argument("axes", metavar="AXIS", nargs="*", help="default: all axes")
    retreat = _verb(verbs, "retreat", "move an axis away from the patient; the enable is held meanwhile", run_retreat)
    retreat.add_argument("axis", metavar="AXIS")
    lower = _verb(verbs, "lower-voltage", "take high voltage down; always possible, for everybody", run_lower)
    lower.add_argument("device", metavar="DEVICE", nargs="?", help="default: all supplies")
    simulate = _verb(verbs, "simulate", "do to a simulated device what a person would do to a real one", run_simulate)
    simulate.add_argument("device", metavar="DEVICE", help="a simulated device, or `enable`, the button in the room")
    simulate.add_argument(
        "action", metavar="ACTION", help="e.g. hold, latch, release; a wrong one is told which there are"
    )
    simulate.add_argument("value", metavar="VALUE", nargs="?", help="a number or a word, where the action takes one")


def _verb(verbs: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    from daq.cli.localsocket import add_place

    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    add_place(parser)
    parser.set_defaults(run=run)
    return parser


def run_list(options: argparse.Namespace) -> int:
    """Print every device and its newest readings."""
    from daq.cli.output import print_json, print_table

    said = _ask(options, "describe", {}, _ASK_S)["announced"]
    readings = [record for record in said if record["kind"] == "Reading"]
    devices: dict[str, dict[str, str]] = next(
        (record["devices"] for record in said if record["kind"] == "Description"), {}
    )
    if options.json:
        print_json({"devices": devices, "readings": readings})
        return 0
    print_table("Devices", ["name", "ability", "kind"], [[n, d["ability"], d["kind"]] for n, d in devices.items()])
    rows = [[r["device"], r["name"], _shown(r["value"]), r["unit"], r["quality"]] for r in readings]
    print_table("Readings", ["device", "name", "value", "unit", "quality"], sorted(rows))
    return 0


def run_home(options: argparse.Namespace) -> int:
    """Home axes; return when they have found their reference."""
    return _moved(options, "home", {"axes": options.axes})


def run_retreat(options: argparse.Namespace) -> int:
    """Retreat one axis; return when it stands."""
    return _moved(options, "retreat", {"axis": options.axis})


def run_lower(options: argparse.Namespace) -> int:
    """Lower voltage; 6 where a supply did not come down."""
    from daq.cli.output import print_json, print_line

    said = _ask(options, "lower-voltage", {"device": options.device} if options.device else {}, _MOVE_S)["high_voltage"]
    if options.json:
        print_json({"high_voltage": said})
    else:
        for name, state in said.items():
            print_line(f"{name}: off, {_shown(state['output_v'])} V" if state["off"] else f"{name}: {state['error']}")
    return 0 if all(state["off"] for state in said.values()) else 6


def run_simulate(options: argparse.Namespace) -> int:
    """Work a simulated device."""
    from daq.cli.output import print_json

    args = {"device": options.device, "action": options.action}
    if options.value is not None:
        args["value"] = _value(options.value)
    answer = _ask(options, "simulate", args, _ASK_S)
    if options.json:
        print_json(answer)
    return 0


def _moved(options: argparse.Namespace, verb: str, args: dict[str, Any]) -> int:
    from daq.cli.output import print_json, print_line

    motion = _ask(options, verb, args, _MOVE_S)["motion"]
    if options.json:
        print_json({"motion": motion})
        return 0
    for name, axis in motion["axes"].items():
        print_line(f"{name}: {_shown(axis['position'])} {axis['unit']}{'' if axis['homed'] else ', not homed'}")
    print_line(f"positions: {motion['reference']}; {motion['needed']}")
    return 0


def _ask(options: argparse.Namespace, verb: str, args: dict[str, Any], within_s: float) -> dict[str, Any]:
    from daq.cli.localsocket import socket_of
    from daq.transports.localclient import ask_once

    return ask_once(socket_of(options), verb, args, within_s=within_s)


def _value(text: str) -> float | str | bool:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
