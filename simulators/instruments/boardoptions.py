"""The options of boards of registers on UDP and TCP."""

from __future__ import annotations

import argparse

from daq.errors import UsageError


def add_board_options(parser: argparse.ArgumentParser) -> None:
    """Register what every board takes."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="IPv4 address to serve on (default %(default)s)")
    add(
        "--port", action="append", default=[], metavar="NAME=N", help="udp=N or tcp=N; 0, the default, takes a free one"
    )
    add("--serial", type=int, default=1234, help="its serial number (default %(default)s)")
    add("--fault-seed", type=int, default=0, metavar="S", help="of the chances of faults")


def ports(arguments: argparse.Namespace) -> dict[str, int]:
    """Return the ports that were asked for by name. Raises `UsageError`."""
    found = {}
    for text in arguments.port:
        name, _, number = text.partition("=")
        if name not in ("udp", "tcp") or not number.isdecimal() or int(number) > 65535:  # noqa: PLR2004
            raise UsageError(f"--port {text}: udp=N and tcp=N are possible, N from 0 to 65535")
        found[name] = int(number)
    return found
