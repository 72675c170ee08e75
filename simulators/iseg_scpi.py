"""An iseg supply that speaks SCPI, on a serial line with echo and on TCP without."""

from __future__ import annotations

import argparse

from simulators.instruments.iseg_scpi import IsegScpi
from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `iseg-scpi`."""
    add_machine_options(parser)
    parser.add_argument("--channels", type=int, default=4, help="how many (default 4)")
    parser.add_argument("--serial", default="8200005", help="its serial number (default 8200005)")
    parser.add_argument("--load-ohm", type=float, default=1e9, help="what every channel feeds (default 1e9)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = IsegScpi(serial=arguments.serial, load_ohm=arguments.load_ohm, channels=arguments.channels)
    server = MachineServer(
        "iseg-scpi", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed, often=machine.look,
    )  # fmt: skip
    return server.serve()
