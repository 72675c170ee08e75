"""The verdict on a whole study, from the directories of its acquisitions: verdicts, manifests, what was injected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.composition.finishingfolder import IMAGES, read_verdict
from daq.composition.verdicts import protocol_in
from daq.errors import MissingError, RefusedError, ScandaqError
from daq.model.study import reference_of
from daq.model.verdict import Grade, Verdict
from daq.qc.studywhole import Part, whole
from daq.storage.listing import load_manifest
from daq.storage.patientfile import read_administration
from daq.storage.remarks import COUNTS, read_remarks

if TYPE_CHECKING:
    from daq.model.protocol import AcquisitionProtocol
    from daq.storage.manifest import Manifest

_GRADES = {grade.word: grade for grade in Grade}


@dataclass(frozen=True, slots=True)
class WholeStudy:
    """A study: its key, its acquisitions in order of time, the verdict."""

    key: str
    parts: tuple[Part, ...]
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        acquisitions = [
            {
                "acquisition": part.acquisition, "protocol": part.protocol, "session": part.session,
                "repeats": part.repeats, "grade": None if part.grade is None else part.grade.word,
            }
            for part in self.parts
        ]  # fmt: skip
        return {"study": self.key, "acquisitions": acquisitions, **self.verdict.to_json()}


def study_of(directories: Sequence[Path], now: datetime) -> WholeStudy:
    """Return a study of the recordings in `directories`, a copy of one left out.

    `now`: by which sessions that are missing are late or not.
    Raise `RefusedError` for recordings of several studies or of none; what reading a manifest raises.
    """
    read = {manifest.acquisition_id: (manifest, each) for each in directories for manifest in (load_manifest(each),)}
    found = sorted(read.values(), key=lambda pair: pair[0].created_utc)
    keys = {}
    for manifest, directory in found:
        reference = reference_of(manifest.study)
        if reference is None:
            raise RefusedError(f"{directory}: it belongs to no study")
        keys[reference.key] = manifest.acquisition_id
    if len(keys) != 1:
        raise RefusedError(f"{' and '.join(keys.values()) or 'nothing'} are of different studies")
    protocols: dict[str, AcquisitionProtocol] = {}
    injected_at = None
    for manifest, directory in found:
        if "toml" in (manifest.protocol or {}):
            protocol = protocol_in(manifest, str(directory))
            protocols[protocol.id] = protocol
        injected_at = _injected(directory) or injected_at
    parts = tuple(_part(manifest, directory) for manifest, directory in found)
    return WholeStudy(next(iter(keys)), parts, whole(parts, tuple(protocols.values()), injected_at, now))


def _part(manifest: Manifest, directory: Path) -> Part:
    reference = reference_of(manifest.study)
    grade: Grade | None = None
    said: tuple[str, ...] = ()
    try:
        told = read_verdict(directory / IMAGES)
        grade = _GRADES.get(str(told.get("grade")))
        said = tuple(map(str, told.get("sentences") or ()))
    except ScandaqError as why:
        said = (str(why),)
    return Part(
        manifest.acquisition_id, str((manifest.protocol or {}).get("id", "")),
        1 if reference is None else reference.session, grade, said, None if reference is None else reference.repeats,
        _chosen(directory),
    )  # fmt: skip


def _chosen(directory: Path) -> str:
    """Return when a person said that it counts, of views that were taken twice; empty where nobody did."""
    try:
        remarks = read_remarks(directory)
    except ScandaqError:
        return ""
    return max((each.at_utc for each in remarks if each.what == COUNTS), default="")


def _injected(directory: Path) -> datetime | None:
    """Return when the tracer was injected; None without a record that says so, or one that may not be read."""
    try:
        return read_administration(directory).injected_at
    except (MissingError, RefusedError):
        return None
