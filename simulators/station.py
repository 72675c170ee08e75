"""Everything that a site file names, simulated: each instrument and controller at the address that stands there.

What a contactor or a cable does between real devices is laid between simulated ones: a safety controller that cuts the
power of the drives stops the motors, and the cover of a head opens the interlock of the supplies that feed it.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from daq.errors import RefusedError
from simulators.__main__ import main, module_of
from simulators.stationplan import Part, Planned, WirePlan, plan

_READY_S = 20.0
_END_S = 5.0
_LOOK_S = 0.2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `station`."""
    parser.add_argument(
        "site", type=Path, metavar="SITE", help="the site file; what it names on this host is simulated"
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=1000.0,
        help="events a second of each detector, ten minutes for each who asks (default 1000)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped, or until one of the simulators has ended: then 1."""
    planned = plan(arguments.site, rate_cps=arguments.rate)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        children = {part.name: stack.enter_context(Forked(part)) for part in planned.parts}
        ready = {name: child.ready() for name, child in children.items()}
        for wire in planned.wires:
            _lay(wire, ready)
        print(json.dumps(_told(planned, ready)), flush=True)  # noqa: T201 - the ready line is the contract
        while not stop.wait(_LOOK_S):
            ended = [name for name, child in children.items() if child.over()]
            if ended:
                raise RefusedError(f"the simulator of {', '.join(ended)} has ended")
    return 0


class Forked:
    """One simulator as a process of its own, which has loaded already what all of them need."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._pid = 0
        self._over = False
        self._said = -1

    def __enter__(self) -> Self:
        """Let it run."""
        self._said, says = os.pipe()
        module_of(self._part.command[0])
        self._pid = os.fork()
        if self._pid == 0:
            os.dup2(says, sys.stdout.fileno())
            os.close(self._said)
            os.close(says)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os._exit(main(list(self._part.command)))
        os.close(says)
        return self

    def __exit__(self, *_: object) -> None:
        """Tell it to end; where it does not, end it."""
        os.close(self._said)
        until_s = time.monotonic() + _END_S
        if not self.over():
            os.kill(self._pid, signal.SIGTERM)
        while not self.over():
            if time.monotonic() > until_s:
                os.kill(self._pid, signal.SIGKILL)
            time.sleep(0.01)

    def over(self) -> bool:
        """Return whether it has ended."""
        if not self._over:
            self._over = os.waitpid(self._pid, os.WNOHANG)[0] != 0
        return self._over

    def ready(self) -> dict[str, Any]:
        """Return its ready line. Raises `RefusedError` where it ends, or is not ready in time."""
        line, until_s = b"", time.monotonic() + _READY_S
        while not line.endswith(b"\n"):
            here, _, _ = select.select([self._said], [], [], max(0.0, until_s - time.monotonic()))
            more = os.read(self._said, 65536) if here else b""
            if not more:
                raise RefusedError(f"{self._part.name}: the simulator does not start: {' '.join(self._part.command)}")
            line += more
        told: dict[str, Any] = json.loads(line)
        return told


def _lay(wire: WirePlan, ready: dict[str, dict[str, Any]]) -> None:
    """Ask the machine where something happens to tell the other one."""
    asked = {"do": "wire", "when": wire.when, "to": ready[wire.to]["faults"], "say": {"do": wire.say}}
    with socket.socket(socket.AF_UNIX) as side:
        side.settimeout(_END_S)
        side.connect(str(ready[wire.at]["faults"]))
        side.sendall(json.dumps(asked).encode() + b"\n")
        answer = json.loads(side.makefile().readline())
    if "error" in answer:
        raise RefusedError(f"{wire.at}: no wire to {wire.to} when {wire.when}: {answer['error']}")


def _told(planned: Planned, ready: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "ready": True, "kind": "station",
        "endpoints": {part.name: part.url for part in planned.parts},
        "sides": {name: told.get("faults") for name, told in ready.items()},
        "wires": [f"{wire.at}: {wire.when} -> {wire.to}: {wire.say}" for wire in planned.wires],
        "faults": None,
    }  # fmt: skip
