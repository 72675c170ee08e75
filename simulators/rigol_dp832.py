"""A Rigol DP832 supply of low voltage, on a serial line and on TCP."""

from __future__ import annotations

import argparse

from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.rigol import RigolDp832
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `rigol-dp832`."""
    add_machine_options(parser)
    parser.add_argument("--serial", default="DP8C1234567890", help="its serial number (default %(default)s)")
    parser.add_argument("--load-ohm", type=float, default=100.0, help="what every output feeds (default 100)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = RigolDp832(serial=arguments.serial, load_ohm=arguments.load_ohm)
    server = MachineServer(
        "rigol-dp832", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed,
    )  # fmt: skip
    return server.serve()
