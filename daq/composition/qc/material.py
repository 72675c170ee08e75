"""What an analysis is given, and the table of the functions that do them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.model.qc.figures import Findings

if TYPE_CHECKING:
    from daq.model.qc.documents import QcResult
    from daq.model.qc.limits import QcTest
    from daq.model.scanner import ScannerProfile


@dataclass(frozen=True, slots=True)
class Material:
    """What an analysis is given.

    `recordings`: list-mode directories in the order in which they were acquired. `source`: body of the register's
    document with `activity_mbq` at the beginning of the first recording, empty where none is used. `entries`: what a
    person entered. `earlier`: figures of other tests by their name, newest, where the analysis compares with them.
    `head_calibrations`, `calibrations`: folders of the site.
    """

    name: str
    test: QcTest
    scanner: ScannerProfile
    recordings: tuple[Path, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    entries: Mapping[str, Any] = field(default_factory=dict)
    earlier: Mapping[str, QcResult] = field(default_factory=dict)
    reference: QcResult | None = None
    head_calibrations: Path | None = None
    calibrations: Path | None = None

    def number(self, name: str, default: float) -> float:
        """Return a parameter of the test."""
        value = self.test.parameters.get(name, default)
        return float(value) if isinstance(value, int | float) else default


Analyse = Callable[[Material], Findings]
"""Raises a `ScandaqError` where the recordings cannot be read at all; what speaks against the test is an obstacle."""
