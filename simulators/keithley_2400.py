"""A Keithley 2400 or 2470 source meter on a serial line and on TCP."""

from __future__ import annotations

import argparse
import math

from simulators.instruments.keithley import Keithley
from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `keithley-2400`."""
    add_machine_options(parser)
    parser.add_argument("--model", choices=("2400", "2470"), default="2400", help="which one (default 2400)")
    parser.add_argument("--serial", default="1077777", help="its serial number (default 1077777)")
    parser.add_argument("--load-ohm", type=float, default=1e9, help="what it feeds (default 1e9)")
    parser.add_argument("--breakdown-v", type=float, default=math.inf, help="above it more flows (default never)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = Keithley(
        arguments.model, serial=arguments.serial, load_ohm=arguments.load_ohm, breakdown_v=arguments.breakdown_v
    )
    server = MachineServer(
        "keithley-2400", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed,
    )  # fmt: skip
    return server.serve()
