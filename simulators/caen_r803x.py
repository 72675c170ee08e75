"""A CAEN R803x high voltage supply on a serial line and on TCP."""

from __future__ import annotations

import argparse

from simulators.instruments.caen import CaenR803x
from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `caen-r803x`."""
    add_machine_options(parser)
    parser.add_argument("--channels", type=int, choices=(8, 16), default=8, help="how many (default 8)")
    parser.add_argument("--serial", default="803", help="its serial number (default 803)")
    parser.add_argument("--load-ohm", type=float, default=1e8, help="what every channel feeds (default 1e8)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = CaenR803x(serial=arguments.serial, load_ohm=arguments.load_ohm, channels=arguments.channels)
    server = MachineServer(
        "caen-r803x", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed, often=machine.look,
    )  # fmt: skip
    return server.serve()
