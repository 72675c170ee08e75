"""An iseg SHQ high voltage supply on a serial line and on TCP."""

from __future__ import annotations

import argparse

from simulators.instruments.iseg_shq import IsegShq
from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `iseg-shq`."""
    add_machine_options(parser)
    parser.add_argument("--serial", default="480132", help="its serial number (default 480132)")
    parser.add_argument("--load-ohm", type=float, default=1e9, help="what every channel feeds (default 1e9)")
    parser.add_argument("--limit", type=int, default=100, metavar="PERCENT", help="its switch Vmax (default 100)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = IsegShq(serial=arguments.serial, load_ohm=arguments.load_ohm, limit_percent=arguments.limit)
    server = MachineServer(
        "iseg-shq", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed, often=machine.look,
    )  # fmt: skip
    return server.serve()
