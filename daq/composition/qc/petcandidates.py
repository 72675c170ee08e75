"""Analyses and candidates of a ring's calibrations: one measurement gives figures, and files that nothing uses yet.

A candidate is a whole calibration: what was not measured anew is carried over from the one that was recorded with, so
that activating new times does not take gains away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.composition.qc.material import Material
from daq.composition.qc.petcalibrating import (
    EnergyFound,
    Measured,
    NormalisationFound,
    TimingFound,
    carried_over,
    find_energy,
    find_normalisation,
    find_timing,
)
from daq.composition.qc.petscan import background_and_blank
from daq.composition.qc.ringframes import Frame, frames_of
from daq.errors import RefusedError
from daq.model.qc.figures import Findings
from daq.model.qc.limits import QcTest
from daq.storage.listing import load_manifest
from device_profiles.calibrations import write_calibration
from device_profiles.normalisations import NormalisationRow, write_normalisation
from device_profiles.scanners import load_scanner

if TYPE_CHECKING:
    from daq.model.calibration import Calibration
    from daq.model.scanner import ScannerProfile

_QUANTITIES = ("time_offset_ps", "kev_per_adc", "pedestal_adc")
_IDENTITY = {"time_offset_ps": 0.0, "kev_per_adc": 1.0, "pedestal_adc": 0.0}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that was written, and what was found."""

    file: Path
    id: str
    measured: Measured


def measure_normalisation(material: Material) -> Findings:
    """Return what a cylinder says of the efficiencies of crystals."""
    return _findings(find_normalisation(_blank(material), trues_needed=needed(material, "trues_needed")).measured)


def measure_timing(material: Material) -> Findings:
    """Return what a cylinder says of the time offsets of crystals."""
    radius_mm = material.number("cylinder_radius_mm", 0.0)
    found = find_timing(_blank(material), radius_mm=radius_mm, trues_needed=needed(material, "trues_needed"))
    return _findings(found.measured)


def measure_energy(material: Material) -> Findings:
    """Return what photopeaks say of the gains of crystals."""
    return _findings(find_energy([_blank(material)], peak_needed=needed(material, "peak_needed")).measured)


def needed(material: Material, name: str) -> float:
    """Return a parameter that the test must say; raise `RefusedError` without it."""
    value = material.test.parameters.get(name)
    if not isinstance(value, int | float):
        raise RefusedError(f"test {material.name}: the scanner profile does not say its parameter {name}")
    return float(value)


def frame_of(directory: Path, scanner: str | None) -> tuple[Frame, str]:
    """Return the step with the source of a recording, and the id of its instrument profile."""
    manifest = load_manifest(directory)
    profile = _scanner(manifest.scanner, scanner)
    test = QcTest(title="calibration", analysis="pet-daily")
    frames = frames_of(Material("calibration", test, profile, (directory,)))
    return background_and_blank(frames)[1], str(manifest.profile.get("id", ""))


def write_timing(
    directory: Path, folder: Path, *, scanner: str | None, radius_mm: float, trues_needed: float
) -> Candidate:
    """Write time offsets of a recording as a candidate of a calibration; raise what measuring and writing raise."""
    frame, instrument = frame_of(directory, scanner)
    found: TimingFound = find_timing(frame, radius_mm=radius_mm, trues_needed=trues_needed)
    was = carried_over(frame)
    offset = np.rint(np.nan_to_num(found.crystals.offset_ps)).astype(np.int64)
    columns = _columns(was, found.of.detectors)
    columns["time_offset_ps"] = columns["time_offset_ps"] + offset[found.of.detectors]
    method = f"time offsets by {found.crystals.used:,} pairs of a cylinder of {radius_mm:g} mm radius, least squares"
    return _written(
        folder, "pet-timing", instrument, method, directory, was, found.of.detectors, columns, found.measured
    )


def write_energy(directories: Sequence[Path], folder: Path, *, scanner: str | None, peak_needed: float) -> Candidate:
    """Write gains of recordings as a candidate of a calibration.

    A crystal without a peak keeps the gain that it had or, without any, gets the middle one of the others.
    """
    frames, names = zip(*(frame_of(directory, scanner) for directory in directories), strict=True)
    found: EnergyFound = find_energy(frames, peak_needed=peak_needed)
    was = carried_over(frames[0])
    if any(carried_over(frame) != was for frame in frames):
        raise RefusedError("the recordings were made with different calibrations: their energies are not of one scale")
    if was is None and found.unit == "keV":
        raise RefusedError("energies are keV of the front end itself: there are no gains to calibrate")
    columns = _columns(was, found.of.detectors)
    factor = found.factor[found.of.detectors]
    without = np.nanmedian(factor) if was is None else 1.0
    columns["kev_per_adc"] = columns["kev_per_adc"] * np.where(np.isfinite(factor), factor, without)
    method = f"gains by the photopeak of 511 keV of each crystal, {int(np.isfinite(factor).sum()):,} of {len(factor):,}"
    return _written(
        folder, "pet-energy", names[0], method, directories[0], was, found.of.detectors, columns, found.measured
    )


def write_efficiencies(directory: Path, folder: Path, *, scanner: str | None, trues_needed: float) -> Candidate:
    """Write the efficiencies of crystals as a candidate of a normalisation."""
    frame, instrument = frame_of(directory, scanner)
    found: NormalisationFound = find_normalisation(frame, trues_needed=trues_needed)
    refuse(found.measured)
    now = datetime.now(UTC)
    path = _path(folder, "pet-normalisation", now, ".json")
    write_normalisation(
        path, tuple(_rows(found)), instrument=instrument, made_utc=now.isoformat(),
        method=f"efficiencies by maximum likelihood of {found.pairs.net:,} trues of a cylinder",
        acquisitions=(load_manifest(directory).acquisition_id,),
    )  # fmt: skip
    return Candidate(path, path.stem, found.measured)


def refuse(measured: Measured) -> None:
    """Raise `RefusedError` where something stands against the measurement: nothing is written of it."""
    if measured.obstacles:
        raise RefusedError("; ".join(measured.obstacles))


def _rows(found: NormalisationFound) -> list[NormalisationRow]:
    of, ring = found.of, found.of.ring
    trues = found.pairs.net_crystals
    rows = []
    for number in of.detectors.tolist():
        plane, around = int(of.plane[number]), int(of.around[number])
        place = found.by_position[plane % ring.module_rings, around % ring.module_detectors]
        dead = bool(found.crystals.dead[plane, around])
        value = 0.0 if dead else float(found.crystals.value[plane, around])
        noise = float(found.crystals.noise[plane, around])
        rows.append(NormalisationRow(number, value, noise, int(trues[number]), float(np.nan_to_num(place))))
    return rows


def _columns(was: Calibration | None, detectors: Any) -> dict[str, Any]:
    """Return the columns of a calibration for all crystals, of identity where it has none."""
    columns: dict[str, Any] = {}
    for name in _QUANTITIES:
        values = dict(zip(was.detectors, getattr(was, name), strict=False)) if was is not None else {}
        columns[name] = np.array([values.get(number, _IDENTITY[name]) for number in detectors.tolist()])
    return columns


def _written(
    folder: Path, kind: str, instrument: str, method: str, directory: Path, was: Calibration | None, detectors: Any,
    columns: dict[str, Any], measured: Measured,
) -> Candidate:  # fmt: skip
    refuse(measured)
    now = datetime.now(UTC)
    path = _path(folder, kind, now, ".toml")
    on = f"; the rest is that of {was.id}" if was is not None else "; nothing was calibrated before"
    keep = [name for name in _QUANTITIES if _says(name, columns[name], was)]
    write_calibration(
        path, id=path.stem, instrument=instrument, made_utc=now.isoformat(),
        method=f"{method}; of {load_manifest(directory).acquisition_id}{on}", detectors=detectors.tolist(),
        **{name: columns[name].tolist() for name in keep},
    )  # fmt: skip
    return Candidate(path, path.stem, measured)


def _says(name: str, values: Any, was: Calibration | None) -> bool:
    """Return whether a column was measured now or before: one that only says identity is left out."""
    return bool(getattr(was, name, ())) or bool(np.any(values != _IDENTITY[name]))


def _path(folder: Path, kind: str, now: datetime, suffix: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{kind}-{now:%Y%m%dT%H%M%S%fZ}{suffix}"


def _scanner(recorded: dict[str, Any] | None, name: str | None) -> ScannerProfile:
    import json

    from daq.model.scanner import ScannerProfile

    if name is not None:
        return load_scanner(name)
    if recorded is None:
        raise RefusedError("--scanner is missing, and the recording names none: where crystals are is not known")
    return ScannerProfile.model_validate_json(json.dumps(recorded))


def _blank(material: Material) -> Frame:
    return background_and_blank(frames_of(material))[1]


def _findings(measured: Measured) -> Findings:
    return Findings(
        tuple(measured.figures), tuple(measured.obstacles), tuple(measured.remarks), tuple(measured.pictures),
        tuple(measured.curves),
    )  # fmt: skip
