"""Analyses of the planar gamma camera."""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind, FigureKind

_NU1 = "NEMA NU 1"
_PIXEL = "pixel near 6.4 mm"

FLOOD = AnalysisKind(
    name="planar-uniformity",
    title="Uniformity of a flood, and its photopeak",
    figures=(
        FigureKind("ufov_integral", "%", "integral uniformity, useful field of view", _NU1, _PIXEL),
        FigureKind("ufov_differential", "%", "differential uniformity, useful field of view", _NU1, _PIXEL),
        FigureKind("cfov_integral", "%", "integral uniformity, central field of view", _NU1, _PIXEL),
        FigureKind("cfov_differential", "%", "differential uniformity, central field of view", _NU1, _PIXEL),
    ),
)

KINDS: tuple[AnalysisKind, ...] = (FLOOD,)
