"""The calibrations of a folder in a list: in use, older, expired, failed; a file that cannot be read says why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daq.composition.lifecyclesteps import Kept, files_in, kept_at, state_of
from daq.errors import MissingError, ProfileError, ScandaqError
from daq.model.calibration import moment
from daq.model.cameracalibration import CameraCalibration
from device_profiles.cameracalibrations import CalibrationCheck, load_camera_calibration, newest_check
from device_profiles.lifecycle import read_lifecycle


def listed(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each file, newest first. Raises `MissingError` without the folder.

    `state`: `newest` of its head, kind, serial number and collimator; `older`; `expired`; `failed` its check; or
    `unreadable`, with the reason in `problem`. Where the folder keeps a life-cycle, where it stands there.
    """
    if not folder.is_dir():
        raise MissingError(f"{folder}: no such folder of calibrations")
    rows, good = [], []
    for path in sorted(folder.glob("*.toml")):
        if ".check-" in path.name:
            continue
        try:
            found = load_camera_calibration(path)
            good.append((path, found, newest_check(path, found)))
        except ProfileError as why:
            rows.append(_row(path, None, None, "unreadable", str(why)))
    taken: set[Any] = set()
    lifecycle = read_lifecycle(folder)
    for path, found, check in sorted(good, key=lambda each: moment(each[1].made_utc), reverse=True):
        state = _state(found, check, taken)
        if lifecycle is not None and state in ("newest", "older"):
            state = str(state_of(lifecycle, found.id, check))
        rows.append(_row(path, found, check, state, check.reason if state == "failed" and check else ""))
    return rows


def listed_of_rings(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each file of a folder without a life-cycle, newest first. Raises `MissingError` without it.

    `state`: `newest` of what it is of, `older`, `expired`, or `unreadable`, with the reason in `problem`.
    """
    if not folder.is_dir():
        raise MissingError(f"{folder}: no such folder of calibrations")
    rows: list[dict[str, Any]] = []
    good: list[Kept] = []
    for path in files_in(folder):
        try:
            good.append(kept_at(path))
        except ScandaqError as why:
            rows.append({"id": path.name, "of": "-", "made": "-", "state": "unreadable", "problem": str(why)})
    taken: set[str] = set()
    for one in sorted(good, key=lambda each: moment(each.made_utc), reverse=True):
        made = f"{moment(one.made_utc):%Y-%m-%d %H:%M:%S}"
        state = _state_of_ring(one, taken)
        rows.append({"id": one.id, "of": one.slot, "made": made, "state": state, "problem": ""})
    return rows


def _state_of_ring(one: Kept, taken: set[str]) -> str:
    if one.valid_until_utc is not None and moment(one.valid_until_utc) <= datetime.now(UTC):
        return "expired"
    state = "older" if one.slot in taken else "newest"
    taken.add(one.slot)
    return state


def _state(of: CameraCalibration, check: CalibrationCheck | None, taken: set[Any]) -> str:
    if of.valid_until_utc is not None and moment(of.valid_until_utc) <= datetime.now(UTC):
        return "expired"
    if check is not None and not check.passed:
        return "failed"
    key = (of.instrument, of.head, of.kind, of.serial, of.collimator if of.kind == "uniformity" else None)
    state = "older" if key in taken else "newest"
    taken.add(key)
    return state


def _row(path: Path, of: CameraCalibration | None, check: CalibrationCheck | None, state: str, problem: str) -> Any:
    return {
        "head": of.head if of else "-", "kind": of.kind if of else "-", "id": of.id if of else None,
        "made": f"{moment(of.made_utc):%Y-%m-%d %H:%M:%S}" if of else "-", "serial": of.serial if of else "-",
        "state": state, "checked": ("passed" if check.passed else "FAILED") if check else "no",
        "file": path.name, "problem": problem,
    }  # fmt: skip
