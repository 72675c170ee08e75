"""A Hamamatsu C11204-01 bias supply on a serial line, on TCP, and behind a terminal server with RFC 2217."""

from __future__ import annotations

import argparse

from simulators.instruments.c11204 import C11204
from simulators.instruments.options import add_machine_options, tcp_port
from simulators.instruments.serialserver import LineSetting
from simulators.instruments.server import MachineServer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `c11204`."""
    add_machine_options(parser, baud=38400)
    parser.add_argument(
        "--factors",
        default="03E803E80000000075DB00C8",
        help="its temperature factors, 24 digits, which tell modules apart",
    )
    parser.add_argument("--load-ohm", type=float, default=1e8, help="what it feeds (default 1e8)")
    parser.add_argument("--breakdown-v", type=float, default=53.0, help="above it more flows (default 53)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    machine = C11204(factors=arguments.factors, load_ohm=arguments.load_ohm, breakdown_v=arguments.breakdown_v)
    server = MachineServer(
        "c11204", machine, host=arguments.host, port=tcp_port(arguments), baud=arguments.baud,
        seed=arguments.fault_seed, often=machine.look, line=LineSetting(38400, parity="E"),
    )  # fmt: skip
    return server.serve()
