"""Analyses of the hand-held probe."""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind

KINDS: tuple[AnalysisKind, ...] = ()
