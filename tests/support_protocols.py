"""Protocols to try the rules on: small valid files, and what is said of a changed one."""

from __future__ import annotations

from pathlib import Path

from acquisition_protocols.load import checked
from daq.model.finding import Finding
from daq.model.protocol import AcquisitionProtocol

HEAD = """schema = "acquisition-protocol/1"
id = "mine"
version = 1
title = "Mine"
kind = "{kind}"
modality = "{modality}"
"""
SOURCES = """
[sources]
"*" = "Example hospital, protocol 7"
"""


def camera(steps: str, *, kind: str = "static", top: str = "") -> str:
    """Return a protocol of a two-headed camera with the window `peak`; `steps` is TOML with its own headers."""
    middle = '\n[instrument]\nheads = 2\n\n[windows.peak]\npeak = "140.5 keV"\nwidth = "20 %"\n\n'
    return HEAD.format(kind=kind, modality="gamma_camera") + top + middle + steps + SOURCES


def pet(steps: str = '[[steps]]\nname = "a"\nstop.time = "10 s"\n', *, top: str = "", kind: str = "pet") -> str:
    """Return a PET protocol; `top` is TOML with its own headers."""
    return HEAD.format(kind=kind, modality="pet") + top + steps + SOURCES


def planar(
    more: str = "", *, stop: str = 'stop.time = "10 s"', kind: str = "static", view: str = 'view = "ANT"'
) -> str:
    """Return a camera protocol with one step that has a view, a stop and `more`."""
    return camera(f'[[steps]]\nname = "a"\n{view}\n{stop}\n{more}\n', kind=kind)


SWEEP = 'sweep = { axis = "bed", from = "0 mm", to = "600 mm", speed = "10 cm/min" }'


def sweep(line: str = SWEEP, *, stop: str = 'stop.host = "10 min"', more: str = "") -> str:
    """Return a whole-body protocol with one sweep."""
    return planar(f"{line}\n{more}", stop=stop, kind="whole_body")


def spect(repeat: str, *, more: str = "") -> str:
    """Return a SPECT protocol with one repetition."""
    return camera(f'[[steps]]\nname = "stop"\nrepeat = {repeat}\nstop.time = "20 s"\n{more}\n', kind="spect")


REGION = 'stop.counts = {{ counter = "singles", limit = "1 kcounts", window = "peak", head = "view", region = [{0}] }}'


def region(*sides: str) -> str:
    """Return a stop at counts in a part of the detector: x from, y from, x to, y to."""
    return REGION.format(", ".join(f'"{side}"' for side in sides)) + '\nstop.host = "1 min"'


def judged(text: str) -> tuple[AcquisitionProtocol | None, list[Finding]]:
    """Return the protocol of a text, if there is one, and what is said about it."""
    return checked(text.encode(), Path("mine.toml"))


def said(text: str) -> list[str]:
    """Return every finding of a text as a sentence."""
    return [str(finding) for finding in judged(text)[1]]


def made(text: str) -> AcquisitionProtocol:
    """Return the protocol of a text that must be valid."""
    protocol, found = judged(text)
    assert protocol is not None, found
    return protocol
