"""From options of the command line, and what a recording says of itself, to how its singles are sorted again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from daq.errors import FormatError, MismatchError, RefusedError, UsageError
from daq.model.coincidence import PairingRule, Policy
from daq.model.coincidence_rules import findings
from daq.model.finding import errors
from daq.model.quantity import TIME, parse_quantity
from daq.model.scanner import Ring, ScannerProfile
from daq.model.tables import refusal
from daq.model.windows import EnergyWindow, WindowSet

if TYPE_CHECKING:
    from daq.model.processing import Processing
    from daq.storage.manifest import Manifest

NONE = "none"
"""Takes away what was recorded: the delayed window, the energy windows, the axial limit."""

_NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
_WINDOW = re.compile(rf"(?P<name>[A-Za-z0-9][\w .+-]{{0,39}})=(?P<low>{_NUMBER})-(?P<high>{_NUMBER}) ?keV", re.ASCII)


@dataclass(frozen=True, slots=True)
class Said:
    """What was asked for, as text; None: as recorded."""

    scanner: str | None = None
    half_window: str | None = None
    delay: str | None = None
    policy: str | None = None
    windows: Sequence[str] = ()
    minimum_sector_difference: int | None = None
    max_ring_difference: str | None = None
    timing_sigma: str | None = None


def rule_of(
    manifest: Manifest, recorded: Processing, said: Said
) -> tuple[PairingRule, tuple[EnergyWindow, ...] | None]:
    """Return the rule, and the energy windows where others than the recorded ones are wanted.

    Raise `UsageError` for what cannot be read or is missing, `MismatchError` for another instrument's scanner,
    `RefusedError` for windows that cannot be.
    """
    rule = recorded.pairing.model_dump(mode="python") if recorded.pairing else {}
    windows = _windows(said.windows)
    asked: dict[str, Any] = {
        "half_window_ps": _time("--half-window", said.half_window),
        "timing_sigma_ps": _time("--timing-sigma", said.timing_sigma),
        "delay_ps": None if said.delay == NONE else _time("--delay", said.delay),
        "policy": _policy(said.policy),
        "minimum_sector_difference": said.minimum_sector_difference,
        "max_ring_difference": _ring_difference(said.max_ring_difference),
        "windows": None if windows is None else tuple(window.name for window in windows),
        "ring": _ring(manifest, recorded, said.scanner),
    }
    taken_away = [name for name, text in (("delay_ps", said.delay), ("max_ring_difference", said.max_ring_difference))
                  if text == NONE]  # fmt: skip
    rule |= {name: value for name, value in asked.items() if value is not None} | dict.fromkeys(taken_away)
    if "half_window_ps" not in rule:
        raise UsageError('--half-window is missing, and the recording names none; write e.g. --half-window "2.25 ns"')
    try:
        return PairingRule(**rule), windows
    except ValidationError as why:
        raise UsageError(_beyond(why)) from None


def judged(rule: PairingRule, *, force: bool) -> list[str]:
    """Return what a person should know of a rule; raise `RefusedError` for what loses true pairs or cannot be.

    With `force` what loses pairs is only told; where nothing could be paired at all is refused by the sorter itself.
    """
    found = list(findings(rule, key="rule"))
    wrong = errors(found)
    if wrong and not force:
        raise RefusedError(f"{refusal('the settings', wrong)}; --force sorts all the same")
    return [str(finding) for finding in found]


def window_of(text: str) -> EnergyWindow:
    """Return the window of `NAME=LOW-HIGH keV`. Raise `UsageError`, or `RefusedError` for bounds that cannot be."""
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise UsageError(f'--window {text!r}: write NAME=LOW-HIGH keV, e.g. "photopeak=430-650 keV"')
    return EnergyWindow(float(found["low"]), float(found["high"]), found["name"])


def _windows(texts: Sequence[str]) -> tuple[EnergyWindow, ...] | None:
    if not texts:
        return None
    if NONE in texts:
        if len(texts) > 1:
            raise UsageError(f"--window {NONE} and other windows exclude each other")
        return ()
    return WindowSet(tuple(window_of(text) for text in texts)).windows


def _beyond(why: ValidationError) -> str:
    """Say which option is beyond its limit, and what that is."""
    first = why.errors()[0]
    name, context = str(first["loc"][0]), first.get("ctx", {})
    unit = " ps" if name.endswith("_ps") else ""
    option = "--" + name.removesuffix("_ps").replace("minimum", "min").replace("_", "-")
    if "le" in context:
        return f"{option}: {first['input']}{unit}; at most {context['le']}{unit}"
    return f"{option}: {first['input']}{unit}; at least {context.get('ge', 1)}{unit}"


def _time(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_quantity(text, TIME).ps
    except RefusedError as why:
        raise UsageError(f"{option} {text!r}: {why}") from None


def _policy(text: str | None) -> Policy | None:
    if text is None:
        return None
    try:
        return Policy(text)
    except ValueError:
        raise UsageError(f"--policy {text!r}: possible are {', '.join(Policy)}") from None


def _ring_difference(text: str | None) -> int | None:
    if text is None or text == NONE:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise UsageError(f"--max-ring-difference {text!r}: a number of rings, or {NONE}")
    return int(text)


def scanner_of(manifest: Manifest, name: str) -> ScannerProfile:
    """Return the scanner that is named. Raise `MismatchError` for one that is made of another instrument."""
    from device_profiles.scanners import load_scanner

    scanner, instrument = load_scanner(name), manifest.profile.get("id")
    if "/" not in (scanner.instrument or "/") and instrument not in (None, scanner.instrument):
        raise MismatchError(f"scanner {scanner.id} is made of {scanner.instrument}, the recording is of {instrument}")
    return scanner


def _ring(manifest: Manifest, recorded: Processing, name: str | None) -> Ring | None:
    """Return the ring of the scanner that is named, else of the recording; None: that of the recorded rule."""
    if name is not None:
        scanner = scanner_of(manifest, name)
    elif recorded.pairing is not None:
        return None
    elif manifest.scanner is None:
        raise UsageError("--scanner is missing, and the recording names none: which detectors may pair is not known")
    else:
        scanner = _recorded_scanner(manifest)
    if scanner.ring is None:
        raise RefusedError(f"scanner {scanner.id} has no ring: its singles cannot be paired")
    return scanner.ring


def _recorded_scanner(manifest: Manifest) -> ScannerProfile:
    import json

    try:
        return ScannerProfile.model_validate_json(json.dumps(manifest.scanner))
    except ValidationError as why:
        raise FormatError(f"the manifest's scanner: {why.errors()[0]['msg']}; give --scanner") from None
