"""Analyses of what a person measures or looks at, and enters."""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind

KINDS: tuple[AnalysisKind, ...] = ()
