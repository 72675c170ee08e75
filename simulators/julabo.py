"""A JULABO circulator, which cools detectors, on a serial line and on TCP."""

from __future__ import annotations

import argparse

from simulators.instruments.julabo import Julabo
from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `julabo`."""
    add_machine_options(parser, baud=4800)
    parser.add_argument("--room", type=float, default=22.0, metavar="C", help="temperature of the room (default 22)")
    parser.add_argument("--rate", type=float, default=0.08, metavar="K/S", help="how fast its bath goes (default 0.08)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = Julabo(rate_k_per_s=arguments.rate, room_c=arguments.room)
    server = MachineServer(
        "julabo", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed,
    )  # fmt: skip
    return server.serve()
