"""Check a file of any scandaq schema: an instrument, control or scanner profile, or a site file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daq.errors import MissingError, ScandaqError
from daq.model.control import CONTROL_SCHEMA
from daq.model.finding import ABSENT, Finding, error, errors
from daq.model.scanner import SCANNER_SCHEMA
from device_profiles.control import check_control, shipped_controls
from device_profiles.load import check_profile, resolve, shipped_profiles
from device_profiles.reading import read_toml
from device_profiles.scanners import check_scanner, shipped_scanners
from device_profiles.schema import INSTRUMENT_SCHEMA
from device_profiles.site import SITE_SCHEMA, check_site

CHECKS: dict[str, Callable[[Path], tuple[object | None, list[Finding]]]] = {
    INSTRUMENT_SCHEMA: check_profile,
    CONTROL_SCHEMA: check_control,
    SCANNER_SCHEMA: check_scanner,
    SITE_SCHEMA: check_site,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What there is to say about one file; `schema` is what the file says it is, empty where it says nothing."""

    path: Path
    schema: str
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """Return how many findings forbid the use of the file."""
        return len(errors(self.findings))

    @property
    def warnings(self) -> int:
        """Return how many findings only warn."""
        return len(self.findings) - self.errors


def lint(name_or_path: str) -> Checked:
    """Return all findings on a shipped profile or a file. Raises `MissingError` when there is none."""
    path = resolve(name_or_path, shipped_profiles() | shipped_controls() | shipped_scanners(), "profile")
    try:
        schema = read_toml(path).get("schema", "")
    except MissingError:
        raise
    except ScandaqError as why:
        return Checked(path, "", (Finding("", "", str(why).removeprefix(f"{path}: ")),))
    check = CHECKS.get(schema) if isinstance(schema, str) else None
    if check is None:
        return Checked(path, "", (error("schema", schema or ABSENT, f"this build knows {', '.join(CHECKS)}"),))
    return Checked(path, schema, tuple(check(path)[1]))
