"""What one analysis of one test is made of.

A job is plain data in a file, so that the daemon can leave it to another process, and it outlives both. What does it is
in `analysed`, which loads all that computes; the daemon, which never does, starts in half the time without.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daq.errors import FormatError
from daq.model.qc.documents import QcResult
from daq.model.qc.limits import QcTest
from daq.model.scanner import ScannerProfile


@dataclass(frozen=True, slots=True)
class Job:
    """What an analysis is made of. `reference` and `earlier` are results, as bodies of their documents, by test.

    `performed`, `by`, `comment` are of what was entered; recordings say theirs themselves.
    """

    test: str
    spec: QcTest
    scanner: ScannerProfile
    recordings: tuple[Path, ...] = ()
    entries: Mapping[str, Any] = field(default_factory=dict)
    earlier: Mapping[str, QcResult] = field(default_factory=dict)
    reference: tuple[str, QcResult] | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    head_calibrations: Path | None = None
    calibrations: Path | None = None
    performed: str = ""
    by: str = ""
    comment: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "test": self.test, "spec": self.spec.model_dump(mode="json"), "entries": dict(self.entries),
            "scanner": self.scanner.model_dump(mode="json"), "recordings": [str(each) for each in self.recordings],
            "earlier": {name: each.to_body() for name, each in self.earlier.items()}, "source": dict(self.source),
            "reference": None if self.reference is None else [self.reference[0], self.reference[1].to_body()],
            "head_calibrations": _text(self.head_calibrations), "calibrations": _text(self.calibrations),
            "performed": self.performed, "by": self.by, "comment": self.comment,
        }  # fmt: skip

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Job:
        """Return the job of its plain data. Raise `FormatError` for what is none."""
        try:
            reference = told["reference"]
            return cls(
                told["test"], QcTest.model_validate_json(json.dumps(told["spec"])),
                ScannerProfile.model_validate_json(json.dumps(told["scanner"])),
                tuple(map(Path, told["recordings"])), told["entries"],
                {name: QcResult.from_body(body) for name, body in told["earlier"].items()},
                None if reference is None else (reference[0], QcResult.from_body(reference[1])), told["source"],
                _path(told["head_calibrations"]), _path(told["calibrations"]), told["performed"], told["by"],
                told["comment"],
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as why:
            raise FormatError(f"a job of quality control is not whole: {why}") from None


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
