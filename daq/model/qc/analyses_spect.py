"""Analyses of the rotating camera and its geometry: rotation, registration, tomographic uniformity and contrast."""

from __future__ import annotations

from daq.model.qc.analyses import AnalysisKind

KINDS: tuple[AnalysisKind, ...] = ()
