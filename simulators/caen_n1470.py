"""A CAEN N1470 high voltage supply on a serial line and on TCP."""

from __future__ import annotations

import argparse

from daq.errors import UsageError
from simulators.instruments.caen import CaenN1470
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `caen-n1470`."""
    add_machine_options(parser)
    parser.add_argument("--board", type=int, default=0, help="its number on the bus (default 0)")
    parser.add_argument("--serial", default="1234", help="its serial number (default 1234)")
    parser.add_argument("--load-ohm", type=float, default=1e8, help="what every channel feeds (default 1e8)")


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Register what every instrument on a serial line and TCP takes."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="IPv4 address to serve on (default %(default)s)")
    add("--port", action="append", default=[], metavar="NAME=N", help="tcp=N; 0, the default, takes a free one")
    add("--baud", type=int, default=9600, help="how fast bytes leave on the terminal (default %(default)s)")
    add("--fault-seed", type=int, default=0, metavar="S", help="of the chances of faults")


def tcp_port(arguments: argparse.Namespace) -> int:
    """Return the port of TCP that was asked for. Raises `UsageError`."""
    port = 0
    for text in arguments.port:
        name, _, number = text.partition("=")
        if name != "tcp" or not number.isdecimal() or int(number) > 65535:  # noqa: PLR2004
            raise UsageError(f"--port {text}: tcp=N is possible, N from 0 to 65535")
        port = int(number)
    return port


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = CaenN1470(board=arguments.board, serial=arguments.serial, load_ohm=arguments.load_ohm)
    server = MachineServer(
        "caen-n1470", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed,
    )  # fmt: skip
    return server.serve()
