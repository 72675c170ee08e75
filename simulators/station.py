"""Everything that a site file names, simulated: each instrument and controller at the address that stands there.

What a contactor or a cable does between real devices is laid between simulated ones: a safety controller that cuts the
power of the drives stops the motors, and the cover of a head opens the interlock of the supplies that feed it.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from daq.errors import RefusedError
from simulators.stationplan import Part, Planned, WirePlan, plan

_READY_S = 20.0
_END_S = 5.0
_LOOK_S = 0.2


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `station`."""
    parser.add_argument(
        "site", type=Path, metavar="SITE", help="the site file; what it names on this host is simulated"
    )
    parser.add_argument("--rate", type=float, default=2000.0, help="events a second of each detector (default 2000)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped, or until one of the simulators has ended: then 1."""
    planned = plan(arguments.site, rate_cps=arguments.rate)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        started = {part.name: stack.enter_context(_started(part)) for part in planned.parts}
        ready = {name: told for name, (_, told) in started.items()}
        for wire in planned.wires:
            _lay(wire, ready)
        print(json.dumps(_told(planned, ready)), flush=True)  # noqa: T201 - the ready line is the contract
        while not stop.wait(_LOOK_S):
            ended = [name for name, (process, _) in started.items() if process.poll() is not None]
            if ended:
                raise RefusedError(f"the simulator of {', '.join(ended)} has ended")
    return 0


@contextmanager
def _started(part: Part) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run one simulator as a process; what it says on stderr is said here, too."""
    command = [sys.executable, "-m", "simulators", *part.command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, _ready(part, process)
        finally:
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready(part: Part, process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the ready line. Raises `RefusedError` for a simulator that ends, or is not ready in time."""
    late = threading.Timer(_READY_S, process.kill)
    late.start()
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
    finally:
        late.cancel()
    if not line:
        raise RefusedError(f"{part.name}: the simulator does not start: {' '.join(part.command)}")
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
        "endpoints": {part.name: urlsplit(part.url).geturl() for part in planned.parts},
        "sides": {name: told.get("faults") for name, told in ready.items()},
        "wires": [f"{wire.at}: {wire.when} -> {wire.to}: {wire.say}" for wire in planned.wires],
        "faults": None,
    }  # fmt: skip
