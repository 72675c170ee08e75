"""Choose the calibrations of a head by date, serial number, collimator and windows; say what was left out.

Of each kind the newest one that fits is taken; where the folder keeps a life-cycle, the active one and no other. What
fits in everything but one thing is told with that thing: a technologist who sees an uncorrected picture must see why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from daq.errors import MismatchError, ProfileError, RefusedError
from daq.model.calibration import moment
from daq.model.calibrationlifecycle import Lifecycle, State
from daq.model.cameracalibration import CameraCalibration, CentreOfRotation, Window, WindowRegistration
from daq.model.headcalibration import CalibrationReference, HeadCorrections
from daq.model.scanner import Head
from daq.model.windows import EnergyWindow
from device_profiles.cameracalibrations import CalibrationCheck, camera_calibrations, newest_check
from device_profiles.lifecycle import camera_slot, read_lifecycle, require_files

_KEV = 0.05
"""Bounds of windows are the same within this; the map of a window is its own."""
KINDS = ("peaking", "energy-map", "linearity", "uniformity", "centre-of-rotation", "window-registration")


@dataclass(frozen=True, slots=True)
class Wanted:
    """For what calibrations are looked up: one head, at a time, with its collimator and windows.

    `serial` is that of the head or board that is there; None where it is not known yet.
    """

    instrument: str
    head: Head
    at: datetime
    serial: str | None = None
    collimator: str | None = None
    windows: tuple[EnergyWindow, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """One file's calibration, what its newest check said, and where it stands."""

    path: Path
    calibration: CameraCalibration
    check: CalibrationCheck | None
    state: State | None = None
    """By the life-cycle that its folder keeps; None: it keeps none, and the newest counts."""
    on_trial: bool = False
    """Used although it is not active, for it is being checked."""


@dataclass(slots=True)
class Chosen:
    """The corrections of one head; what they leave to pictures and reconstruction; `left_out`, a sentence each."""

    corrections: HeadCorrections
    calibrations: dict[str, CameraCalibration] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def serial(self) -> str | None:
        """Return the serial number that all chosen calibrations are of; None where there is none."""
        return next((each.serial for each in self.calibrations.values()), None)

    @property
    def centre_of_rotation(self) -> CentreOfRotation | None:
        """Return the axis of rotation on this head."""
        chosen = self.calibrations.get("centre-of-rotation")
        return chosen.centre_of_rotation if chosen else None

    @property
    def window_registration(self) -> WindowRegistration | None:
        """Return how far pictures of the windows lie apart."""
        chosen = self.calibrations.get("window-registration")
        return chosen.window_registration if chosen else None


def calibrations_in(folder: Path, *, trial: str | None = None) -> list[Found]:
    """Return every calibration of a folder with its newest check, and where it stands. Raises what reading them raises.

    `trial`: id of one that is used in place of the active one, while it is checked. Raises `ProfileError` for a file
    that is not the one which was signed under its name, and for an active one that is not there.
    """
    lifecycle = read_lifecycle(folder)
    made = [Found(path, each, newest_check(path, each)) for path, each in camera_calibrations(folder)]
    if lifecycle is None:
        return made
    require_files(folder, lifecycle, {each.calibration.id for each in made})
    slot = next((camera_slot(each.calibration) for each in made if each.calibration.id == trial), None)
    return [_standing(each, lifecycle, trial, slot) for each in made]


def _standing(each: Found, lifecycle: Lifecycle, trial: str | None, slot: str | None) -> Found:
    of = each.calibration
    signed = lifecycle.sha256(of.id)
    if signed and signed != of.sha256:
        raise ProfileError(f"{each.path}: {of.id} is not what was signed: SHA-256 {of.sha256[:12]}, not {signed[:12]}")
    state = lifecycle.state(of.id)
    if of.id == trial:
        return replace(each, state=state, on_trial=True)
    gives_way = state is State.ACTIVE and camera_slot(of) == slot
    return replace(each, state=State.SUPERSEDED if gives_way else state)


def choose(found: Iterable[Found], wanted: Wanted) -> Chosen:
    """Return the corrections of one head by the calibrations that fit; without any they are those of its geometry.

    Raises `RefusedError` where two of a kind were made at the same moment.
    """
    candidates = [each for each in found if _is_of(each.calibration, wanted)]
    left_out: list[str] = []
    chosen: dict[str, Found] = {}
    serial = wanted.serial
    for kind in KINDS:
        newest = _newest([each for each in candidates if each.calibration.kind == kind], wanted, serial, left_out)
        if newest is not None:
            chosen[kind] = newest
            serial = serial or newest.calibration.serial
    left_out += _without_base(chosen)
    corrections = _corrections(chosen, wanted, left_out)
    return Chosen(corrections, {kind: each.calibration for kind, each in chosen.items()}, left_out)


def require_serial(corrections: Sequence[HeadCorrections], serials: Mapping[int, str]) -> None:
    """Raise `MismatchError` where a calibration in use is of another serial number than the head that is there."""
    for each in corrections:
        there = serials.get(each.head)
        for used in each.used:
            if there is not None and used.serial != there:
                raise MismatchError(
                    f"head {each.head}: calibration {used.id} is of serial number {used.serial}; "
                    f"the one connected is {there}"
                )


def _is_of(calibration: CameraCalibration, wanted: Wanted) -> bool:
    return calibration.instrument == wanted.instrument and calibration.head == wanted.head.number


def _newest(found: list[Found], wanted: Wanted, serial: str | None, left_out: list[str]) -> Found | None:
    """Return the newest that fits; say of each that is newer than it why it does not."""
    for each in sorted(found, key=lambda one: moment(one.calibration.made_utc), reverse=True):
        why = _why_not(each, wanted, serial)
        if why is not None:
            left_out.append(f"head {wanted.head.number}: {each.calibration.kind} {each.calibration.id} {why}")
            continue
        same = [one for one in found if one is not each and _why_not(one, wanted, serial) is None]
        for one in same:
            if moment(one.calibration.made_utc) == moment(each.calibration.made_utc):
                raise RefusedError(
                    f"{each.path.name} and {one.path.name} were made at the same moment, {each.calibration.made_utc}: "
                    "which one counts?"
                )
        return each
    return None


def _why_not(each: Found, wanted: Wanted, serial: str | None) -> str | None:
    """Return why a calibration cannot be used, as the end of a sentence; None where it can."""
    of = each.calibration
    reasons = (_not_of_that_time(of, wanted.at), _not_of_that_head(of, wanted, serial), _not_active(each, wanted))
    why = next((reason for reason in reasons if reason is not None), None)
    if why is None and each.check is not None and not each.check.passed:
        return f"failed its check of {each.check.checked_utc}: {each.check.reason or 'no reason is given'}"
    return why


def _not_of_that_time(of: CameraCalibration, at: datetime) -> str | None:
    if moment(of.made_utc) > at:
        return f"was made later, {of.made_utc}"
    if of.valid_until_utc is not None and at >= moment(of.valid_until_utc):
        return f"expired at {of.valid_until_utc}"
    return None


def _not_of_that_head(of: CameraCalibration, wanted: Wanted, serial: str | None) -> str | None:
    if serial is not None and of.serial != serial:
        return f"is of serial number {of.serial}, this head is {serial}"
    if of.kind == "uniformity" and of.collimator != wanted.collimator:
        return f"was measured with {_collimator(of.collimator)}, mounted is {_collimator(wanted.collimator)}"
    sensors = wanted.head.sensors
    if of.peaking is not None and sensors is not None and len(of.peaking.kev_per_adc) != len(sensors.x_mm):
        return f"has {len(of.peaking.kev_per_adc)} channels, the head has {len(sensors.x_mm)}"
    return None


def _not_active(each: Found, wanted: Wanted) -> str | None:
    """Return why a calibration is not used by the life-cycle of its folder; None where that keeps none."""
    if each.state is None:
        return None
    if each.state is not State.ACTIVE and not each.on_trial:
        return f"is {each.state}, not active"
    of = each.calibration
    if of.kind == "uniformity" and wanted.windows and not any(_same(m, w) for m in of.windows for w in wanted.windows):
        return "is active, of other windows"
    return None


def _same(measured: Window, window: EnergyWindow) -> bool:
    """Say whether a map that was measured in a window is that of another."""
    return abs(measured.lower_kev - window.lower_kev) < _KEV and abs(measured.upper_kev - window.upper_kev) < _KEV


def _collimator(name: str | None) -> str:
    return "no collimator" if name is None else f"collimator {name}"


def _without_base(chosen: dict[str, Found]) -> list[str]:
    """Say where one was measured while others than the chosen ones were in use; it is used all the same."""
    in_use = {each.calibration.id for each in chosen.values()}
    said = []
    for kind, each in chosen.items():
        missing = [name for name in each.calibration.builds_on if name not in in_use]
        if missing:
            said.append(
                f"head {each.calibration.head}: {kind} {each.calibration.id} is used, but was measured with "
                f"{', '.join(missing)}, which is not in use any more"
            )
    return said


def _corrections(chosen: dict[str, Found], wanted: Wanted, left_out: list[str]) -> HeadCorrections:
    made: dict[str, Any] = {"head": wanted.head.number, "sensors": wanted.head.sensors, "collimator": wanted.collimator}
    of = {kind: each.calibration for kind, each in chosen.items()}
    if "peaking" in of and (peaking := of["peaking"].peaking) is not None:
        made |= {
            "pedestal_adc": peaking.pedestal_adc, "kev_per_adc": peaking.kev_per_adc, "light": peaking.light,
            "dead_channels": peaking.dead_channels, "saturated_adc": peaking.saturated_adc,
            "estimator": peaking.estimator, "pile_up_kev": peaking.pile_up_kev,
        }  # fmt: skip
    if "energy-map" in of and (energy := of["energy-map"].energy_map) is not None:
        made["energy"] = energy.ratio
    if "linearity" in of and (linearity := of["linearity"].linearity) is not None:
        made |= {"shift_x": linearity.shift_x, "shift_y": linearity.shift_y}
    if "uniformity" in of:
        made["uniformity"] = _uniformity(of["uniformity"], wanted, left_out)
        if not made["uniformity"]:
            del chosen["uniformity"]
    made["used"] = tuple(_reference(each) for each in chosen.values())
    return HeadCorrections(**made)


def _uniformity(of: CameraCalibration, wanted: Wanted, left_out: list[str]) -> dict[str, Any]:
    """Return the map of each wanted window that was measured in the same one, by the wanted window's name."""
    maps = {}
    weights = of.uniformity.weight if of.uniformity is not None else {}
    for window in wanted.windows:
        for measured in of.windows:
            if _same(measured, window) and measured.name in weights:
                maps[window.name] = weights[measured.name]
        if window.name not in maps:
            left_out.append(f"head {wanted.head.number}: uniformity {of.id} has no map of window {window}")
    return maps


def _reference(each: Found) -> CalibrationReference:
    of, done = each.calibration, each.check
    return CalibrationReference(
        kind=of.kind, id=of.id, made_utc=of.made_utc, sha256=of.sha256, serial=of.serial,
        verified_utc=done.checked_utc if done is not None and done.passed else None,
        state=None if each.state is None else "trial" if each.on_trial else str(each.state),
    )  # fmt: skip
