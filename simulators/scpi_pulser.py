"""A pulse generator by SCPI on a serial line and on TCP, e.g. of test pulses for a front end."""

from __future__ import annotations

import argparse

from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.pulser import Pulser
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `scpi-pulser`."""
    add_machine_options(parser, baud=115200)
    parser.add_argument("--serial", default="31309", help="its serial number (default 31309)")
    parser.add_argument("--outputs", type=int, default=4, choices=(2, 4, 8), help="how many it has (default 4)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = Pulser(channels=arguments.outputs, serial=arguments.serial)
    server = MachineServer(
        "scpi-pulser", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed,
    )  # fmt: skip
    return server.serve()
