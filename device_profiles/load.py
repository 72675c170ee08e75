"""Find and load instrument profiles: a shipped one by its id, anybody's by its path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daq.errors import MissingError
from daq.model.finding import Finding
from daq.model.tables import check, close_names
from device_profiles import rules
from device_profiles.petsystables import with_tables
from device_profiles.reading import load, read_toml
from device_profiles.schema import InstrumentProfile

FOLDER = Path(__file__).parent
SCANNER_FOLDER = FOLDER / "scanner"
CONTROL_FOLDERS = ("high_voltage", "motion", "registers", "interlocks", "environment")
"""Of profiles that say how an instrument is asked and told, not what its photons' words mean."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A shipped profile: its file and what it holds."""

    path: Path
    profile: InstrumentProfile


def load_profile(name_or_path: str | Path) -> InstrumentProfile:
    """Return a profile by shipped id, or by path (anything with a `/` or ending in `.toml`).

    Raises `MissingError` (naming close ids) or `ProfileError` (every problem at once: file, key, value, reason).
    """
    path = profile_path(name_or_path)
    return with_tables(load(InstrumentProfile, path, rules.findings), path.parent)


def check_profile(path: Path) -> tuple[InstrumentProfile | None, list[Finding]]:
    """Return the profile where keys and types are in order, else None, and all errors and warnings."""
    return check(InstrumentProfile, read_toml(path), rules.findings)


def list_profiles() -> list[Listed]:
    """Return the shipped instrument profiles in the order of their ids."""
    return [Listed(path, load_profile(path)) for _, path in sorted(shipped_profiles().items())]


def shipped_profiles() -> dict[str, Path]:
    """Return the files of the shipped instrument profiles by id, without reading them: a file is named by its id."""
    others = ("scanner", *CONTROL_FOLDERS)
    return {path.stem: path for path in FOLDER.rglob("*.toml") if path.parent.name not in others}


def profile_path(name_or_path: str | Path) -> Path:
    """Return the file of a profile. Raises `MissingError` for an id that is not shipped, naming close ones."""
    if any(path.stem == str(name_or_path) for path in SCANNER_FOLDER.glob("*.toml")):
        raise MissingError(f"{name_or_path} is a scanner profile; wanted is an instrument profile")
    return resolve(name_or_path, shipped_profiles(), "instrument profile")


def resolve(name_or_path: str | Path, shipped: dict[str, Path], what: str) -> Path:
    """Return the path that a name or path means among the `shipped` ones."""
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or text.endswith(".toml"):
        return Path(name_or_path)
    if text in shipped:
        return shipped[text]
    known = dict(sorted(shipped.items()))
    raise MissingError(
        f"no {what} {text!r}; {close_names(text, known)} A file is given by its path, e.g. ./{text}.toml"
    )
