"""The nuclide table: half-lives, photon lines, positrons and usual windows, each with its source.

Half-lives, gamma and positron yields are those of ENSDF. X-ray lines are the K lines that follow from the ENSDF decay
schemes. Listed are gammas above 30 keV and K X-rays above 50 keV with at least one photon per 100 decays.
Tests hold the table against ICRP Publication 107; `docs/reference/nuclides.md` says where the two differ.
"""

from __future__ import annotations

from types import MappingProxyType

from daq.errors import MissingError
from daq.model.nuclides import YEAR_S, Line, LineKind, Nuclide, UsualWindow
from daq.model.windows import EnergyWindow

ENSDF = "ENSDF of 2023-09 (NNDC), as converted by paceENSDF 0.6.3"
ENSDF_TC99M = "ENSDF, E. Browne and J. K. Tuli, Nuclear Data Sheets 145, 25 (2017)"
K_XRAYS = "paceENSDF 0.6.3: K vacancies of the ENSDF decay scheme times X-ray branching"
TWO_PER_POSITRON = "two photons per positron"
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0

_COMMON = "common clinical practice; no primary source read"
_BONE = "EANM practice guidelines for bone scintigraphy, 2016 (excerpt read)"
_LU177 = "EJNMMI Physics 2021, doi 10.1186/s40658-021-00397-0"


def _gammas(*pairs: tuple[float, float], source: str = ENSDF) -> tuple[Line, ...]:
    return tuple(Line(energy, per_100, LineKind.GAMMA, source) for energy, per_100 in pairs)


def _xrays(*pairs: tuple[float, float]) -> tuple[Line, ...]:
    return tuple(Line(energy, per_100, LineKind.X, K_XRAYS) for energy, per_100 in pairs)


def _peak(peak_kev: float, percent: float, source: str = _COMMON, *, name: str = "") -> UsualWindow:
    label = name or f"{peak_kev:g}"
    window = EnergyWindow.around(peak_kev, full_width_percent=percent, name=label)
    return UsualWindow(window, source, draft=source == _COMMON)


def _range(lower_kev: float, upper_kev: float, name: str, source: str = _COMMON) -> UsualWindow:
    return UsualWindow(EnergyWindow(lower_kev, upper_kev, name), source, draft=source == _COMMON)


_PET = (_range(435.0, 650.0, "511"),)


def _single(
    name: str, half_life_s: float, *groups: tuple[Line, ...],
    windows: tuple[UsualWindow, ...] = (), source: str = ENSDF, daughter: str | None = None, note: str = "",
) -> Nuclide:  # fmt: skip
    lines = tuple(line for group in groups for line in group)
    return Nuclide(name, half_life_s, source, lines, 0.0, source, windows, daughter, note)


def _positron(name: str, half_life_s: float, per_100: float, *gammas: tuple[float, float], note: str = "") -> Nuclide:
    pair = Line(510.999, 2.0 * per_100, LineKind.ANNIHILATION, TWO_PER_POSITRON)
    return Nuclide(name, half_life_s, ENSDF, (pair, *_gammas(*gammas)), per_100, ENSDF, _PET, note=note)


_ALL = (
    _single("Tc-99m", 6.0072 * HOUR_S, _gammas((140.511, 89.0), source=ENSDF_TC99M), source=ENSDF_TC99M,
            windows=(_peak(140.5, 20.0, _BONE), _peak(140.5, 15.0, _BONE, name="140.5 narrow"),
                     _range(108.0, 126.0, "scatter"))),
    _single("Co-57", 271.74 * DAY_S, _gammas((122.06065, 85.60), (136.47356, 10.68)),
            windows=(_peak(122.1, 20.0),), note="New sheet sources carry Co-56 and Co-58 of higher energy."),
    _single("I-123", 13.223 * HOUR_S, _gammas((159.0, 83.6), (528.97, 1.27)), windows=(_peak(159.0, 20.0),)),
    _single("In-111", 2.8047 * DAY_S, _gammas((171.28, 90.65), (245.35, 94.09)),
            windows=(_peak(171.3, 20.0), _peak(245.4, 20.0))),
    _single("Ga-67", 3.2617 * DAY_S,
            _gammas((91.265, 3.11), (93.310, 38.81), (184.576, 21.41), (208.95, 2.46), (300.217, 16.64),
                    (393.527, 4.56)),
            windows=(_peak(93.3, 20.0), _peak(184.6, 20.0), _peak(300.2, 20.0))),
    _single("Lu-177", 6.6443 * DAY_S, _gammas((112.9498, 6.225), (208.3662, 10.41)),
            _xrays((54.611, 1.57), (55.790, 2.71)),
            windows=(_peak(208.4, 20.0, _LU177), _range(175.0, 187.6, "scatter below", _LU177),
                     _range(229.2, 241.8, "scatter above", _LU177))),
    _single("I-131", 8.0252 * DAY_S,
            _gammas((80.185, 2.616), (284.305, 6.121), (364.489, 81.5), (636.989, 7.156), (722.911, 1.769)),
            windows=(_peak(364.5, 20.0),)),
    _single("Tl-201", 3.042 * DAY_S, _gammas((135.34, 2.605), (167.43, 10.0)),
            _xrays((68.894, 26.60), (70.818, 44.79), (79.824, 5.41), (80.255, 10.35), (82.473, 3.74)),
            windows=(_peak(72.0, 30.0), _peak(167.4, 20.0)),
            note="Imaged by the X-rays of mercury; their yields are uncertain by about 15 %."),
    _positron("F-18", 109.77 * MINUTE_S, 96.73),
    _positron("Ga-68", 67.71 * MINUTE_S, 88.91, (1077.34, 3.22)),
    _single("Ge-68", 270.95 * DAY_S, daughter="Ga-68", windows=_PET,
            note="Emits no line of its own above the limits; the lines of a source are those of Ga-68."),
    _positron("C-11", 1221.8, 99.767),
    _positron("N-13", 9.965 * MINUTE_S, 99.804),
    _positron("O-15", 122.24, 99.900),
    _positron("Rb-82", 1.2575 * MINUTE_S, 95.36, (776.511, 15.06)),
    _positron("Cu-64", 12.7006 * HOUR_S, 17.49),
    _positron("Zr-89", 78.41 * HOUR_S, 22.74, (909.15, 99.04),
              note="909 keV follows from Y-89m (15.7 s), not in coincidence with the positron."),
    _positron("Na-22", 2.6018 * YEAR_S, 89.955, (1274.537, 99.94)),
    _single("Lu-176", 3.76e10 * YEAR_S, _gammas((88.34, 14.51), (201.83, 77.97), (306.78, 93.6)),
            _xrays((54.611, 9.61), (55.790, 16.59), (62.985, 1.86), (63.243, 3.59), (64.942, 1.23)),
            note="In LSO and LYSO crystals: beta and gammas of one decay, coincident background."),
    _single("Cs-137", 30.08 * YEAR_S, _gammas((661.657, 85.10)),
            note="The line is that of Ba-137m (2.55 min), per 100 decays of Cs-137 in equilibrium."),
)  # fmt: skip

NUCLIDES = MappingProxyType({nuclide.name: nuclide for nuclide in _ALL})
"""All nuclides by name, e.g. `NUCLIDES["Tc-99m"]`."""


def nuclide(name: str) -> Nuclide:
    """Return the nuclide, or raise `MissingError` that lists the names."""
    if name not in NUCLIDES:
        raise MissingError(f"nuclide {name!r} is not in the table; it has {', '.join(NUCLIDES)}")
    return NUCLIDES[name]
