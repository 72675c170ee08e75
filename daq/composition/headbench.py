"""What calibrating a head works on: the head, recordings of it, and which calibrations of it are in use meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError, MissingError, RefusedError, UsageError
from daq.model.cameracalibration import CameraCalibration, Window
from daq.model.headcalibration import CameraCalibrationKind, HeadCorrections
from daq.model.nuclide_table import nuclide
from daq.model.window_sets import line_inside, photopeaks
from daq.model.windows import EnergyWindow
from daq.qc.fields import FieldOfView
from daq.storage.headevents import HeadEvents, head_events
from daq.storage.reader import open_listmode
from device_profiles.camerachoice import KINDS, Wanted, calibrations_in, choose
from device_profiles.scanners import load_scanner

if TYPE_CHECKING:
    from daq.model.scanner import Head
    from daq.storage.manifest import Manifest


@dataclass(frozen=True, slots=True)
class HeadBench:
    """A head of a scanner with a folder of its calibrations; `folder` None: without any."""

    head: Head
    instrument: str
    folder: Path | None
    serial: str | None
    collimator: str | None
    nuclide_name: str
    window: EnergyWindow

    @property
    def field(self) -> FieldOfView:
        """Return the useful field of view."""
        return FieldOfView(self.head.width_mm, self.head.height_mm)

    @property
    def line_kev(self) -> float:
        """Return the line that the window is about."""
        return line_inside(nuclide(self.nuclide_name), self.window)

    def plain(self) -> HeadCorrections:
        """Return what the head gives by its geometry alone."""
        return HeadCorrections(head=self.head.number, sensors=self.head.sensors)

    def untouched(self) -> HeadCorrections:
        """Return the head as it is before calibration.

        Of one that sends light: Anger's centroid with equal gains, as large as those found are on average, for codes
        are no energies; pedestals are taken off.
        """
        found = self.corrections(up_to="energy-map")
        if not found.kev_per_adc:
            return self.plain()
        alike = (float(np.median(found.kev_per_adc)),) * len(found.kev_per_adc)
        return self.plain().model_copy(update={"pedestal_adc": found.pedestal_adc, "kev_per_adc": alike})

    def corrections(self, *, up_to: CameraCalibrationKind | None = None, trial: str | None = None) -> HeadCorrections:
        """Return the corrections by the calibrations of the folder; `up_to`: of the kinds before that one.

        `trial`: id of one that is used although it is not active, while it is checked.
        """
        if self.folder is None:
            return self.plain()
        kinds = KINDS if up_to is None else KINDS[: KINDS.index(up_to)]
        found = [each for each in calibrations_in(self.folder, trial=trial) if each.calibration.kind in kinds]
        wanted = Wanted(
            self.instrument, self.head, datetime.now(UTC), self.serial, self.collimator, (self.window,)
        )  # fmt: skip
        return choose(found, wanted).corrections

    def events(self, directories: Sequence[Path], corrections: HeadCorrections) -> Iterator[HeadEvents]:
        """Yield the events of the head in recordings, corrected."""
        for directory in directories:
            with open_listmode(directory) as recording:
                self._require_instrument(recording.manifest, directory)
                yield from head_events(recording, corrections)

    def in_window(self, directories: Sequence[Path], corrections: HeadCorrections) -> Iterator[tuple[Any, Any]]:
        """Yield x and y of the events inside of the window."""
        for events in self.events(directories, corrections):
            inside = (events.energy_kev >= self.window.lower_kev) & (events.energy_kev < self.window.upper_kev)
            yield events.x_mm[inside], events.y_mm[inside]

    def require_serial(self) -> str:
        """Return the serial number; raise `UsageError` without one: a calibration belongs to one head."""
        if not self.serial:
            raise UsageError("--serial is missing: a calibration belongs to one head or board, by its serial number")
        return self.serial

    def calibration(
        self, kind: CameraCalibrationKind, directories: Sequence[Path], used: HeadCorrections, method: str, **table: Any
    ) -> CameraCalibration:
        """Return a calibration that was measured now on recordings, while `used` was in use."""
        now = datetime.now(UTC)
        window = self.window
        return CameraCalibration(
            id=f"{kind}-{self.require_serial()}-{now:%Y%m%dT%H%M%S%fZ}", kind=kind, instrument=self.instrument,
            serial=self.require_serial(), head=self.head.number, made_utc=now.isoformat(), method=method,
            acquisitions=tuple(manifest_of(directory).acquisition_id for directory in directories),
            builds_on=tuple(one.id for one in used.used), nuclide=self.nuclide_name, collimator=self.collimator,
            windows=(Window(name=window.name, lower_kev=window.lower_kev, upper_kev=window.upper_kev),), **table,
        )  # fmt: skip

    def _require_instrument(self, manifest: Manifest, directory: Path) -> None:
        if manifest.profile.get("id") != self.instrument:
            raise MismatchError(
                f"{directory}: it is of {manifest.profile.get('id')}, the head {self.head.id} of {self.instrument}"
            )


def bench_of(
    directory: Path, *, scanner: str | None, number: int, folder: Path | None, serial: str | None = None,
    collimator: str | None = None, nuclide_name: str = "Tc-99m", window: EnergyWindow | None = None,
) -> HeadBench:  # fmt: skip
    """Return the bench of head `number` that `directory` is a recording of.

    The scanner is that of the recording where none is named, the window the usual one of the nuclide. Raises
    `UsageError` where no scanner is known, `MissingError` for a head that it does not have, `RefusedError` for a serial
    number or a collimator that is not the one that was recorded with.
    """
    manifest = manifest_of(directory)
    profile = _scanner(manifest, scanner)
    heads = [head for head in profile.heads if head.number == number]
    if not heads:
        known = ", ".join(str(head.number) for head in profile.heads) or "none"
        raise MissingError(f"head {number}: scanner {profile.id} has heads {known}")
    chosen = window or photopeaks(nuclide_name)[0].window
    mounted = _mounted(manifest, profile, directory, collimator)
    return HeadBench(heads[0], heads[0].instrument, folder, _serial(manifest, number, serial), mounted,
                     nuclide_name, chosen)  # fmt: skip


def manifest_of(directory: Path) -> Manifest:
    """Return the manifest of a recording."""
    from daq.storage.listing import load_manifest

    return load_manifest(directory)


def summed(pieces: Iterator[npt.NDArray[np.int64]], shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return the sum of arrays of one shape, zeros where there is none."""
    total = np.zeros(shape, np.int64)
    for piece in pieces:
        total += piece
    return total


def _scanner(manifest: Manifest, name: str | None) -> Any:
    from daq.model.scanner import ScannerProfile

    if name is not None:
        return load_scanner(name)
    if manifest.scanner is None:
        raise UsageError("--scanner is missing, and the recording names none: the size of the head is not known")
    return ScannerProfile.model_validate_json(json.dumps(manifest.scanner))


def _mounted(manifest: Manifest, scanner: Any, directory: Path, given: str | None) -> str | None:
    """Return the collimator that was recorded with, else the given one; refuse two that differ and an unknown one."""
    recorded = manifest.calibrations.get("collimator")
    if recorded is not None and given is not None and recorded != given:
        raise RefusedError(f"{directory} was recorded with collimator {recorded}, not {given}")
    if given is not None and given not in scanner.collimators:
        known = ", ".join(sorted(scanner.collimators)) or "none"
        raise RefusedError(f"collimator {given}: scanner {scanner.id} has {known}")
    return str(recorded) if recorded is not None else given


def _serial(manifest: Manifest, number: int, given: str | None) -> str | None:
    """Return the serial number of the board that was read out, else the given one; refuse two that differ."""
    health = manifest.time.get("source_health")
    recorded = health.get(f"board_{number}_serial") if isinstance(health, dict) else None
    if recorded is not None and given is not None and str(recorded) != given:
        raise RefusedError(f"head {number} was recorded with serial number {recorded}, not {given}")
    return str(recorded) if recorded is not None else given
