"""A Red Pitaya with its SCPI server, on TCP."""

from __future__ import annotations

import argparse

from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.pitaya import RedPitaya
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `redpitaya-scpi`."""
    add_machine_options(parser, baud=None)
    parser.add_argument("--board", default="STEMlab 125-14 v1.1", help="which it says it is (default %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = RedPitaya(model=arguments.board)
    server = MachineServer(
        "redpitaya-scpi", machine, host=arguments.host, port=tcp_port(arguments), baud=None, seed=arguments.fault_seed
    )
    return server.serve()
