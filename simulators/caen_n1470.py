"""A CAEN N1470 high voltage supply on a serial line and on TCP."""

from __future__ import annotations

import argparse

from daq.errors import UsageError
from simulators.instruments.bus import Bus
from simulators.instruments.caen import CaenN1470
from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `caen-n1470`."""
    add_machine_options(parser)
    parser.add_argument("--board", type=int, default=0, help="its number on the bus (default 0)")
    parser.add_argument(
        "--boards", type=int, default=1, choices=range(1, 32), metavar="N",
        help="so many on one wire, numbered on from --board (default 1); numbers in their serial numbers count on, too",
    )  # fmt: skip
    parser.add_argument("--serial", default="1234", help="its serial number (default 1234)")
    parser.add_argument("--load-ohm", type=float, default=1e8, help="what every channel feeds (default 1e8)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine: CaenN1470 | Bus = CaenN1470(board=arguments.board, serial=arguments.serial, load_ohm=arguments.load_ohm)
    if arguments.boards > 1:
        if not arguments.serial.isdecimal():
            raise UsageError(f"--serial {arguments.serial}: several boards count on from a number")
        first = int(arguments.serial)
        machine = Bus(
            {
                arguments.board + n: CaenN1470(
                    board=arguments.board + n, serial=str(first + n), load_ohm=arguments.load_ohm
                )
                for n in range(arguments.boards)
            }
        )
    server = MachineServer(
        "caen-n1470", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed, often=machine.look,
    )  # fmt: skip
    return server.serve()
