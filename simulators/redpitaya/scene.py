"""What a probe sees: photons of nuclides in its crystal, as pulse heights, at rates that change as it is moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError
from daq.model.camera import Crystal
from simulators.camera.model import REFERENCE_KEV, Field, Scene, SimulatedHead

CRYSTAL_MM = 10.0
CRYSTAL = Crystal(material="CsI(Tl)", thickness_mm=CRYSTAL_MM, width_mm=CRYSTAL_MM, height_mm=CRYSTAL_MM)
_DISTANCE_MM = 1000.0
_PHOTONS = 200_000
_REPEATS = 5
_FWHM_PER_SIGMA = 2.3548200450309493
_MOST_CODE = (1 << 13) - 1
"""The highest pulse that an ADC of 14 bits with a sign can show."""
BACKGROUND_KEV = (20.0, 120.0)
"""Background has energies from the first on, e times fewer with each step of the second: a choice, for only its rate
matters here, not its shape."""

Codes = npt.NDArray[np.int32]


class Scale(NamedTuple):
    """How energies become codes: keV per bin, and the resolution as a fraction (FWHM) at 140.5 keV."""

    kev_per_bin: float
    fwhm: float


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """One kind of photons: a pool of pulse heights to draw from, and its rate in pulses per second.

    `moves`: from a time in seconds on, the rate is so many times that. `until_s`: it ends then.
    """

    codes: Codes
    cps: float
    moves: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    from_s: float = 0.0
    until_s: float = float("inf")

    def rate(self, second: float) -> float:
        """Return pulses per second at a time."""
        if not self.from_s <= second < self.until_s:
            return 0.0
        return self.cps * next((factor for since, factor in reversed(self.moves) if second >= since), 1.0)

    def changes(self) -> list[float]:
        """Return the times at which its rate changes."""
        return [self.from_s, self.until_s, *(since for since, _ in self.moves)]


@lru_cache(maxsize=8)
def deposits(nuclide: str, seed: int) -> npt.NDArray[np.float32]:
    """Return energies in keV that photons of a nuclide leave in the crystal. Raises `MissingError`, `UsageError`.

    They are those of the simulated gamma camera: photoelectric absorption, and Compton scattering with one chance to
    absorb the rest.
    """
    head = SimulatedHead(0, CRYSTAL)
    seconds, wanted = 1.0, float(_PHOTONS)
    activity_bq = 4 * np.pi * _DISTANCE_MM**2 / CRYSTAL_MM**2 * wanted
    scene = Scene((head,), (Field(nuclide, activity_bq, distance_mm=_DISTANCE_MM),), seconds=seconds)
    from simulators.camera.generate import generate  # compiled loops: every other kind would wait for them, too

    energies = generate(scene, seed).energy_kev
    if not len(energies):
        raise UsageError(f"{nuclide}: leaves nothing in a crystal of {CRYSTAL_MM:g} mm")
    return energies


def pulses(nuclide: str, scale: Scale, seed: int) -> Codes:
    """Return a pool of pulse heights of a nuclide, blurred by a resolution that goes with the root of the energy."""
    energies = np.repeat(deposits(nuclide, seed).astype(np.float64), _REPEATS)
    sigma = scale.fwhm / _FWHM_PER_SIGMA * np.sqrt(energies * REFERENCE_KEV)
    return _codes(energies + sigma * np.random.default_rng(seed).standard_normal(len(energies)), scale)


def background(scale: Scale, seed: int) -> Codes:
    """Return a pool of pulse heights of background."""
    lowest, length = BACKGROUND_KEV
    return _codes(lowest + np.random.default_rng(seed).exponential(length, _PHOTONS), scale)


def noise(highest_bin: int, seed: int) -> Codes:
    """Return a pool of pulse heights of electronic noise, up to a bin."""
    return np.random.default_rng(seed).integers(0, highest_bin, _PHOTONS).astype(np.int32)


def parse_moves(text: str) -> tuple[tuple[float, float], ...]:
    """Return the moves of a text such as `0:1,5:20,8:1`: from second 5 on 20 times the rate. Raises `UsageError`."""
    moves = []
    for part in text.split(","):
        since, _, factor = part.partition(":")
        try:
            moves.append((float(since), float(factor)))
        except ValueError:
            raise UsageError(f"--moves {part}: wanted is SECOND:FACTOR, two numbers") from None
    if any(not 0 <= number < float("inf") for move in moves for number in move):
        raise UsageError(f"--moves {text}: numbers must be zero or more")
    if [since for since, _ in moves] != sorted({since for since, _ in moves}):
        raise UsageError(f"--moves {text}: times must ascend")
    return tuple(moves)


def boundaries(components: Sequence[Component], begin_s: float, end_s: float) -> list[float]:
    """Return `begin_s`, the times within at which a rate changes, and `end_s`."""
    inside = {time_s for each in components for time_s in each.changes() if begin_s < time_s < end_s}
    return [begin_s, *sorted(inside), end_s]


def _codes(energies_kev: npt.NDArray[np.float64], scale: Scale) -> Codes:
    return np.clip(np.floor(energies_kev / scale.kev_per_bin), 0, _MOST_CODE).astype(np.int32)
