"""Radionuclides: what they emit and how they decay. The numbers are in `daq.model.nuclide_table`.

Times are seconds, energies keV, yields photons or positrons per 100 decays of the nuclide itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from daq.errors import UsageError
from daq.model.windows import EnergyWindow

YEAR_S = 365.2422 * 86400.0
"""The year that half-lives are stated in: tropical."""


class LineKind(StrEnum):
    """Where a photon comes from."""

    GAMMA = "gamma"
    X = "x"
    ANNIHILATION = "annihilation"


@dataclass(frozen=True, slots=True)
class Line:
    """One photon line."""

    energy_kev: float
    per_100_decays: float
    kind: LineKind
    source: str


@dataclass(frozen=True, slots=True)
class UsualWindow:
    """An energy window in common use. `draft`: no primary source was read; a physicist confirms it before use."""

    window: EnergyWindow
    source: str
    draft: bool


@dataclass(frozen=True, slots=True)
class Nuclide:
    """One radionuclide. `lines` are those of its own decay; see `daughter` for what grows into it.

    `daughter` names a nuclide that is in equilibrium with it in a sealed source (Ge-68 with Ga-68); its lines are
    listed there. `note` says what a reader would get wrong.
    """

    name: str
    half_life_s: float
    half_life_source: str
    lines: tuple[Line, ...]
    positrons_per_100_decays: float
    positron_source: str
    usual_windows: tuple[UsualWindow, ...] = ()
    daughter: str | None = None
    note: str = ""

    @property
    def decay_constant_per_s(self) -> float:
        """Return ln 2 over the half-life."""
        return math.log(2.0) / self.half_life_s

    def activity_factor(self, dt_s: float) -> float:
        """Return activity after `dt_s` over activity before; above 1 for a negative `dt_s`.

        `UsageError` when `dt_s` lies more than 1023 half-lives back, where the factor leaves the range of a float.
        """
        try:
            return math.exp2(-dt_s / self.half_life_s)
        except OverflowError:
            raise UsageError(f"{self.name}: {-dt_s:g} s before is beyond 1023 half-lives") from None

    def decays_between(self, activity_bq: float, t0_s: float, t1_s: float) -> float:
        """Return the expected decays from `t0_s` to `t1_s` of a source that has `activity_bq` at time zero.

        Exact to rounding for an interval however short against the half-life, and however long. `UsageError` when
        `t1_s` is before `t0_s`.
        """
        if t1_s < t0_s:
            raise UsageError(f"{self.name}: an interval from {t0_s:g} s to {t1_s:g} s ends before it begins")
        decayed = -math.expm1(-self.decay_constant_per_s * (t1_s - t0_s))
        return activity_bq * self.activity_factor(t0_s) * decayed / self.decay_constant_per_s
