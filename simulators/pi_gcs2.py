"""PI motion controllers by the General Command Set 2, on a serial line and on TCP."""

from __future__ import annotations

import argparse

from daq.errors import UsageError
from simulators.instruments.gcs import Gcs
from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.server import MachineServer
from simulators.instruments.showing import add_tell_option, showing


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `pi-gcs2`."""
    add_machine_options(parser, baud=115200)
    parser.add_argument("--axes", type=int, default=4, choices=range(1, 7), help="how many motors (default 4)")
    parser.add_argument("--serial", default="0121000001", help="its serial number (default 0121000001)")
    parser.add_argument("--ends", default="0:400", metavar="A:B", help="of the travel, in mm or degrees (0:400)")
    add_tell_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    least, most = _ends(arguments.ends)
    machine = Gcs(axes=arguments.axes, serial=arguments.serial, least=least, most=most)
    server = MachineServer(
        "pi-gcs2", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed, often=showing(arguments, machine.motors),
    )  # fmt: skip
    return server.serve()


def _ends(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = 0.0, 0.0
    if not ends[0] < ends[1]:
        raise UsageError(f"--ends {text}: is written A:B, A below B")
    return ends
