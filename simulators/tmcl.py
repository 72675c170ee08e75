"""Trinamic motion modules by TMCL, on a serial line and on TCP."""

from __future__ import annotations

import argparse

from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.server import MachineServer
from simulators.instruments.showing import add_tell_option, showing
from simulators.instruments.tmcl import Tmcl


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `tmcl`."""
    add_machine_options(parser, baud=115200)
    parser.add_argument("--module", type=int, default=1, help="its address on the bus (default 1)")
    parser.add_argument("--axes", type=int, default=6, choices=range(1, 7), help="how many motors (default 6)")
    parser.add_argument("--serial", type=int, default=1001, help="the number in its user variable 55 (default 1001)")
    parser.add_argument("--travel", type=float, default=1e6, metavar="MICROSTEPS", help="up to its far limit (1e6)")
    add_tell_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = Tmcl(axes=arguments.axes, number=arguments.module, serial=arguments.serial, most=arguments.travel)
    server = MachineServer(
        "tmcl", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed, often=showing(arguments, machine.motors),
    )  # fmt: skip
    return server.serve()
