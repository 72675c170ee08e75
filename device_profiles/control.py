"""Find and load control profiles: a shipped one by its id, anybody's by its path."""

from __future__ import annotations

from pathlib import Path

from daq.model import control_rules
from daq.model.control import CONTROL_SCHEMA, ControlProfile
from daq.model.finding import Finding
from daq.model.tables import check
from device_profiles.load import CONTROL_FOLDERS, FOLDER, resolve
from device_profiles.reading import load, read_toml


def load_control(name_or_path: str | Path) -> ControlProfile:
    """Return a control profile by shipped id, or by path. Raises `MissingError` or `ProfileError`."""
    return load(ControlProfile, control_path(name_or_path), control_rules.findings)


def check_control(path: Path) -> tuple[ControlProfile | None, list[Finding]]:
    """Return the profile where keys and types are in order, else None, and all errors and warnings."""
    return check(ControlProfile, read_toml(path), control_rules.findings)


def shipped_controls() -> dict[str, Path]:
    """Return the files of the shipped control profiles by id, without reading them."""
    return {path.stem: path for folder in CONTROL_FOLDERS for path in sorted((FOLDER / folder).glob("*.toml"))}


def control_path(name_or_path: str | Path) -> Path:
    """Return the file of a control profile. Raises `MissingError` for an id that is not shipped, naming close ones."""
    return resolve(name_or_path, shipped_controls(), "control profile")


def is_control(name_or_path: str) -> bool:
    """Return True for the id of a shipped control profile, and for a file that says it is one."""
    if name_or_path in shipped_controls():
        return True
    path = Path(name_or_path)
    return path.is_file() and read_toml(path).get("schema") == CONTROL_SCHEMA
