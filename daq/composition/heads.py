"""From scanner, collimator, windows and a folder of calibrations to the corrections of each head of an acquisition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import MismatchError, RefusedError
from daq.listmode.columns import decoded_columns
from daq.model.calibration import moment
from daq.model.events import AMPLITUDES
from daq.model.headcalibration import HeadCorrections, steps_of
from device_profiles.camerachoice import Wanted, calibrations_in, choose

if TYPE_CHECKING:
    from daq.model.protocol_terms import Need
    from daq.model.scanner import Head, ScannerProfile
    from daq.model.windows import EnergyWindow
    from daq.storage.manifest import Manifest
    from device_profiles.schema import InstrumentProfile


_S_PER_H = 3600.0
_KINDS = {"energy-peak": {"peaking", "energy-map"}, "multiple-window-registration": {"window-registration"}}
"""Kinds of calibrations that a protocol's name of one means; other names are kinds themselves."""


NO_PEAKING = "it has no peaking, so its energies are sums of codes, not keV"


@dataclass(frozen=True, slots=True)
class Camera:
    """The corrections of every head, in the order of their numbers, and what was left out of them, a sentence each."""

    heads: tuple[HeadCorrections, ...] = ()
    left_out: tuple[str, ...] = ()
    collimator: str | None = None
    names: dict[int, str] = field(default_factory=dict)

    def lacks(self, need: Need, now: datetime) -> str | None:
        """Return why a calibration that is needed is not there for every head, or is too old; None where it is."""
        kinds = _KINDS.get(need.name, {need.name})
        if not self.heads:
            return f"{need.name} is needed, and this station has no record of one"
        for head in self.heads:
            made = [moment(each.verified_utc or each.made_utc) for each in head.used if each.kind in kinds]
            if not made:
                said = [why for why in self.left_out if why.startswith(f"head {head.head}: ")]
                about = f" ({'; '.join(said)})" if said else ""
                return f"{need.name} is needed, and head {head.head} has none{about}"
            age_s = (now - max(made)).total_seconds()
            if need.maximum_age_s is not None and age_s > need.maximum_age_s:
                old, most = age_s / _S_PER_H, need.maximum_age_s / _S_PER_H
                return f"{need.name} of head {head.head} is {old:.1f} h old; at most {most:g} h"
        return None

    @property
    def codes_for_energies(self) -> str | None:
        """Return which heads have no keV, in words; None where all have."""
        return next((why for why in self.left_out if why.endswith(NO_PEAKING)), None)

    def note(self, manifest: Manifest) -> None:
        """Name in the manifest what was used and what was not."""
        if not self.heads:
            if self.collimator is not None:
                manifest.calibrations = {**manifest.calibrations, "collimator": self.collimator}
            return
        used: list[dict[str, Any]] = [
            {"head": each.head, **one.model_dump(mode="json")} for each in self.heads for one in each.used
        ]
        said = {"heads": used, "left_out": list(self.left_out), "collimator": self.collimator}
        manifest.calibrations = {**manifest.calibrations, **said}


def sends_amplitudes(profile: InstrumentProfile) -> bool:
    """Return True for an instrument whose positions and energies are worked out here."""
    return AMPLITUDES in decoded_columns(profile.layout).get("singles", [])


def camera_of(
    profile: InstrumentProfile, scanner: ScannerProfile | None, folder: Path | None, *,
    windows: Sequence[EnergyWindow] = (), collimator: str | None = None, serials: Mapping[int, str] | None = None,
    at: datetime | None = None, sensed: bool = False,
) -> Camera:  # fmt: skip
    """Return the corrections of the heads of `scanner` that `profile` reads out.

    `folder` holds calibration files; None: what the geometry gives is all. `serials`: of the heads that are there, by
    number, where they are known. `sensed`: the collimator is what is there, whether the scanner knows it or not. Raises
    `RefusedError` for amplitudes that no geometry says the places of, and for a named collimator that the scanner does
    not have; what reading the files raises.
    """
    heads = _heads_of(profile, scanner)
    amplitudes = sends_amplitudes(profile)
    if amplitudes:
        _require_sensors(profile, scanner, heads)
    if not sensed:
        _require_collimator(scanner, collimator)
    if not heads or (folder is None and not amplitudes):
        return Camera(collimator=collimator)
    _require_positions(profile)
    found = calibrations_in(folder) if folder is not None else []
    made, left_out = [], []
    for head in sorted(heads, key=lambda one: one.number):
        chosen = choose(
            found,
            Wanted(
                profile.id, head, at or datetime.now(UTC), (serials or {}).get(head.number), collimator, tuple(windows)
            ),
        )
        steps = steps_of(profile.layout) if chosen.corrections.used else HeadCorrections.model_fields["steps"].default
        made.append(chosen.corrections.model_copy(update={"steps": steps}))
        left_out += chosen.left_out
        if folder is not None and not chosen.calibrations:
            left_out.append(f"head {head.number}: {folder} holds no calibration of it that fits")
        if amplitudes and "peaking" not in chosen.calibrations:
            left_out.append(f"head {head.number}: {NO_PEAKING}")
    return Camera(tuple(made), tuple(left_out), collimator, {head.number: head.id for head in heads})


def _heads_of(profile: InstrumentProfile, scanner: ScannerProfile | None) -> list[Head]:
    """Return the heads of the scanner that this instrument reads out. Raise `MismatchError` where there is none."""
    if scanner is None or not scanner.heads:
        return []
    heads = [head for head in scanner.heads if head.instrument == profile.id]
    if not heads:
        others = ", ".join(sorted({head.instrument for head in scanner.heads}))
        raise MismatchError(f"scanner {scanner.id} has heads of {others}, none of {profile.id}")
    return heads


def _require_sensors(profile: InstrumentProfile, scanner: ScannerProfile | None, heads: Sequence[Head]) -> None:
    what = f"profile {profile.id} sends amplitudes of channels, of which positions are worked out"
    if not heads:
        raise RefusedError(f"{what}: name a scanner with its heads" + (f", not {scanner.id}" if scanner else ""))
    for head in heads:
        if head.sensors is None:
            raise RefusedError(f"{what}; head {head.id} of {scanner and scanner.id} does not say where its sensors are")


def _require_collimator(scanner: ScannerProfile | None, collimator: str | None) -> None:
    if collimator is None:
        return
    there = sorted(scanner.collimators) if scanner is not None else []
    if collimator not in there:
        whose = f"scanner {scanner.id} has {', '.join(there) or 'none'}" if scanner else "no scanner is named"
        raise RefusedError(f"collimator {collimator}: {whose}")


def _require_positions(profile: InstrumentProfile) -> None:
    """Refuse calibrations of heads for an instrument whose singles have no positions."""
    singles = set(decoded_columns(profile.layout).get("singles", []))
    if AMPLITUDES not in singles and not {"x_mm", "y_mm"} <= singles:
        raise MismatchError(f"profile {profile.id} gives no positions: calibrations of heads are of no use")
