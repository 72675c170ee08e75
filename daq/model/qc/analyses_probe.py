"""Analyses of the hand-held probe."""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind, FigureKind

_WINDOW = ("window", "name of the energy window, or all; else the first that was recorded with")
_INPUT = ("input", "of the board, 0 or 1; else the first that was recorded")

BACKGROUND = AnalysisKind(
    name="probe-background",
    title="Background of the probe, no source near",
    figures=(
        FigureKind("background", "cps", "background in the energy window", "", "in the window"),
        FigureKind("background_all", "cps", "background of all energies", "", "of all energies"),
    ),
    parameters=(_WINDOW, _INPUT),
)
CONSTANCY = AnalysisKind(
    name="probe-constancy",
    title="Constancy of the probe with a sealed source, and its photopeak",
    figures=(
        FigureKind("net_rate", "cps", "net rate, corrected for dead time", "", "in the window"),
        FigureKind("net_rate_at_reference", "cps", "net rate at the source's reference time", "", "in the window"),
        FigureKind("sensitivity", "cps/kBq", "net rate per activity of the source today", "", "in the window"),
        FigureKind("background", "cps", "background that was taken off", "", "in the window"),
        FigureKind("peak", "keV", "photopeak", "", "in the spectrum"),
        FigureKind("peak_error", "%", "photopeak off the line of the source", "", "in the spectrum"),
        FigureKind("peak_bin", "adc", "bin of the photopeak", "", "in the spectrum"),
        FigureKind("resolution", "%", "width of the photopeak at half maximum", "", "in the spectrum"),
    ),
    parameters=(_WINDOW, _INPUT),
)  # fmt: skip

KINDS: tuple[AnalysisKind, ...] = (BACKGROUND, CONSTANCY)
