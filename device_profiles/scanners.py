"""Find and load scanner profiles, and hold them against the instrument profiles they name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from daq.errors import ScandaqError
from daq.model import scanner_rules
from daq.model.finding import ABSENT, Finding, error, warning
from daq.model.scanner import Head, ScannerProfile
from daq.model.tables import check, close_names
from device_profiles.load import SCANNER_FOLDER, load_profile, resolve
from device_profiles.reading import load, read_toml


def load_scanner(name_or_path: str | Path) -> ScannerProfile:
    """Return a scanner profile by shipped id or by path. Raises `MissingError` or `ProfileError` with every problem."""
    path = scanner_path(name_or_path)
    return load(ScannerProfile, path, partial(findings, folder=path.parent))


def check_scanner(path: Path) -> tuple[ScannerProfile | None, list[Finding]]:
    """Return the scanner profile where keys and types are in order, else None, and all errors and warnings."""
    made, found = check(ScannerProfile, read_toml(path), partial(findings, folder=path.parent))
    return made, found if made is None else [*found, *_protocols(made)]


def shipped_scanners() -> dict[str, Path]:
    """Return the files of the shipped scanner profiles by id, without reading them."""
    return {path.stem: path for path in SCANNER_FOLDER.glob("*.toml")}


def scanner_path(name_or_path: str | Path) -> Path:
    """Return the file of a scanner profile. Raises `MissingError`, naming close ids."""
    return resolve(name_or_path, shipped_scanners(), "scanner profile")


def findings(profile: ScannerProfile, *, folder: Path) -> list[Finding]:
    """Return everything there is to say; instrument profiles given by relative path are looked for from `folder`."""
    return [*scanner_rules.findings(profile), *_instruments(profile, folder)]


def _protocols(profile: ScannerProfile) -> Iterator[Finding]:
    """Warn of protocols that are not shipped: a site may have them, and this file does not say where."""
    from acquisition_protocols.load import shipped as shipped_protocols

    shipped = shipped_protocols()
    for name, test in profile.qc.items():
        if test.protocol is not None and test.protocol not in shipped:
            reason = f"no shipped protocol; the site must have it. {close_names(test.protocol, tuple(shipped))}"
            yield warning(f"qc.{name}.protocol", test.protocol, reason)


def beside(name_or_path: str, folder: Path) -> str | Path:
    """Return a shipped id as it is, and a path in a file relative to the `folder` of that file."""
    return folder / name_or_path if "/" in name_or_path or name_or_path.endswith(".toml") else name_or_path


def _instruments(profile: ScannerProfile, folder: Path) -> Iterator[Finding]:
    named: list[tuple[str, str, Head | None]] = [
        (f"heads[{index}]", head.instrument, head) for index, head in enumerate(profile.heads)
    ]
    if profile.instrument is not None:
        named.append(("", profile.instrument, None))
    for key, instrument, head in named:
        try:
            fers = load_profile(beside(instrument, folder)).layout.fers
        except ScandaqError as why:
            yield error(f"{key}.instrument".lstrip("."), instrument, str(why))
            continue
        if head is not None and head.sensors is None and fers is not None and fers.events == "spectroscopy":
            reason = f"{instrument} sends amplitudes of channels: positions need the places of the sensors"
            yield error(f"{key}.sensors", ABSENT, reason)
