"""Analyses of a PET ring by NEMA NU 2."""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind

KINDS: tuple[AnalysisKind, ...] = ()
