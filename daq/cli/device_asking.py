"""What all verbs of `daq device` share: how the daemon is asked, how values are shown."""

from __future__ import annotations

import argparse
from typing import Any

ASK_S = 30.0


def ask(options: argparse.Namespace, verb: str, args: dict[str, Any], within_s: float = ASK_S) -> dict[str, Any]:
    """Return the daemon's answer; raise what it refuses with."""
    from daq.cli.localsocket import socket_of
    from daq.transports.localclient import ask_once

    return ask_once(socket_of(options), verb, args, within_s=within_s)


def shown(value: object) -> str:
    """Return a value as people read it; nothing for one that could not be read."""
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def unit_text(unit: str) -> str:
    """Return a unit as people write it: a pure number has none."""
    return "" if unit == "1" else unit


def with_unit(value: object, unit: str) -> str:
    """Return a value with its unit, where it has both."""
    return shown(value) if not unit_text(unit) or value is None else f"{shown(value)} {unit}"
