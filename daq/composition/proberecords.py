"""The record of a sentinel node procedure of one study, from the recordings of its probe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daq.composition.verdicts import protocol_in
from daq.errors import MismatchError, RefusedError
from daq.model.study import reference_of
from daq.pipeline.proberecord import Counted, ProbeRecord, record_of
from daq.storage.probecounts import probe_counts
from daq.storage.reader import open_listmode

if TYPE_CHECKING:
    from daq.storage.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Recorded:
    """A record with the study it is of, None for recordings of none, and the acquisitions in order of time."""

    record: ProbeRecord
    study: str | None
    acquisitions: tuple[str, ...]


def probe_record(directories: Sequence[Path], *, window: str | None = None, number: int | None = None) -> Recorded:
    """Return the record of the recordings. `window` and `number` (of the input) as `probe_counts` takes them.

    Raise `RefusedError` for recordings of different studies, or by no protocol; `MismatchError` for different probes.
    """
    opened = [_opened(directory, window, number) for directory in directories]
    opened.sort(key=lambda each: each[0].created_utc)
    studies = {_study(manifest) for manifest, *_ in opened}
    if len(studies) > 1:
        those = " and ".join(manifest.acquisition_id for manifest, *_ in opened)
        raise RefusedError(f"{those} are of different studies")
    dead = {dead_s for _, _, dead_s in opened}
    if len(dead) != 1:
        raise MismatchError("the recordings are of inputs with different dead times: give one --input")
    measured = [counted for _, found, _ in opened for counted in found]
    names = tuple(manifest.acquisition_id for manifest, *_ in opened)
    return Recorded(record_of(measured, dead.pop()), studies.pop(), names)


def _opened(directory: Path, window: str | None, number: int | None) -> tuple[Manifest, list[Counted], float]:
    with open_listmode(directory) as recording:
        manifest = recording.manifest
        found, dead_s = probe_counts(recording, window=window, number=number)
        roles = dict(_roles(manifest, directory))
        reference = reference_of(manifest.study)
        measured = []
        for step in found:
            role, label = roles.get(step.name, ("", ""))
            label = label or (reference.label if reference is not None else "")
            measured.append(Counted(role, step.name, step.counts, step.every, step.seconds, label))
    return manifest, measured, dead_s


def _study(manifest: Manifest) -> str | None:
    reference = reference_of(manifest.study)
    return None if reference is None else reference.key


def _roles(manifest: Manifest, directory: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    for step in protocol_in(manifest, str(directory)).steps:
        yield step.name, (step.role, step.label)
