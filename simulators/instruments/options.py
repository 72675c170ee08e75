"""The options of instruments on a serial line and on TCP."""

from __future__ import annotations

import argparse

from daq.errors import UsageError


def add_machine_options(parser: argparse.ArgumentParser, *, baud: int | None = 9600) -> None:
    """Register what every instrument on a serial line and TCP takes; without `baud` it has no serial line."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="IPv4 address to serve on (default %(default)s)")
    add("--port", action="append", default=[], metavar="NAME=N", help="tcp=N; 0, the default, takes a free one")
    if baud is not None:
        add("--baud", type=int, default=baud, help="how fast bytes leave on the terminal (default %(default)s)")
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
