"""Options of the commands that talk to a running daemon, and where its socket is."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which daemon is meant, and `--json`."""
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--site", metavar="FILE", help="site file; else $SCANDAQ_SITE, the user's, the machine's")
    place.add_argument("--socket", metavar="PATH", help="the local socket itself, instead of a site file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def socket_of(options: argparse.Namespace) -> Path:
    """Return the local socket that the options name. Raises `MissingError` or `ProfileError`."""
    from device_profiles.places import find_site, local_socket

    return Path(options.socket) if options.socket else local_socket(find_site(options.site))
