"""Calibration files of gamma-camera heads: written once, whole or not at all, and never changed.

A file is TOML and ends with its seal, the SHA-256 of what it says; one that was half written has none. A check
acquisition is told in a file of its own beside it, `<name>.check-<time>.toml`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from daq.errors import MismatchError, MissingError, ProfileError, RefusedError
from daq.model.calibration import moment
from daq.model.cameracalibration import CameraCalibration, Figure, findings
from daq.model.finding import ABSENT, Finding, error, errors
from daq.model.layout import Strict
from daq.model.tables import check, refusal
from device_profiles.reading import load, read_toml
from device_profiles.tomltext import toml_text
from device_profiles.writing import write_new

_CHECK = ".check-"


class CalibrationCheck(Strict):
    """What a check acquisition said of a calibration."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_id: Literal["camera-calibration-check/1"] = Field(default="camera-calibration-check/1", alias="schema")
    calibration: Annotated[str, Field(min_length=1, max_length=100)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the calibration, so that it cannot be said of another one."""
    checked_utc: Annotated[str, Field(min_length=1, max_length=40)]
    acquisition: Annotated[str, Field(min_length=1, max_length=100)]
    passed: bool
    reason: Annotated[str, Field(max_length=2000)] = ""
    figures: dict[str, Figure] = Field(default_factory=dict)


def load_camera_calibration(path: Path | str) -> CameraCalibration:
    """Return the calibration of a file.

    Raises `MissingError`, or `ProfileError` for one that is half written, changed, or says what cannot be.
    """
    path = Path(path)
    try:
        tables = read_toml(path)
    except ProfileError as why:
        raise ProfileError(f"{why}: it was half written or damaged; put it aside") from None
    seal = tables.pop("seal", None)
    made, found = check(CameraCalibration, tables, _findings)
    if wrong := errors(found):
        raise ProfileError(refusal(str(path), wrong))
    if made is None:
        raise ProfileError(f"{path}: cannot be read")
    if not isinstance(seal, dict) or not isinstance(seal.get("sha256"), str):
        raise ProfileError(f"{path}: it has no [seal] at its end: it was half written, or somebody took it away")
    if seal["sha256"] != made.digest:
        raise ProfileError(
            f"{path}: the seal says SHA-256 {seal['sha256']}, the content has {made.digest}: it was changed afterwards"
        )
    return made.model_copy(update={"sha256": made.digest})


def write_camera_calibration(path: Path | str, calibration: CameraCalibration) -> CameraCalibration:
    """Write a calibration to `path` (`.toml`), whole or not at all; return it as it reads back.

    Raises `RefusedError` where a file is there already, `ProfileError` for what cannot be.
    """
    path = Path(path)
    if path.suffix != ".toml" or _CHECK in path.name:
        raise RefusedError(f"{path}: the file of a calibration ends in .toml, and {_CHECK!r} is not in its name")
    plain = calibration.model_copy(update={"sha256": ""})
    if wrong := errors(findings(plain)):
        raise ProfileError(refusal(str(path), wrong))
    tables: dict[str, Any] = plain.model_dump(mode="json", exclude={"sha256"})
    tables["seal"] = {"sha256": plain.digest}
    write_new(path, toml_text(tables).encode())
    return load_camera_calibration(path)


def camera_calibrations(folder: Path) -> Iterator[tuple[Path, CameraCalibration]]:
    """Yield every calibration of a folder, sorted by the names of the files.

    Raises `MissingError` where the folder is not there, `ProfileError` for a file that cannot be read: it might be the
    one that counts.
    """
    first: dict[str, Path] = {}
    for path in _files(folder):
        if _CHECK in path.name:
            continue
        found = load_camera_calibration(path)
        if found.id in first:
            raise ProfileError(f"{path}: id = {found.id!r}: {first[found.id].name} has the same")
        first[found.id] = path
        yield path, found


def write_check(path: Path | str, done: CalibrationCheck) -> Path:
    """Write what a check acquisition said beside the calibration at `path`; return the new file."""
    calibration = load_camera_calibration(path)
    if (done.calibration, done.sha256) != (calibration.id, calibration.sha256):
        raise MismatchError(f"{path}: the check is of {done.calibration}, the file is {calibration.id}")
    stamp = f"{moment(done.checked_utc):%Y%m%dT%H%M%SZ}"
    made = Path(path).with_suffix(f"{_CHECK}{stamp}.toml")
    write_new(made, toml_text(done.model_dump(mode="json")).encode())
    return made


def newest_check(path: Path, calibration: CameraCalibration) -> CalibrationCheck | None:
    """Return the newest check of the calibration at `path`; None where there is none. Raises `ProfileError`."""
    checks = []
    for each in _files(path.parent):
        if each.name.startswith(f"{path.stem}{_CHECK}"):
            done = load(CalibrationCheck, each, _check_findings)
            if done.sha256 != calibration.sha256:
                raise ProfileError(f"{each}: it is of another calibration than {path.name}")
            checks.append(done)
    return max(checks, key=lambda done: moment(done.checked_utc), default=None)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except FileNotFoundError:
        raise MissingError(f"{folder}: no such folder of calibrations") from None
    except OSError as why:
        raise ProfileError(f"{folder}: cannot be read ({why.strerror})") from None


def _findings(calibration: CameraCalibration) -> list[Finding]:
    """Return what is wrong; the SHA-256 stands in the seal alone."""
    try:
        found = findings(calibration)
    except ProfileError as why:  # a map that cannot be read
        found = [error("", ABSENT, str(why))]
    if calibration.sha256:
        found.append(error("sha256", calibration.sha256, "belongs into [seal]"))
    return found


def _check_findings(done: CalibrationCheck) -> list[Finding]:
    try:
        moment(done.checked_utc)
    except ValueError as why:
        return [error("checked_utc", done.checked_utc, str(why))]
    return []
