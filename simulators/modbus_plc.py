"""A safety controller on Modbus TCP: interlocks, heads, watchdog of the drives."""

from __future__ import annotations

import argparse
import json

from daq.errors import UsageError
from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.plc import MOST_HEADS, InterlockPlc
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `modbus-plc`."""
    add_machine_options(parser, baud=None)
    add = parser.add_argument
    add("--unit", type=int, default=1, help="the number it answers to (default 1)")
    add("--heads", type=int, default=2, choices=range(1, MOST_HEADS + 1), help="how many it watches (default 2)")
    add("--serial", type=int, default=4711, help="its serial number (default 4711)")
    add("--wire", nargs=3, action="append", default=[], metavar=("EVENT", "SOCKET", "JSON"),
        help="""when EVENT happens, JSON is said to the side socket of another simulator,"""
             """ e.g. drive-power-off /tmp/.../faults '{"do": "cut-power"}'""")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = InterlockPlc(heads=arguments.heads, serial=arguments.serial, unit=arguments.unit)
    for event, path, say in arguments.wire:
        machine.wires.connect(event, path, _said(say))
    server = MachineServer(
        "modbus-plc", machine, host=arguments.host, port=tcp_port(arguments), baud=None, seed=arguments.fault_seed,
        often=machine.scan,
    )  # fmt: skip
    return server.serve()


def _said(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise UsageError(f"--wire: {text!r} is no JSON") from None
