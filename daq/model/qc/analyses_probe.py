"""Analyses of the hand-held probe."""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind, FigureKind

_WINDOW = ("window", "name of the energy window, or all; else the first that was recorded with")
_INPUT = ("input", "of the board, 0 or 1; else the first that was recorded")

BACKGROUND = AnalysisKind(
    name="probe-background",
    title="Background of the probe, no source near",
    figures=(
        FigureKind("background", "cps", "in the energy window", "", "in the window"),
        FigureKind("background_all", "cps", "of all energies", "", "of all energies"),
    ),
    parameters=(_WINDOW, _INPUT),
)
CONSTANCY = AnalysisKind(
    name="probe-constancy",
    title="Constancy of the probe with a sealed source, and its photopeak",
    figures=(
        FigureKind("net_rate", "cps", "in the window, corrected for dead time, net of background", "", "in the window"),
        FigureKind("net_rate_at_reference", "cps", "the same at the source's reference time", "", "in the window"),
        FigureKind("sensitivity", "cps/kBq", "net rate per activity of the source today", "", "in the window"),
        FigureKind("background", "cps", "that was taken off", "", "in the window"),
        FigureKind("peak", "keV", "where the photopeak is", "", "in the spectrum"),
        FigureKind("peak_error", "%", "of the photopeak from the line of the source", "", "in the spectrum"),
        FigureKind("peak_bin", "adc", "where it is, without an energy calibration", "", "in the spectrum"),
        FigureKind("resolution", "%", "full width of the photopeak at half maximum", "", "in the spectrum"),
    ),
    parameters=(_WINDOW, _INPUT),
)  # fmt: skip

KINDS: tuple[AnalysisKind, ...] = (BACKGROUND, CONSTANCY)
