"""What a probe counted in a test: steps with a source, steps without, and the spectrum of the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.composition.verdicts import protocol_in
from daq.errors import MismatchError, RefusedError
from daq.model import mcpha as m
from daq.model.windows import EnergyWindow
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.probe import Rate, corrected, rate_of
from daq.storage.probecounts import probe_counts
from daq.storage.reader import ListMode, open_listmode
from daq.storage.recordedprocessing import recorded_processing

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.storage.manifest import RecordedStep

_PS_PER_S = 1e12
BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of one kind of steps together. `late_s`: by how much the middle of them is after the first began."""

    counts: int
    every: int
    seconds: float
    late_s: float

    def true(self, dead_s: float) -> Rate:
        """Return the rate in the window, corrected for the dead time after every pulse."""
        return corrected(rate_of(self.counts, self.seconds), dead_s, every_per_s=self.every / self.seconds)

    @property
    def plain(self) -> Rate:
        """Return the rate of all energies as counted."""
        return rate_of(self.every, self.seconds)


@dataclass(slots=True)
class ProbeSeen:
    """What recordings hold: counts with a source and without, None where no step was; the spectrum with a source.

    `axis` is in keV, or in bins of the board where nothing was calibrated; `window`: the one that was counted in.
    """

    dead_s: float
    axis: EnergyAxis
    is_kev: bool
    window: EnergyWindow | None
    source: Counted | None = None
    background: Counted | None = None
    spectrum: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(m.BINS, np.int64))


def probe_seen(material: Material) -> ProbeSeen:
    """Return what the recordings of a test hold. Raises `MismatchError` for unlike ones, `RefusedError` for none."""
    found: ProbeSeen | None = None
    first_s: float | None = None
    for directory in material.recordings:
        with open_listmode(directory) as recording:
            start_s = float(recording.manifest.time.get("start_utc_ns", 0)) / 1e9
            first_s = start_s if first_s is None else first_s
            seen = _opened(recording, directory, material)
            if found is not None and (seen.dead_s, seen.axis, seen.window) != (found.dead_s, found.axis, found.window):
                raise MismatchError(f"{directory}: another input, window or calibration than of the recording before")
            found = found or seen
            _add(found, recording, directory, material, start_s - first_s)
    if found is None:
        raise RefusedError(f"{material.name}: no recording")
    return found


def _opened(recording: ListMode, directory: Path, material: Material) -> ProbeSeen:
    _, dead_s = probe_counts(recording, window=_window(material), number=_number(material))
    processing = recorded_processing(recording.manifest, directory)
    chosen = _window(material) or (processing.windows[0].name if processing.windows else None)
    window = next((each for each in processing.windows if each.name == chosen), None)
    calibration = processing.calibration
    number = _input(recording, material)
    if calibration is None or number not in calibration.detectors or not calibration.kev_per_adc:
        return ProbeSeen(dead_s, EnergyAxis(-0.5, 1.0, m.BINS), is_kev=False, window=window)
    at = calibration.detectors.index(number)
    gain = calibration.kev_per_adc[at]
    pedestal = calibration.pedestal_adc[at] if calibration.pedestal_adc else 0.0
    return ProbeSeen(dead_s, EnergyAxis(-(pedestal + 0.5) * gain, gain, m.BINS), is_kev=True, window=window)


def _add(found: ProbeSeen, recording: ListMode, directory: Path, material: Material, late_s: float) -> None:
    counted, _ = probe_counts(recording, window=_window(material), number=_number(material))
    steps = [step for step in recording.manifest.steps or () if _lasted_s(step) > 0]
    roles = _roles(recording, directory)
    for step, of in zip(steps, counted, strict=True):
        middle = late_s + (step.begin_ps + (step.end_ps or 0)) / 2 / _PS_PER_S
        one = Counted(of.counts, of.every, of.seconds, middle)
        if roles.get(step.name) == BACKGROUND or (not roles and BACKGROUND in step.name.lower()):
            found.background = _together(found.background, one)
        else:
            found.source = _together(found.source, one)
            for energies in _energies(recording, _input(recording, material), step):
                at = np.floor((energies - found.axis.low_kev) / found.axis.bin_kev).astype(np.int64)
                inside = at[(at >= 0) & (at < m.BINS)]
                found.spectrum += np.bincount(inside, minlength=m.BINS)


def _energies(recording: ListMode, number: int, step: RecordedStep) -> Iterator[npt.NDArray[np.float64]]:
    names = recording.schema("singles").names
    name = "energy_kev" if "energy_kev" in names else "energy_adc"
    for part in recording.numpy("singles", ["time_ps", "detector", name]):
        mine = (
            (part["detector"] == number) & (part["time_ps"] >= step.begin_ps) & (part["time_ps"] < (step.end_ps or 0))
        )
        yield part[name][mine].astype(np.float64)


def _together(one: Counted | None, other: Counted) -> Counted:
    if one is None:
        return other
    seconds = one.seconds + other.seconds
    late_s = (one.late_s * one.seconds + other.late_s * other.seconds) / seconds
    return Counted(one.counts + other.counts, one.every + other.every, seconds, late_s)


def _roles(recording: ListMode, directory: Path) -> dict[str, str]:
    """Return the role of each step by the protocol; nothing where the recording was made by none."""
    if "toml" not in (recording.manifest.protocol or {}):
        return {}
    return {step.name: step.role for step in protocol_in(recording.manifest, str(directory)).steps}


def _lasted_s(step: RecordedStep) -> float:
    return 0.0 if step.end_ps is None else (step.end_ps - step.begin_ps - step.paused_ps) / _PS_PER_S


def _window(material: Material) -> str | None:
    said = material.test.parameters.get("window")
    return said if isinstance(said, str) else None


def _number(material: Material) -> int | None:
    said: Any = material.test.parameters.get("input")
    return None if said is None else round(float(said))


def _input(recording: ListMode, material: Material) -> int:
    said = _number(material)
    if said is not None:
        return said
    layout: Any = recording.manifest.profile.get("layout") or {}
    return int(layout["mcpha"]["inputs"][0])
