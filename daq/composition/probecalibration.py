"""Energies of a gamma probe: from photopeaks in recordings to a calibration file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from daq.errors import MismatchError, RefusedError, UsageError
from daq.model import mcpha as m
from daq.model.windows import EnergyWindow
from daq.pipeline.energyaxis import EnergyAxis
from daq.pipeline.peaks import Peak, peak_in
from daq.storage.reader import open_listmode
from device_profiles.calibrations import write_calibration

if TYPE_CHECKING:
    from daq.model.calibration import Calibration

_PEAK = re.compile(r"(?P<directory>.+)=(?P<kev>[0-9.]+)(@(?P<low>[0-9]+)-(?P<high>[0-9]+))?")
_SMOOTHED_BINS = 25
_HALF_WIDTH = 0.15
_AXIS = EnergyAxis(0.0, 1.0, m.BINS)
"""Bins for energies: a peak is looked for among the numbers of bins."""


@dataclass(frozen=True, slots=True)
class FoundPeak:
    """A photopeak of known energy; `found` is in bins."""

    kev: float
    found: Peak


@dataclass(frozen=True, slots=True)
class Made:
    """A calibration that was written, and the peaks that it was made of."""

    calibration: Calibration
    peaks: tuple[FoundPeak, ...]


def calibrate(texts: list[str], *, input_number: int, out: Path) -> Made:
    """Write the calibration of one input from `DIR=KEV[@LOW-HIGH]`, one photopeak each.

    With one peak energies begin at bin 0; with more a straight line goes through them. Raise `UsageError`,
    `RefusedError` where no peak is found or the line makes no sense, and what reading and writing raise.
    """
    peaks, instruments, recordings = [], set(), []
    for text in texts:
        said = _PEAK.fullmatch(text)
        if said is None:
            raise UsageError(f"--peak {text}: write DIR=KEV or DIR=KEV@LOW-HIGH, e.g. tc99m=140.5@400-700")
        counts, instrument = _spectrum(Path(said["directory"]), input_number)
        window = EnergyWindow(float(said["low"]), float(said["high"]), "peak") if said["low"] else _highest(counts)
        found = peak_in(counts, _AXIS, window)
        if found is None:
            raise RefusedError(
                f"{said['directory']}: no photopeak between bins {window.lower_kev:g} and {window.upper_kev:g}"
                f" ({int(counts.sum())} counts in all)"
            )
        peaks.append(FoundPeak(float(said["kev"]), found))
        instruments.add(instrument)
        recordings.append(Path(said["directory"]).name)
    if len(instruments) > 1:
        raise MismatchError(f"recordings of several instruments: {', '.join(sorted(instruments))}")
    gain, pedestal = _line(peaks)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    lines = ", ".join(
        f"{peak.kev:g} keV at bin {peak.found.kev:.1f} of {name}" for peak, name in zip(peaks, recordings, strict=True)
    )
    made = write_calibration(
        out, id=out.stem, instrument=instruments.pop(), made_utc=now, method=f"photopeaks: {lines}",
        detectors=[input_number], kev_per_adc=[gain], pedestal_adc=[pedestal],
    )  # fmt: skip
    return Made(made, tuple(peaks))


def _spectrum(directory: Path, input_number: int) -> tuple[npt.NDArray[np.int64], str]:
    """Return the counts by bin [4096] of one input, and which instrument made them."""
    counts = np.zeros(m.BINS, np.int64)
    with open_listmode(directory) as recording:
        instrument = str((recording.manifest.profile or {}).get("id"))
        if "energy_adc" not in recording.schema("singles").names:
            raise RefusedError(f"{directory}: its energies are calibrated already; record without a calibration")
        for columns in recording.numpy("singles", ["detector", "energy_adc"]):
            mine = columns["energy_adc"][columns["detector"] == input_number]
            counts += np.bincount(mine[mine < m.BINS], minlength=m.BINS)
    return counts, instrument


def _highest(counts: npt.NDArray[np.int64]) -> EnergyWindow:
    """Return a window around the highest place of the spectrum, each bin weighted by its number against noise."""
    smooth = np.convolve(counts * np.arange(m.BINS), np.ones(_SMOOTHED_BINS), "same")
    at = max(float(smooth.argmax()), 1.0)
    return EnergyWindow(at * (1 - _HALF_WIDTH), at * (1 + _HALF_WIDTH), "peak")


def _line(peaks: list[FoundPeak]) -> tuple[float, float]:
    """Return keV per bin and the bin of 0 keV."""
    kev = np.array([peak.kev for peak in peaks])
    bins = np.array([peak.found.kev for peak in peaks])
    if len(peaks) == 1:
        return float(kev[0] / bins[0]), 0.0
    if len(set(kev.tolist())) < len(peaks):
        raise UsageError("two peaks of the same energy: give each energy once")
    gain, at_zero = np.polyfit(bins, kev, 1)
    if not gain > 0:
        raise RefusedError(f"the peaks give {gain:g} keV a bin: higher energies must lie in higher bins")
    return float(gain), float(-at_zero / gain)
