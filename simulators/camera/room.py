"""What may come before the heads while they are served: scenes by name, of which one is there at a time.

A file names them, each with options as on the command line; a datagram `{"scene": NAME}` to the endpoint `motion`
brings one. Front ends, their clocks and what they have counted go on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from daq.errors import UsageError
from simulators.camera.live import Scan

MOST_SCENES = 100


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as an error of ours."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def read_room(path: Path) -> dict[str, list[str]]:
    """Return the options of every scene of a file. Raises `UsageError`."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as why:
        raise UsageError(f"--room {path}: {why}") from None
    if not isinstance(told, dict) or not 0 < len(told) <= MOST_SCENES:
        raise UsageError(f"--room {path}: must be an object of 1 to {MOST_SCENES} scenes: name, list of options")
    for name, options in told.items():
        if not (isinstance(options, list) and all(isinstance(option, str) for option in options)):
            raise UsageError(f"--room {path}: {name}: must be a list of options")
    return told


def scans_of(
    arguments: argparse.Namespace,
    add_options: Callable[[argparse.ArgumentParser], None],
    scan_of: Callable[[argparse.Namespace], Scan],
) -> Mapping[str, Scan]:
    """Return the scenes of `--room`; profile and scanner are those of the command line. Raises `UsageError`."""
    parser = _Parser(add_help=False)
    add_options(parser)
    scans = {}
    for name, options in read_room(arguments.room).items():
        try:
            own = parser.parse_args(["--profile", arguments.profile, "--scanner", arguments.scanner, *options])
            _require_body(own)
            scans[name] = scan_of(own)
        except UsageError as why:
            raise UsageError(f"--room {arguments.room}: {name}: {why}") from None
    return scans


def _require_body(own: argparse.Namespace) -> None:
    if own.body is None:
        raise UsageError("a scene of a room needs --body")
