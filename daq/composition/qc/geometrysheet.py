"""What the analyses of geometry write their figures on, and what they read of tests and recordings alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daq.errors import MismatchError, MissingError, RefusedError, UsageError
from daq.model.framed import Framed, ImageKind
from daq.model.nuclide_table import nuclide as nuclide_named
from daq.model.qc.figures import Curve, Figure, Findings, Picture
from daq.storage.framed import framed_in
from daq.storage.manifestfacts import recorded_protocol
from daq.storage.reader import open_listmode

if TYPE_CHECKING:
    from daq.composition.qc.material import Material
    from daq.model.nuclides import Nuclide
    from daq.model.qc.analyses import AnalysisKind
    from daq.storage.manifest import Manifest

LIT = 0.1
"""A head with less than that share of the counts of the brightest one saw no source."""


@dataclass(slots=True)
class Sheet:
    """Findings in the making, of one analysis: its kind says which figures there are, in which unit."""

    kind: AnalysisKind
    obstacles: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    _rows: dict[str, list[tuple[str, float | None, float | None, float | None]]] = field(default_factory=dict)

    def add(
        self, name: str, subject: str, value: float | None, *, noise: float | None = None, counts: float | None = None
    ) -> None:
        """Add a figure of a subject; `noise` and `counts` as `Figure` has them."""
        self._rows.setdefault(name, []).append((subject, value, noise, counts))

    @contextmanager
    def judging(self, subject: str) -> Iterator[None]:
        """Make an obstacle of what is refused of one subject, so that the others are still looked at."""
        try:
            yield
        except MismatchError:
            raise  # recordings that cannot be read so at all
        except RefusedError as why:
            self.obstacles.append(f"{subject}: {why}" if subject else str(why))

    def findings(self) -> Findings:
        """Return what was written. Raises `KeyError` for a figure that the kind does not have: a fault of ours."""
        kinds = {each.name: each for each in self.kind.figures}
        figures = []
        for name in [name for name in kinds if name in self._rows] + [name for name in self._rows if name not in kinds]:
            subjects, values, noise, counts = zip(*self._rows[name], strict=True)
            figures.append(Figure(name, kinds[name].unit, subjects, values, noise, counts))
        return Findings(
            tuple(figures), tuple(self.obstacles), tuple(dict.fromkeys(self.remarks)), tuple(self.pictures),
            tuple(self.curves),
        )  # fmt: skip


def number(material: Material, name: str) -> float:
    """Return a parameter that must be said and above or at zero. Raise `UsageError` where it is not."""
    value = material.test.parameters.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < float("inf"):
        raise UsageError(f"test {material.name}: parameter {name} must be said: a number, at least 0")
    return float(value)


def numbers(material: Material, name: str) -> tuple[float, ...]:
    """Return a parameter of several numbers above zero. Raise `UsageError` where it is not said so."""
    value = material.test.parameters.get(name)
    if not isinstance(value, tuple) or not value or not all(0.0 < each < float("inf") for each in value):
        raise UsageError(f"test {material.name}: parameter {name} must be said: numbers above 0")
    return tuple(float(each) for each in value)


def word(material: Material, name: str, *allowed: str) -> str:
    """Return a parameter that is one of several words, by default the first. Raise `UsageError` for others."""
    value = str(material.test.parameters.get(name, allowed[0]))
    if value not in allowed:
        raise UsageError(f"test {material.name}: parameter {name} = {value!r}; known are {', '.join(allowed)}")
    return value


def recordings(material: Material) -> tuple[Path, ...]:
    """Return the recordings. Raise `UsageError` where there is none."""
    if not material.recordings:
        raise UsageError(f"test {material.name}: it needs a recording")
    return material.recordings


def series(directory: Path, *kinds: ImageKind) -> tuple[list[Framed], Manifest]:
    """Return the series of these kinds in a recording, with its manifest. Raise `MissingError` where there is none."""
    with open_listmode(directory) as recording:
        manifest = recording.manifest
        found = [each for each in framed_in(recording) if each.kind in kinds]
    if not found:
        raise MissingError(f"{directory}: it holds no {' and no '.join(str(kind) for kind in kinds)} series")
    return found, manifest


def window_place(material: Material, made: Framed) -> int:
    """Return which window of a series is looked at. Raise `MissingError` for one that it does not have."""
    wanted = material.test.parameters.get("window")
    names = [window.name for window in made.windows]
    if wanted is None:
        return 0
    if str(wanted) not in names:
        raise MissingError(f"{made.name}: it has no window {wanted!r}; there are {', '.join(names) or 'none'}")
    return names.index(str(wanted))


def collimator(manifest: Manifest) -> str:
    """Return the collimator that was recorded with, for subjects."""
    return str(manifest.calibrations.get("collimator") or "no collimator")


def seconds(text: Any) -> float:
    """Return a time, seconds since the epoch. Raise `UsageError` for what is none, or has no time zone."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        raise UsageError(f"{text!r} is no time: RFC 3339 is wanted, with its zone") from None
    if at.tzinfo is None:
        raise UsageError(f"{text}: it has no time zone; UTC ends in Z")
    return at.astimezone(UTC).timestamp()


def start_s(manifest: Manifest) -> float:
    """Return when time zero of a recording was, seconds since the epoch."""
    told = manifest.time.get("start_utc_ns")
    return float(told) / 1e9 if told is not None else seconds(manifest.created_utc)


def nuclide_of(material: Material, directory: Path) -> Nuclide:
    """Return the nuclide of the source: the test's, else the register's, else the protocol's. Raise `MissingError`."""
    said = material.test.parameters.get("nuclide") or material.source.get("nuclide")
    if said is None:
        with open_listmode(directory) as recording:
            protocol = recorded_protocol(recording.manifest, directory)
        said = protocol.radionuclide if protocol else None
    if said is None:
        raise MissingError(f"test {material.name}: of which nuclide the source is, nobody says")
    return nuclide_named(str(said))


def lit(material: Material, made: Framed) -> list[int]:
    """Return the places of the heads that saw the source."""
    counts = made.counts[:, window_place(material, made)].sum(axis=(1, 2, 3), dtype=np.float64)
    if not counts.max() > 0.0:
        raise RefusedError(f"{made.name}: no head counted anything in the window")
    return [int(place) for place in np.flatnonzero(counts > LIT * counts.max())]
