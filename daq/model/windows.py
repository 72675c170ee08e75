"""Energy windows: up to 16 intervals, one bit each in the column `windows`.

A window is half-open, `lower <= E < upper`, so that windows which share a bound neither count an event twice nor lose
it. Energies and bounds are compared as float32, the precision of the column `energy_kev`: windowing live and windowing
the file later give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError

MAX_WINDOWS = 16
"""Bits of the column `windows`."""

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


@dataclass(frozen=True, slots=True)
class EnergyWindow:
    """The energies `lower_kev <= E < upper_kev`. Raises `RefusedError` unless 0 <= lower < upper, both finite."""

    lower_kev: float
    upper_kev: float
    name: str

    def __post_init__(self) -> None:
        if not self.name:
            raise RefusedError(f"energy window {self.lower_kev:g}-{self.upper_kev:g} keV: it has no name")
        if not (0 <= self.lower_kev < self.upper_kev < math.inf):
            raise RefusedError(
                f"energy window {self.name!r}: {self.lower_kev:g}-{self.upper_kev:g} keV; "
                "the lower bound must be at or above zero and below the upper, which is finite"
            )

    @classmethod
    def around(
        cls, peak_kev: float, *, full_width_percent: float, offset_percent: float = 0.0, name: str
    ) -> EnergyWindow:
        """Return the window of a photopeak. Both percentages are of the peak energy.

        "20 %" and "140 keV ± 10 %" are both `full_width_percent=20`. A positive offset moves the window up.
        """
        centre = 1.0 + offset_percent / 100.0
        half = full_width_percent / 200.0
        return cls(peak_kev * (centre - half), peak_kev * (centre + half), name)

    def gaussian_fraction(self, peak_kev: float, *, fwhm_percent: float) -> float:
        """Return the fraction of a Gaussian photopeak that lies inside, in closed form.

        `fwhm_percent` is the energy resolution in per cent of `peak_kev`.
        """
        scale = math.sqrt(2.0) * peak_kev * fwhm_percent / 100.0 / FWHM_PER_SIGMA
        upper = math.erf((self.upper_kev - peak_kev) / scale)
        return 0.5 * (upper - math.erf((self.lower_kev - peak_kev) / scale))

    def __str__(self) -> str:
        """Return name and bounds for people."""
        return f"{self.name} {self.lower_kev:g}-{self.upper_kev:g} keV"


@dataclass(frozen=True, slots=True)
class WindowSet:
    """Windows in the order of their bits: bit i of the mask is `windows[i]`. They may overlap.

    Raises `RefusedError` for more than 16 windows or a name used twice.
    """

    windows: tuple[EnergyWindow, ...]

    def __post_init__(self) -> None:
        if len(self.windows) > MAX_WINDOWS:
            raise RefusedError(f"{len(self.windows)} energy windows; at most {MAX_WINDOWS} fit the mask")
        names = [window.name for window in self.windows]
        for name in names:
            if names.count(name) > 1:
                raise RefusedError(f"energy window {name!r}: the name is used {names.count(name)} times")

    def mask(self, energy_kev: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
        """Return the bit mask of every energy, same shape. An energy that is NaN is inside no window."""
        energy = np.asarray(energy_kev, np.float32)
        bits = np.zeros(energy.shape, np.uint16)
        for i, window in enumerate(self.windows):
            inside = (energy >= np.float32(window.lower_kev)) & (energy < np.float32(window.upper_kev))
            bits |= inside.astype(np.uint16) << np.uint16(i)
        return bits

    def bit(self, name: str) -> int:
        """Return the bit number of the window `name`, or raise `RefusedError` that lists the names."""
        names = [window.name for window in self.windows]
        if name not in names:
            raise RefusedError(f"no energy window {name!r}; there are {', '.join(names) or 'none'}")
        return names.index(name)


def windows_inside(wanted: WindowSet, recorded: Sequence[EnergyWindow]) -> WindowSet:
    """Return `wanted` if the stored energies cover every one of its windows, else raise `RefusedError`.

    `recorded` are the ranges that were stored: one wide range, or the windows of a recording that kept windowed events
    only. Ranges that touch or overlap count as one.
    """
    covered = _merged(recorded)
    for window in wanted.windows:
        if not any(low <= window.lower_kev and window.upper_kev <= high for low, high in covered):
            ranges = ", ".join(f"{low:g}-{high:g} keV" for low, high in covered) or "nothing"
            raise RefusedError(
                f"energy window {window}: the recording holds {ranges}; "
                "events outside were never stored, so they cannot be windowed later"
            )
    return wanted


def fwhm_percent_at(energy_kev: float, *, fwhm_percent: float, reference_kev: float) -> float:
    """Return the resolution in per cent at `energy_kev` when FWHM in keV grows with the root of energy."""
    return fwhm_percent * math.sqrt(reference_kev / energy_kev)


def _merged(ranges: Sequence[EnergyWindow]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for low, high in sorted((window.lower_kev, window.upper_kev) for window in ranges):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged
