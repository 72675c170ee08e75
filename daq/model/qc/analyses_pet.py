"""Analyses of the daily scan of a PET ring and its calibrations."""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind

KINDS: tuple[AnalysisKind, ...] = ()
