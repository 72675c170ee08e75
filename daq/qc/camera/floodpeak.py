"""The photopeak of a flood: where it is, how wide, and whether it is that of the nuclide the test is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daq.errors import LimitError, MissingError, RefusedError
from daq.model.nuclide_table import nuclide as nuclide_named
from daq.model.window_sets import main_line_kev
from daq.qc.peaks import peak_at
from daq.qc.spectra import NEMA_COUNTS_IN_PEAK, Peaked, Spectrum, peaked

QC_NUCLIDES = ("Co-57", "Tc-99m", "I-123", "Tl-201", "Ga-67", "In-111", "Lu-177", "I-131", "F-18")
"""Those that lie about where floods are taken, and could be taken for each other."""
LOWEST_KEV = 40.0
WIDEST_PERCENT = 30.0
"""What is wider at half its height is no photopeak."""
DOMINANT = 2.0
"""A peak elsewhere that is so many times as high is that of the source, unless it is near a line of the nuclide too."""
NEAR = 0.06
"""A peak fits a nuclide within that share of its line; no head drifts so far in a day without an alarm."""


@dataclass(frozen=True, slots=True)
class FloodPeak:
    """`peaked` is None where the line has no peak. `wrong`: a sentence where the peak is that of something else."""

    nuclide: str
    line_kev: float
    peaked: Peaked | None
    wrong: str = ""
    remark: str = ""

    @property
    def sigma_kev(self) -> float:
        """Return the statistical uncertainty of where the peak is, keV."""
        return self.peaked.sigma_percent * self.line_kev / 100.0 if self.peaked else float("nan")


def flood_peak(found: Spectrum, nuclide: str, *, others: Sequence[str] = QC_NUCLIDES) -> FloodPeak:
    """Return the photopeak of the strongest line of a nuclide's first window, and what speaks against it.

    A peak counts as another nuclide's where it is nearer to that one's line, as a share of it. That is never by
    chance: a peak of 1,000 counts is known to 0.7 %, lines are 10 % apart. A gain that is as much off looks alike; the
    sentence says so.

    Raises `MissingError` or `RefusedError` for a nuclide without a line, `RefusedError` for no counts.
    """
    line = main_line_kev(nuclide)
    highest = _highest(found)
    if highest is None:
        raise RefusedError(f"the spectrum holds no counts above {LOWEST_KEV:g} keV")
    try:
        near = peaked(found, line)
    except LimitError as few:
        return FloodPeak(nuclide, line, None, remark=str(few))
    except RefusedError:
        return FloodPeak(nuclide, line, None, wrong=_instead(nuclide, line, highest[0], others))
    if near.peak.fwhm_percent > WIDEST_PERCENT or (
        highest[1] > DOMINANT * near.peak.height and not _own(nuclide, highest[0])
    ):
        return FloodPeak(nuclide, line, None, wrong=_instead(nuclide, line, highest[0], others))
    other = _nearest(near.peak.at, nuclide, others)
    if other != nuclide:
        return FloodPeak(nuclide, line, near, wrong=_instead(nuclide, line, near.peak.at, others))
    return FloodPeak(nuclide, line, near, remark=_few(near))


def _highest(found: Spectrum) -> tuple[float, float] | None:
    """Return where the spectrum is highest above 40 keV, and its counts there; None where it is empty."""
    counts = np.where(found.centres_kev >= LOWEST_KEV, found.counts, 0).astype(np.float64)
    if not counts.any():
        return None
    width = max(1, round(4.0 / found.bin_kev))
    top = int(np.argmax(np.convolve(counts, np.ones(width), mode="same")))
    try:
        peak = peak_at(found.centres_kev, counts, top)
    except RefusedError:
        return float(found.centres_kev[top]), float(counts[top])
    return peak.at, peak.height


def _nearest(kev: float, nuclide: str, others: Sequence[str]) -> str:
    return min((nuclide, *others), key=lambda name: abs(kev / _line(name) - 1.0))


def _own(name: str, kev: float) -> bool:
    return any(abs(kev / line.energy_kev - 1.0) <= NEAR for line in nuclide_named(name).lines)


def _line(name: str) -> float:
    try:
        return main_line_kev(name)
    except (MissingError, RefusedError):
        return float("inf")


def _instead(nuclide: str, line: float, kev: float, others: Sequence[str]) -> str:
    other = _nearest(kev, nuclide, others)
    off = 100.0 * (kev / line - 1.0)
    said = f"the photopeak is at {kev:.1f} keV, {off:+.1f} % off {nuclide} ({line:.1f} keV)"
    if other != nuclide and abs(kev / _line(other) - 1.0) <= NEAR:
        return f"{said}; {other} has its line there ({_line(other):.1f} keV): a wrong source, or a gain as far off"
    return f"{said}; no usual nuclide has a line there: look at high voltage, gain and source"


def _few(near: Peaked) -> str:
    if near.peak.height >= NEMA_COUNTS_IN_PEAK:
        return ""
    return (
        f"the highest channel of the photopeak holds {near.peak.height:.0f} counts; NEMA NU 1 asks for "
        f"{NEMA_COUNTS_IN_PEAK} for the resolution"
    )
