"""The steps of a calibration's life: what stands in a folder, and what may follow."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daq.errors import MissingError, RefusedError, UsageError
from daq.model.calibration import moment
from daq.model.calibrationlifecycle import Lifecycle, State
from daq.model.station import utc_now
from device_profiles.calibrations import CALIBRATION_FILE_SCHEMA, head_sha256, load_calibration
from device_profiles.cameracalibrations import CalibrationCheck, load_camera_calibration, newest_check
from device_profiles.lifecycle import (
    begin,
    camera_slot,
    normalisation_slot,
    read_lifecycle,
    require_files,
    ring_slot,
    take_step,
)
from device_profiles.normalisations import load_normalisation
from device_profiles.reading import read_toml

CHECKED = ("peaking", "energy-map", "linearity", "uniformity")
"""Kinds that `daq calibrate verify` checks; of others the check is named."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A calibration of a folder, as its life-cycle sees it. `kind`: of a head; of a ring `ring` or `normalisation`."""

    id: str
    kind: str
    slot: str
    sha256: str
    made_utc: str
    check: CalibrationCheck | None = None
    valid_until_utc: str | None = None


def kept_in(folder: Path) -> list[Kept]:
    """Return every calibration of a folder, newest first. Raises what reading them raises: none is left aside."""
    if not folder.is_dir():
        raise MissingError(f"{folder}: no such folder of calibrations")
    return sorted(map(kept_at, files_in(folder)), key=lambda each: moment(each.made_utc), reverse=True)


def files_in(folder: Path) -> list[Path]:
    """Return the files of the calibrations of a folder."""
    paths = [path for path in sorted(folder.glob("*.toml")) if ".check-" not in path.name]
    return [*paths, *sorted(folder.glob("*.json"))]


def kept_at(path: Path) -> Kept:
    """Return the calibration of a file. Raises what reading it raises."""
    return _normalisation(path) if path.suffix == ".json" else _kept(path)


def standing(folder: Path) -> list[dict[str, Any]]:
    """Return a row of each calibration: where it stands, what checked it, who took the last step with it, and when."""
    lifecycle = _lifecycle(folder)
    kept = kept_in(folder)
    require_files(folder, lifecycle, {each.id for each in kept})
    return [_row(each, lifecycle) for each in kept]


def begun(folder: Path, *, reason: str, by: str | None = None) -> Lifecycle:
    """Begin the life-cycle of a folder."""
    return begin(folder, reason=reason, **_who(by))


def signed(folder: Path, name: str, *, reason: str, by: str | None = None, check: str | None = None) -> Kept:
    """Sign a calibration that was verified; return it.

    `check`: what verified it, where `daq calibrate verify` does not do its kind. Raises `RefusedError` for one that was
    not checked, or failed.
    """
    one = _named(folder, name)
    said = _checked(one, check)
    _take(folder, one, "signed", by, reason, lambda _: {"check": said})
    return one


def activated(folder: Path, name: str, *, reason: str, by: str | None = None) -> tuple[Kept, str]:
    """Make a signed calibration the one in use; return it, and which one gave way (empty: none)."""
    one = _named(folder, name)
    _refuse_failed(one)
    if (why := _unfit(one)) is not None:
        raise RefusedError(f"{one.id} {why}: active it would not be used, and nothing would in its place")
    after = _take(folder, one, "activated", by, reason, lambda known: {"other": known.active(one.slot)})
    return one, after.entries[-1].other


def rolled_back(folder: Path, name: str, *, reason: str, by: str | None = None) -> tuple[Kept, str]:
    """Take the active calibration back; return it, and which one is active again."""
    one = _named(folder, name)
    there = {each.id: each for each in kept_in(folder)}

    def before(known: Lifecycle) -> dict[str, str]:
        again = known.before(one.slot)
        if again and again not in there:
            raise RefusedError(f"{again} would be active again, and its file is not in {folder}")
        if again and (why := _unfit(there[again])) is not None:
            raise RefusedError(f"{again} would be active again, and {why}; retire {one.id} to have none used")
        return {"other": again}

    after = _take(folder, one, "rolled-back", by, reason, before)
    return one, after.entries[-1].other


def retired(folder: Path, name: str, *, reason: str, by: str | None = None) -> Kept:
    """Take a calibration out for good; where it was active, none is."""
    one = _named(folder, name)
    _take(folder, one, "retired", by, reason, lambda _: {})
    return one


def state_of(lifecycle: Lifecycle, name: str, check: CalibrationCheck | None) -> State:
    """Return where a calibration stands; a candidate whose newest check it passed is verified."""
    state = lifecycle.state(name)
    return State.VERIFIED if state is State.CANDIDATE and check is not None and check.passed else state


def _take(
    folder: Path, one: Kept, step: str, by: str | None, reason: str, more: Callable[[Lifecycle], dict[str, str]]
) -> Lifecycle:
    def told(known: Lifecycle) -> dict[str, str]:
        said = {"step": step, "calibration": one.id, "sha256": one.sha256, "slot": one.slot, "reason": reason}
        return said | more(known) | _who(by)

    return take_step(folder, told)


def _lifecycle(folder: Path) -> Lifecycle:
    found = read_lifecycle(folder)
    if found is None:
        raise RefusedError(f"{folder} keeps no life-cycle: the newest calibration that fits counts; --begin begins one")
    return found


def _kept(path: Path) -> Kept:
    told = read_toml(path)
    if told.get("schema") == CALIBRATION_FILE_SCHEMA:
        ring, until = load_calibration(path), told.get("valid_until_utc")
        return Kept(ring.id, "ring", ring_slot(ring.instrument), head_sha256(path), ring.made_utc, None, until)
    of = load_camera_calibration(path)
    return Kept(of.id, of.kind, camera_slot(of), of.sha256, of.made_utc, newest_check(path, of), of.valid_until_utc)


def _normalisation(path: Path) -> Kept:
    of, _ = load_normalisation(path)
    return Kept(of.id, "normalisation", normalisation_slot(of.instrument), head_sha256(path), of.made_utc)


def _named(folder: Path, name: str) -> Kept:
    kept = kept_in(folder)
    found = next((each for each in kept if each.id == name), None)
    if found is None:
        raise MissingError(
            f"{folder} holds no calibration {name!r}; it has {', '.join(one.id for one in kept) or 'none'}"
        )
    return found


def _checked(one: Kept, check: str | None) -> str:
    """Return what verified a calibration."""
    if one.kind not in CHECKED:
        if not check:
            raise UsageError(f"{one.id} is a {one.kind} calibration: name what verified it by --check")
        return check
    if check:
        raise UsageError(f"{one.id}: --check names nothing of a {one.kind}; `daq calibrate verify` checks it")
    if one.check is None:
        raise RefusedError(f"{one.id} was not checked: `daq calibrate verify` does it, by another recording")
    _refuse_failed(one)
    return f"{one.check.acquisition}, {one.check.checked_utc}: {one.check.reason}"[:500]


def _refuse_failed(one: Kept) -> None:
    if one.check is not None and not one.check.passed:
        raise RefusedError(f"{one.id} failed its check of {one.check.checked_utc}: {one.check.reason or 'no reason'}")


def _unfit(one: Kept) -> str | None:
    """Return why a calibration is not used, active or not, as the end of a sentence; None where it is."""
    now = datetime.now(UTC)
    if moment(one.made_utc) > now:
        return f"was made at {one.made_utc}, which is still to come: a clock was wrong"
    if one.valid_until_utc is not None and moment(one.valid_until_utc) <= now:
        return f"expired at {one.valid_until_utc}"
    if one.check is not None and not one.check.passed:
        return f"failed its check of {one.check.checked_utc}"
    return None


def _row(each: Kept, lifecycle: Lifecycle) -> dict[str, Any]:
    """Return a row; `names_check`: who signs it names what verified it."""
    last = next((entry for entry in reversed(lifecycle.entries) if each.id in (entry.calibration, entry.other)), None)
    checks = [entry.check for entry in lifecycle.entries if entry.calibration == each.id and entry.check]
    check = each.check
    own = None if check is None else f"{'passed' if check.passed else 'FAILED'} {check.checked_utc}"
    return {
        "calibration": each.id, "state": str(state_of(lifecycle, each.id, check)), "of": each.slot,
        "made": f"{moment(each.made_utc):%Y-%m-%d %H:%M:%S}", "checked": own or (checks[-1] if checks else "no"),
        "by": last.by if last else None, "at_utc": last.at_utc if last else None,
        "reason": last.reason if last else None, "sha256": each.sha256, "names_check": each.kind not in CHECKED,
    }  # fmt: skip


def _who(by: str | None) -> dict[str, str]:
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid-{os.getuid()}"
    return {"user": user, "by": by or user, "at_utc": utc_now()}
