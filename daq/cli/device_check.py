"""`daq device check`: who answers, how sound the wires are, what is against raising and moving now."""

from __future__ import annotations

import argparse
from typing import Any

_FAILED = 6
_AT_BEST_S = 30.0


def run_check(options: argparse.Namespace) -> int:
    """Print what the daemon found; 6 where a controller does not answer or a reading is not current."""
    from daq.cli.device_asking import ask
    from daq.cli.output import print_json

    found = ask(options, "check", {"device": options.device} if options.device else {}, _AT_BEST_S)
    failed = any(each["error"] for each in found["controllers"].values()) or any(
        each["not_current"] for each in found["devices"].values()
    )
    if options.json:
        print_json({**found, "ok": not failed})
    else:
        _print(found)
    return _FAILED if failed else 0


def _print(found: dict[str, Any]) -> None:
    from daq.cli.output import print_line, print_table

    controllers, devices = found["controllers"], found["devices"]
    if controllers:
        rows = [[name, each["profile"], _who(each), _tally(each["tally"])] for name, each in controllers.items()]
        print_table("Controllers", ["name", "profile", "is", "wire so far"], rows)
        for name, each in controllers.items():
            if each["wire"] != "sound":
                print_line(f"  {name}: nothing it says is believed now: {each['wire']}")
    if devices:
        rows = [[name, _place(each), _current(each), _against(each)] for name, each in devices.items()]
        print_table("Devices", ["name", "on", "readings", "against using it"], rows)


def _who(controller: dict[str, Any]) -> str:
    who = controller["identity"]
    if who is None:
        return f"not answering: {controller['error']}"
    serial = f" serial {who['serial']}" if who["serial"] else ""
    return f"{who['vendor']} {who['model']}{serial}, {1e3 * controller['took_s']:.0f} ms"


def _tally(tally: dict[str, int]) -> str:
    counted = [f"{tally[key]} {word}" for key, word in _COUNTED if tally.get(key)]
    done = [f"{word} {_times(tally[key])}" for key, word in _DONE if tally.get(key)]
    return ", ".join([f"{tally['exchanges']} exchanges", *counted, *done])


_COUNTED = (("lost", "lost"), ("strays", "strays"), ("resent", "said again"))
_DONE = (("resyncs", "made sure"), ("opened", "opened"))


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _place(device: dict[str, Any]) -> str:
    return " ".join(filter(None, (device["controller"], device["channel"])))


def _current(device: dict[str, Any]) -> str:
    number, old = len(device["readings"]), device["not_current"]
    beyond = [f"{each['name']} {each['level']}" for each in device["readings"] if each["level"]]
    return ", ".join([f"{number - old} of {number} current" if number else "none", *beyond])


def _against(device: dict[str, Any]) -> str:
    if device["against_raising"] is not None:
        return "; ".join(device["against_raising"]) or "nothing; it has to be armed"
    if device["against_moving"] is not None:
        return "; ".join(device["against_moving"]) or "nothing"
    return ""
