"""Protocols as texts: steps that stand still or sweep, for stations of tests."""

from __future__ import annotations

from pathlib import Path

import device_profiles

SCANNER = "dual-head"

_HEAD = """
schema = "acquisition-protocol/1"
id = "{id}"
version = 1
title = "Of a test"
kind = "{kind}"
modality = "gamma_camera"
{more}
"""


def step(name: str, *lines: str, stop: str = 'stop.time = "60 s"', view: str = "ANT") -> str:
    """Return one stationary step of a protocol; `lines` are further keys."""
    return "\n".join(["[[steps]]", f'name = "{name}"', f'view = "{view}"', stop, 'stop.host = "120 s"', *lines, ""])


def sweep(name: str, *lines: str, end_mm: int = 500, speed: str = "200 mm/min") -> str:
    """Return a step during which the bed moves."""
    return "\n".join([
        "[[steps]]", f'name = "{name}"', 'kind = "whole_body"', 'views = ["ANT", "POST"]',
        f'sweep = {{ axis = "bed", from = "0 mm", to = "{end_mm} mm", speed = "{speed}" }}', 'stop.host = "300 s"',
        *lines, "",
    ])  # fmt: skip


def short_heads(folder: Path) -> str:
    """Write the scanner with heads so short that a body is swept in seconds; return the site's key `scanner`."""
    shipped = (Path(device_profiles.__file__).parent / "scanner" / f"{SCANNER}.toml").read_text()
    (folder / "short.toml").write_text(shipped.replace("height_mm = 400.0", "height_mm = 10.0"))
    return '"short.toml"'


def protocol(identity: str, *steps: str, more: str = "", kind: str = "static", sources: tuple[str, ...] = ()) -> str:
    """Return the text of a protocol; `more` stands before its steps."""
    named = "\n".join(f'{name} = "a test"' for name in ("steps", *sources))
    return _HEAD.format(id=identity, kind=kind, more=more) + "\n".join(steps) + f"\n[sources]\n{named}\n"
