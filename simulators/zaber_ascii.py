"""Zaber motion controllers by their ASCII protocol, on a serial line and on TCP."""

from __future__ import annotations

import argparse

from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.server import MachineServer
from simulators.instruments.showing import add_tell_option, showing
from simulators.instruments.zaber import Zaber


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `zaber-ascii`."""
    add_machine_options(parser, baud=115200)
    parser.add_argument("--device", type=int, default=1, help="its number on the chain (default 1)")
    parser.add_argument("--axes", type=int, default=1, choices=range(1, 10), help="how many motors (default 1)")
    parser.add_argument("--serial", default="45678", help="its serial number (default 45678)")
    parser.add_argument("--travel", type=float, default=1e6, metavar="MICROSTEPS", help="up to its far limit (1e6)")
    add_tell_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = Zaber(device=arguments.device, axes=arguments.axes, serial=arguments.serial, most=arguments.travel)
    server = MachineServer(
        "zaber-ascii", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed, often=showing(arguments, machine.motors),
    )  # fmt: skip
    return server.serve()
