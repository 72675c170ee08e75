"""Energy windows of studies from the nuclide table: photopeaks by the nuclide's name, scatter windows beside them.

Triple-energy windows (K. Ogawa et al., IEEE Trans. Med. Imaging 10, 408, 1991) are narrow ones that touch a photopeak's
window on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence

from daq.errors import RefusedError
from daq.model.nuclide_table import nuclide
from daq.model.nuclides import Nuclide, UsualWindow
from daq.model.windows import EnergyWindow, WindowSet


def photopeaks(name: str) -> tuple[UsualWindow, ...]:
    """Return the usual windows on photopeaks of a nuclide: those named by their energy, e.g. three of Ga-67.

    Raises `MissingError` for a nuclide that is not in the table, `RefusedError` for one without a usual window.
    """
    of = nuclide(name)
    found = tuple(usual for usual in of.usual_windows if usual.window.name.replace(".", "", 1).isdigit())
    if not found:
        raise RefusedError(f"{name}: the table has no usual window on a photopeak")
    return found


def main_line_kev(name: str) -> float:
    """Return the line that the first photopeak of a nuclide is about: the strongest one inside of its window."""
    return line_inside(nuclide(name), photopeaks(name)[0].window)


def line_inside(of: Nuclide, window: EnergyWindow) -> float:
    """Return the energy of the strongest line inside of a window; raise `RefusedError` where none is."""
    inside = [line for line in of.lines if window.lower_kev <= line.energy_kev < window.upper_kev]
    if not inside:
        raise RefusedError(f"{of.name} has no line in window {window}")
    return max(inside, key=lambda line: line.per_100_decays).energy_kev


def window_set(names: Sequence[str], *, tew_width_kev: float | None = None) -> WindowSet:
    """Return the windows of a study with one or several nuclides, each window named by its energy.

    With several nuclides the names begin with theirs. `tew_width_kev`: a scatter window of that width below and above
    each photopeak, named `... below` and `... above`. Raises `RefusedError` for more than 16, or for one below zero.
    """
    made: list[EnergyWindow] = []
    for name in names:
        for usual in photopeaks(name):
            peak = usual.window
            label = f"{name} {peak.name}" if len(names) > 1 else peak.name
            made.append(EnergyWindow(peak.lower_kev, peak.upper_kev, label))
            if tew_width_kev is not None:
                made += beside(made[-1], tew_width_kev)
    return WindowSet(tuple(made))


def beside(peak: EnergyWindow, width_kev: float) -> tuple[EnergyWindow, EnergyWindow]:
    """Return the scatter windows that touch a window below and above."""
    if not 0 < width_kev < peak.lower_kev:
        raise RefusedError(f"a scatter window of {width_kev:g} keV does not fit below {peak}")
    return (
        EnergyWindow(peak.lower_kev - width_kev, peak.lower_kev, f"{peak.name} below"),
        EnergyWindow(peak.upper_kev, peak.upper_kev + width_kev, f"{peak.name} above"),
    )
