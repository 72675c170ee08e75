"""`daq stop-motion`: stop every axis of the station, now. Imports little: it is on the wire in a tenth of a second."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

_WITHIN_S = 5.0
_INSTEAD = "NOTHING WAS STOPPED by this command: use the emergency stop or the hand control in the room"


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    from daq.cli.localsocket import add_place

    parser = nouns.add_parser("stop-motion", help="stop every axis, now; always possible, for everybody")
    add_place(parser)
    parser.add_argument(
        "--after-exit", action="store_true", help="for the service manager: say what is left when the daemon has ended"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Return 0 where every axis is confirmed to stand, 6 where one is not; raise where no daemon answers."""
    from daq.cli.localsocket import socket_of
    from daq.errors import AccessError, DeadlineError, UnreachableError
    from daq.transports.localclient import ask_once

    path = socket_of(options)
    try:
        answer = ask_once(path, "stop-motion", within_s=_WITHIN_S)
    except UnreachableError as why:
        if options.after_exit:
            return _after_exit(options)
        raise UnreachableError(f"{why}; {_INSTEAD}") from None
    except AccessError as why:
        raise AccessError(f"{why}; {_INSTEAD}") from None
    except DeadlineError as why:
        raise DeadlineError(f"{why}; whether anything was stopped is NOT KNOWN: use the emergency stop") from None
    return _show(answer, as_json=options.json)


def _show(answer: dict[str, Any], *, as_json: bool) -> int:
    from daq.cli.output import print_json, print_line, print_table
    from daq.errors import VerificationError

    stopped = dict(answer["stopped"])
    if as_json:
        print_json(answer)
    else:
        print_line(str(stopped["text"]))
        if stopped["axes"]:
            columns = ["axis", "stands", "on the wire after", "stood after", "position"]
            print_table("", columns, [_row(axis) for axis in stopped["axes"]])
    if not stopped["ok"]:
        sys.stderr.write(f"daq: {stopped['text']}\n")
        return VerificationError.exit_code
    return 0


def _row(axis: dict[str, Any]) -> list[str]:
    def figure(key: str, unit: str) -> str:
        return "not known" if axis.get(key) is None else f"{axis[key]:.3f} {unit}"

    stands = "yes" if axis["stands"] else "NOT CONFIRMED"
    return [str(axis["axis"]), stands, figure("wire_s", "s"), figure("halted_s", "s"), figure("position", axis["unit"])]


def _after_exit(options: argparse.Namespace) -> int:
    """Say what goes on without the daemon; return 0 where nothing can move any more by its doing."""
    from daq.cli.output import print_line
    from daq.errors import UnreachableError
    from daq.readout.registry import running
    from device_profiles.places import find_site
    from device_profiles.site import load_site

    site = load_site(Path(find_site(options.site)))
    result = os.environ.get("SERVICE_RESULT")
    print_line("the daemon has ended" + (f" (result: {result})" if result else ""))
    for readout in running():
        print_line(f"{readout}; it finishes its step and seals by itself")
    axes = {name: device.kind for name, device in site.devices.items() if device.ability in ("axis", "bed")}
    within = [name for name, kind in axes.items() if kind == "simulated"]
    if within:
        print_line(f"simulated axes ended with it: {', '.join(within)}")
    print_line("high voltage is left as it is")
    outside = sorted(set(axes) - set(within))
    if outside:
        raise UnreachableError(f"axes {', '.join(outside)}: {_INSTEAD}")
    return 0
