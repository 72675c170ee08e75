"""What recordings of a test say of themselves, whatever the analysis: what they are, and what stands against them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import RefusedError
from daq.services.qc.ratewatch import OBSTACLE
from daq.storage.listing import load_manifest
from daq.storage.manifest import MANIFEST
from daq.storage.manifestfacts import recorded_protocol
from daq.storage.reader import open_listmode

if TYPE_CHECKING:
    from daq.storage.manifest import Manifest, RecordedStep

_HOST = "host"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording of a test: its directory, its manifest, and the marks that stand against it."""

    directory: Path
    manifest: Manifest
    manifest_sha256: str
    marks: tuple[str, ...]
    collimators: tuple[str, ...] = ()
    """Those that its protocol is for; none said: any, or none."""

    @property
    def collimator(self) -> str | None:
        """Return the collimator that it was made with; None where that is not known, or there was none."""
        name = self.manifest.calibrations.get("collimator")
        return None if name is None else str(name)

    @property
    def is_of_another_collimator(self) -> bool:
        """Return True where it was made with a collimator that its protocol is not for."""
        return self.collimator is not None and bool(self.collimators) and self.collimator not in self.collimators

    @property
    def about(self) -> dict[str, Any]:
        """Return how a result names it."""
        return {
            "id": self.manifest.acquisition_id, "directory": str(self.directory),
            "manifest_sha256": self.manifest_sha256,
        }  # fmt: skip

    @property
    def qc(self) -> dict[str, Any]:
        """Return what it says of quality control; empty where it was not begun as a test."""
        return self.manifest.qc or {}

    def obstacles(self, test: str) -> Iterator[str]:
        """Yield what stands against the test: another test or collimator, unfinished steps, the daemon's marks."""
        name = self.manifest.acquisition_id
        if self.qc.get("test", test) != test:
            yield f"{name} was acquired for the test {self.qc['test']}, not for {test}"
        if self.is_of_another_collimator:
            wanted = " or ".join(self.collimators)
            yield (
                f"{name} was acquired with {self.collimator}, and the test is of {wanted}: "
                f"it says nothing of {wanted}; "
                f"{self.collimator} needs its own test"
            )
        if not self.manifest.steps:
            yield f"{name}: nothing was counted"
        planned = int((self.manifest.protocol or {}).get("steps", 0))
        done = len(self.manifest.steps or ())
        if done < planned:
            yield f"{name}: {done} of {planned} steps were acquired"
        for step in self.manifest.steps or ():
            if (why := _unfinished(step)) is not None:
                yield f"{name}: {why}"
        yield from (f"{name}: {text}" for text in self.marks)

    def remarks(self) -> Iterator[str]:
        """Yield what who reads the result should know of how it was acquired."""
        for requirement, why in self.manifest.overrides.items():
            yield f"{requirement} was overridden: {why}"
        missing = sum(step.missing for step in self.manifest.steps or ())
        if missing:
            yield f"{self.manifest.acquisition_id}: {missing:,} words of the front end are missing"


def recorded(directories: Sequence[Path]) -> tuple[Recorded, ...]:
    """Return recordings, in order. Raise `RefusedError` for one that is not sealed, what opening one raises."""
    return tuple(map(_recorded, directories))


def _recorded(directory: Path) -> Recorded:
    manifest = load_manifest(directory)
    if manifest.state == "open":
        raise RefusedError(f"{directory}: still open; what is sealed is analysed")
    sha256 = hashlib.sha256((directory / MANIFEST).read_bytes()).hexdigest()
    protocol = recorded_protocol(manifest, directory)
    wanted = tuple(protocol.requirements.collimators) if protocol is not None else ()
    return Recorded(directory.resolve(), manifest, sha256, _marks(directory), wanted)


def _marks(directory: Path) -> tuple[str, ...]:
    with open_listmode(directory) as recording:
        if "marks" not in recording.streams:
            return ()
        told = recording.table("marks", ["kind", "text"]).to_pylist()
    said = [str(row["text"]) for row in told if row["kind"] == "operator"]
    return tuple(dict.fromkeys(text.removeprefix(OBSTACLE) for text in said if text.startswith(OBSTACLE)))


def _unfinished(step: RecordedStep) -> str | None:
    """Return why a step has not what its protocol wanted of it; None where it has."""
    if step.ended_by == _HOST and any(not part.startswith(f"{_HOST}=") for part in (step.stop or "").split(",")):
        return f"step {step.name!r} ended at its backstop, before the counts or the time that the protocol asks for"
    if not step.completed:
        return f"step {step.name!r} was ended by {step.ended_by or 'something unknown'} before its end"
    return None
