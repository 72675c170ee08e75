"""`daq device raise`: arm a supply, show what will happen, ask, raise it, show how it goes.

What is interrupted here is interrupted there: the supply goes back to where it came from.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from daq.errors import UsageError

_MARGIN_S = 15.0
_LOWER_S = 180.0
_SHOW_S = 1.0
_ENDINGS = (signal.SIGHUP, signal.SIGTERM)


def run_raise(options: argparse.Namespace) -> int:
    """Raise one supply, after a person has said yes to what will happen."""
    from daq.cli.device_asking import ask
    from daq.cli.output import print_json, print_line, say

    if not (options.yes or sys.stdin.isatty()):
        raise UsageError("nobody is there to be asked: --yes says that it may be raised")
    reason = {"reason": options.reason} if options.reason else {}
    wanted = {"device": options.device, "volts": options.volts, **reason}
    armed = ask(options, "arm-voltage", {**wanted, "valid_s": options.valid})
    for line in preview(armed):
        say(line)
    if not _agreed(options, armed):
        say("nothing was raised; the permit expires by itself")
        return 3
    within_s = options.within or armed["within_s"]
    done = _raised(options, {**wanted, "within_s": within_s}, armed)
    if options.json:
        print_json({"armed": armed, "raised": done})
    else:
        print_line(f"{options.device}: {done['output_v']:g} V, read back")
    return 0


def preview(armed: dict[str, Any]) -> list[str]:
    """Return what will happen, in lines for the person who has to agree."""
    limits, who = armed["limits"], armed["identity"]
    serial = f" {who['serial']}" if who["serial"] else ""
    steps = f"steps of {limits['step_v']:g} V at {limits['slope_v_per_s']:g} V/s"
    own = f"{limits['max_v']:g} V, {1e6 * limits['trip_a']:g} uA for {limits['trip_s']:g} s"
    return [
        f"{armed['device']} is {who['vendor']} {who['model']}{serial}, and is at {armed['output_v']:.1f} V",
        f"  goes to {armed['volts']:g} V in {steps}, each read back",
        f"  its own limits, written and read back: {own}",
        f"  armed for {armed['expires_s']:.0f} s; not there within {armed['within_s']:.0f} s: it goes back",
    ]


def _agreed(options: argparse.Namespace, armed: dict[str, Any]) -> bool:
    """Return True where the person types the voltage again, or said so beforehand."""
    if options.yes:
        return True
    sys.stderr.write(f"type {armed['volts']:g} to raise {armed['device']}: ")
    sys.stderr.flush()
    with suppress(ValueError):
        return float(sys.stdin.readline()) == float(armed["volts"])
    return False


def _raised(options: argparse.Namespace, args: dict[str, Any], armed: dict[str, Any]) -> dict[str, Any]:
    from daq.cli.device_asking import ask
    from daq.cli.localsocket import socket_of
    from daq.cli.output import say

    with _as_ctrl_c():
        try:
            with _showing(socket_of(options), options.device, say):
                return ask(options, "raise-voltage", args, args["within_s"] + _MARGIN_S)
        except KeyboardInterrupt:
            for number in _ENDINGS:
                signal.signal(number, signal.SIG_IGN)  # they come in pairs: the way back is said first
            before_v, least_v = armed["output_v"], armed["limits"]["tolerance_v"]
            _down(options, before_v if before_v > least_v else 0.0)
            raise


@contextmanager
def _as_ctrl_c() -> Iterator[None]:
    """Take a terminal that closes, and a request to end, for Ctrl-C: who raised it looks no more."""
    before = {each: signal.signal(each, signal.default_int_handler) for each in _ENDINGS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _down(options: argparse.Namespace, volts: float) -> None:
    """Have it go back to where it came from; off where it cannot, for on it must not go. Say what is not so."""
    from daq.cli.device_asking import ask
    from daq.cli.output import say

    with suppress(OSError):  # the terminal may be gone
        say(f"interrupted: {options.device} is told to go back to {volts:g} V")
    down = {"device": options.device, "volts": volts}
    error = ask(options, "lower-voltage", down, _LOWER_S)["high_voltage"][options.device]["error"]
    if error and volts > 0:
        say(f"{options.device}: {error}; it is told to be off")
        error = ask(options, "lower-voltage", {**down, "volts": 0.0}, _LOWER_S)["high_voltage"][options.device]["error"]
    if error:
        say(f"{options.device}: {error}")


@contextmanager
def _showing(path: Path, device: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Tell the voltage about once a second while the context lasts, as far as the daemon says it."""
    from daq.errors import ScandaqError
    from daq.transports.localclient import LocalClient

    over = threading.Event()

    def follow() -> None:
        told_s = 0.0
        with suppress(ScandaqError), LocalClient(path) as client:
            for event in client.watch("reading"):
                if over.is_set():
                    return
                said = event["data"]
                mine = event["event"] == "reading" and (said["device"], said["name"]) == (device, "voltage")
                if mine and said["quality"] in ("good", "out_of_limits") and time.monotonic() - told_s > _SHOW_S:
                    told_s = time.monotonic()
                    tell(f"  {said['value']:.1f} V")

    follower = threading.Thread(target=follow, name="follow", daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join(_SHOW_S)
