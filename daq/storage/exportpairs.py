"""Coincidences of a recording as pairs of detectors of a ring, for formats that know scanners; in bounded runs.

What the recording does not say can be given: the scanner profile, the header that explains bin addresses, windows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from daq.errors import FormatError, MismatchError, RefusedError
from daq.listmode.interfile import ListModeHeader
from daq.model.events import DELAYED
from daq.model.finding import errors
from daq.model.processing import Processing
from daq.model.scanner import Ring, ScannerProfile
from daq.model.scanner_rules import ring_findings
from daq.model.sinogram import PairTable, pair_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daq.storage.reader import ListMode

Columns = dict[str, npt.NDArray[Any]]
Model = TypeVar("Model", bound=BaseModel)

_RUN_ROWS = 1 << 17
_SAME = 1e-3
"""How far lengths of header and scanner profile may differ, as a fraction."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an export is told beside the recording. None: what the recording says is used.

    `tof_bin_ps` and `energy_bins` are how finely PETSIRD counts. `step`: rows of that step alone, by its number.
    """

    scanner: ScannerProfile | None = None
    header: ListModeHeader | None = None
    half_window_ps: int | None = None
    energy_window_kev: tuple[float, float] | None = None
    tof_bin_ps: int | None = None
    energy_bins: int = 1
    step: int | None = None


@dataclass(slots=True)
class Written:
    """What a format's writer did: rows in the file, rows left out by cause, and notes for the file's reader."""

    rows: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, cause: str, rows: int) -> None:
        """Count rows that are not in the file."""
        if rows:
            self.left_out[cause] = self.left_out.get(cause, 0) + rows


@dataclass(slots=True)
class Survey:
    """What the coincidences are like over all. Times are 0 and energies NaN where there are none."""

    rows: int = 0
    delayeds: int = 0
    first_ps: int = 0
    last_ps: int = 0
    widest_tof_ps: int = 0


class PairSource:
    """The coincidences of a recording as pairs of detectors.

    Raises `RefusedError` and its kinds, saying what is missing and which option gives it.
    """

    def __init__(self, run: ListMode, wanted: Wanted) -> None:
        self._run = run
        self.wanted = wanted
        self.processing = recorded(run, "processing", Processing)
        self.ring, self.model_name = scanner_of(run, wanted)
        self._names = _columns(run)
        self._table = self._pairs()
        self.span_ps = step_span_ps(run, wanted)
        self.notes = list(wanted.header.notes) if wanted.header and self._table else []
        steps = run.manifest.steps or ()
        if self.span_ps is None and len(steps) > 1:
            self.notes.append(f"the {len(steps)} steps of the recording are one after the other in the file (--step N)")

    @property
    def has_tof(self) -> bool:
        """Return True where differences of time are recorded."""
        return "tof_ps" in self._names

    @property
    def has_energies(self) -> bool:
        """Return True where energies are recorded."""
        return "energy_a_kev" in self._names and "energy_b_kev" in self._names

    @property
    def half_window_ps(self) -> int | None:
        """Return the half width of the coincidence window as told, else as recorded."""
        pairing = self.processing.pairing if self.processing else None
        return self.wanted.half_window_ps or (pairing.half_window_ps if pairing else None)

    @property
    def energy_window_kev(self) -> tuple[float, float] | None:
        """Return the energies that pair: as told, else from the recording's windows, else from the header."""
        if self.wanted.energy_window_kev is not None:
            return self.wanted.energy_window_kev
        if self.processing and self.processing.pairing and self.processing.pairing.windows:
            names = self.processing.pairing.windows
            pairing = [window for window in self.processing.windows if window.name in names]
            return min(window.lower_kev for window in pairing), max(window.upper_kev for window in pairing)
        return self.wanted.header.energy_window_kev if self.wanted.header else None

    def runs(self) -> Iterator[Columns]:
        """Yield runs of rows in stored order: `time_ps`, `kind`, `detector_a`, `detector_b` and what else there is."""
        for batch in rows_of(self._run, "coincidences", self._names, self.span_ps):
            for start in range(0, len(batch["time_ps"]), _RUN_ROWS):
                columns = {name: column[start : start + _RUN_ROWS] for name, column in batch.items()}
                if self._table is not None:
                    columns["detector_a"], columns["detector_b"] = self._table.detectors(columns.pop("bin"))
                yield columns

    def survey(self) -> Survey:
        """Look at every row once."""
        found = Survey()
        for columns in self.runs():
            times = columns["time_ps"]
            first, last = int(times.min()), int(times.max())
            found.first_ps = min(found.first_ps, first) if found.rows else first
            found.last_ps = max(found.last_ps, last) if found.rows else last
            found.rows += len(times)
            found.delayeds += int(np.count_nonzero(columns["kind"] == DELAYED))
            if self.has_tof:
                widest = max(int(columns["tof_ps"].max()), -int(columns["tof_ps"].min()))
                found.widest_tof_ps = max(found.widest_tof_ps, widest)
        return found

    def _pairs(self) -> PairTable | None:
        """Return the table of bin addresses where the rows have those and no detectors."""
        if "detector_a" in self._names:
            return None
        where = self._run.directory
        header = self.wanted.header
        if header is None:
            raise RefusedError(
                f"{where}: its coincidences are bin addresses; give the Interfile header that came with them (--header)"
            )
        for what, said, profile in (
            ("distance between rings", header.ring_pitch_mm, self.ring.axial_pitch_mm),
            ("radius", header.radius_mm, self.ring.radius_mm),
        ):
            if said is not None and abs(said - profile) > _SAME * profile:
                raise MismatchError(
                    f"{what}: the header says {said:g} mm, scanner {self.model_name} has {profile:g} mm"
                )
        return pair_table(header.sinogram, self.ring)


def scanner_of(run: ListMode, wanted: Wanted) -> tuple[Ring, str]:
    """Return the ring and the scanner's title: as recorded, else as told. Raise `RefusedError` where there is none."""
    profile = recorded(run, "scanner", ScannerProfile)
    ring = profile.ring if profile else _ring_of_processing(run)
    title = profile.title if profile else str(run.manifest.profile.get("title", ""))
    for finding in errors(ring_findings(ring)) if ring else ():
        raise FormatError(f"{run.directory}: the manifest's scanner: {finding}")
    told = wanted.scanner
    if told is not None and told.ring is None:
        raise RefusedError(f"scanner {told.id} has heads and no ring: there are no pairs of detectors")
    if told is not None and told.ring is not None:
        if ring is not None and not _same_places(ring, told.ring):
            raise MismatchError(f"{run.directory} was recorded with another ring than that of scanner {told.id}")
        return told.ring, told.title
    if ring is None:
        raise RefusedError(
            f"{run.directory}: it is not recorded where its detectors are; name the scanner profile (--scanner)"
        )
    return ring, title


def step_span_ps(run: ListMode, wanted: Wanted) -> tuple[int, int] | None:
    """Return the first and the last time of the step that is wanted, None for all. Raise `RefusedError`."""
    if wanted.step is None:
        return None
    steps = {step.number: step for step in run.manifest.steps or ()}
    step = steps.get(wanted.step)
    if step is None or step.end_ps is None:
        known = ", ".join(str(number) for number in steps) or "none"
        raise RefusedError(f"{run.directory}: step {wanted.step} is not there or has no end; steps: {known}")
    return step.begin_ps, step.end_ps


def rows_of(run: ListMode, stream: str, names: list[str], span_ps: tuple[int, int] | None) -> Iterator[Columns]:
    """Yield columns, `time_ps` among them, of every batch, or of its rows within a span, both ends included."""
    for columns in run.numpy(stream, names):
        if span_ps is None:
            yield columns
            continue
        inside = (columns["time_ps"] >= span_ps[0]) & (columns["time_ps"] <= span_ps[1])
        if inside.any():
            yield columns if inside.all() else {name: column[inside] for name, column in columns.items()}


def recorded(run: ListMode, key: str, model: type[Model]) -> Model | None:
    """Return a part of the manifest as its model, None where it is not there. Raise `FormatError` for a broken one."""
    content = getattr(run.manifest, key)
    if content is None:
        return None
    try:
        return model.model_validate_json(json.dumps(content))
    except ValidationError as why:
        first = why.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FormatError(f"{run.directory}: the manifest's {key}: {where}: {first['msg']}") from None


def _ring_of_processing(run: ListMode) -> Ring | None:
    processing = recorded(run, "processing", Processing)
    return processing.modules_of if processing else None


def _same_places(ring: Ring, other: Ring) -> bool:
    """Return True where two rings put every detector at the same place; what else is known of it may differ."""
    beside = {"crystal_mm", "energy_resolution_at_511", "coincidence_resolution_ps", "minimum_sector_difference"}
    return ring.model_dump(exclude=beside) == other.model_dump(exclude=beside)


def _columns(run: ListMode) -> list[str]:
    """Return the columns that are needed and there, or raise `RefusedError`."""
    if "coincidences" not in run.streams:
        if "singles" in run.streams:
            raise RefusedError(
                f"{run.directory} holds singles and no coincidences: pair them first, `daq listmode sort`"
            )
        raise RefusedError(f"{run.directory}: no coincidences; it has {', '.join(run.streams) or 'nothing'}")
    there = run.schema("coincidences").names
    if "detector_a" in there and "detector_b" in there:
        wanted = ("time_ps", "kind", "detector_a", "detector_b", "tof_ps", "energy_a_kev", "energy_b_kev")
    elif "bin" in there:
        wanted = ("time_ps", "kind", "bin")  # type: ignore[assignment]
    else:
        raise RefusedError(f"{run.directory}: its coincidences have neither detectors nor bin addresses")
    return [name for name in wanted if name in there]
