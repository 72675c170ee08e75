"""One analysis of one test from beginning to end: what it found, and what that is against the limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from daq.composition.qc.analyses import analysis
from daq.composition.qc.material import Material
from daq.composition.qc.recorded import Recorded, recorded
from daq.composition.qc.sourceremarks import source_remarks
from daq.errors import MissingError, RefusedError, UsageError
from daq.model.qc.documents import QcResult
from daq.model.qc.figures import Figure, Findings
from daq.model.qc.known import ANALYSES
from daq.qc.judging import judged
from daq.qc.sources import activity_at, source_entry

if TYPE_CHECKING:
    from daq.composition.qc.job import Job
    from daq.model.qc.analyses import AnalysisKind

_SOURCE_KEYS = ("activity_mbq", "at_utc")


@dataclass(frozen=True, slots=True, eq=False)
class Analysed:
    """What came of a job. `at_utc`: when the test was performed, `by`: by whom; `simulated`: any part of it was."""

    result: QcResult
    findings: Findings
    at_utc: str
    by: str
    simulated: bool = False


def analysed(job: Job) -> Analysed:
    """Do a job. What stands against the test makes it not evaluable; the error tree is for what cannot be read.

    Raise `MissingError` for an analysis that there is not, `UsageError` for recordings where there should be none, or
    none where there should be, `RefusedError` for a recording that is not sealed.
    """
    kind = kind_of(job.spec.analysis)
    _require_material(job, kind)
    read = recorded(job.recordings)
    source = _source(job, read)
    material = Material(
        job.test, job.spec, job.scanner, tuple(each.directory for each in read), source, job.entries, job.earlier,
        None if job.reference is None else job.reference[1], job.head_calibrations, job.calibrations,
    )  # fmt: skip
    found = analysis(kind.name)(material)
    findings = _with_what_the_register_says(_with_what_recordings_say(found, read, job), source)
    job, remarks = _comparable(job, read, found)
    findings = replace(findings, remarks=(*findings.remarks, *remarks))
    result = _result(job, kind, findings, read, source)
    if not read:
        return Analysed(result, findings, job.performed, job.by)
    first = read[0].manifest
    simulated = any(each.manifest.simulated for each in read)
    return Analysed(result, findings, first.created_utc, first.operator or job.by, simulated)


def kind_of(name: str) -> AnalysisKind:
    """Return the kind of an analysis. Raise `MissingError`."""
    kind = ANALYSES.get(name)
    if kind is None:
        raise MissingError(f"there is no analysis {name!r}; there are {', '.join(sorted(ANALYSES))}")
    return kind


def _require_material(job: Job, kind: AnalysisKind) -> None:
    if kind.made_of == "entered" and job.recordings:
        raise UsageError(f"{job.test} is made of what is entered, not of recordings: daq qc enter {job.test}")
    if kind.made_of == "recordings" and not job.recordings:
        raise UsageError(f"{job.test} is made of recordings: daq qc run {job.test}, or daq qc analyse DIR")
    if len(set(job.recordings)) < len(job.recordings):
        raise UsageError(f"{job.test}: a recording is named twice")


def _with_what_recordings_say(findings: Findings, read: tuple[Recorded, ...], job: Job) -> Findings:
    obstacles = [why for each in read for why in each.obstacles(job.test)]
    remarks = [text for each in read for text in each.remarks()]
    other = next((each.collimator for each in read if each.is_of_another_collimator), None)
    figures = findings.figures if other is None else tuple(_of_collimator(each, other) for each in findings.figures)
    return replace(
        findings, figures=figures, obstacles=tuple(dict.fromkeys((*obstacles, *findings.obstacles))),
        remarks=tuple(dict.fromkeys((*findings.remarks, *remarks))),
    )  # fmt: skip


def _of_collimator(figure: Figure, name: str) -> Figure:
    """Return a figure whose subjects name the collimator, so that trends do not mix them with those of the test's."""
    subjects = (each if name in each else ", ".join(part for part in (each, name) if part) for each in figure.subjects)
    return replace(figure, subjects=tuple(subjects))


def _comparable(job: Job, read: tuple[Recorded, ...], findings: Findings) -> tuple[Job, tuple[str, ...]]:
    """Return the job without a reference that was made with another collimator, and a sentence of it.

    Where subjects name their collimator each is compared with its own.
    """
    if job.reference is None or not read:
        return job, ()
    mine, its = read[0].collimator, job.reference[1].collimator
    named = mine is not None and all(mine in name for figure in findings.figures for name in figure.subjects if name)
    if mine == its or named:
        return job, ()
    without = "no known collimator"
    return replace(job, reference=None), (
        f"the reference was acquired with {its or without}, this with {mine or without}: they are not compared",
    )


def _with_what_the_register_says(findings: Findings, source: Mapping[str, Any]) -> Findings:
    if not source:
        return findings
    body = {name: value for name, value in source.items() if name not in _SOURCE_KEYS}
    entry = source_entry(str(body.get("serial", "")), body)
    against, remarks = source_remarks(entry, datetime.fromisoformat(str(source["at_utc"])))
    return replace(findings, obstacles=(*findings.obstacles, *against), remarks=(*findings.remarks, *remarks))


def _result(
    job: Job, kind: AnalysisKind, findings: Findings, read: tuple[Recorded, ...], source: Mapping[str, Any]
) -> QcResult:
    import daq

    reference = None if job.reference is None else job.reference[1]
    judgement = judged(findings, job.spec, kind, reference)
    first = read[0].manifest if read else None
    told = dict(first.protocol or {}) if first is not None else {}
    used = dict(first.calibrations) if first is not None else {}
    collimator = used.pop("collimator", None)
    qc = read[0].qc if read else {}
    return QcResult(
        test=job.test, title=job.spec.title, analysis=kind.name, analysis_version=kind.version,
        level=judgement.level, figures=findings.figures, judged=judgement.judged,
        limits={name: limit.model_dump(mode="json") for name, limit in job.spec.limits.items()},
        obstacles=findings.obstacles, remarks=findings.remarks, advice=judgement.advice,
        acquisitions=tuple(each.about for each in read),
        protocol={key: told[key] for key in ("id", "version", "sha256", "state") if key in told},
        source=source, calibrations=_calibrations(used), collimator=collimator,
        reference=None if job.reference is None else job.reference[0],
        statements=dict(qc.get("statements", {})), overrides=dict(first.overrides) if first is not None else {},
        entries=dict(job.entries), comment=job.comment, software=f"scandaq {daq.__version__}",
    )  # fmt: skip


def _calibrations(used: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the calibrations that a manifest names, one after the other."""
    each = ((what, one) for what, said in used.items() for one in (said if isinstance(said, list) else [said]))
    return tuple({"of": what, **(one if isinstance(one, dict) else {"says": one})} for what, one in each)


def _source(job: Job, read: tuple[Recorded, ...]) -> dict[str, Any]:
    """Return the source with its activity when the first recording began; empty where none was used."""
    told = dict(job.source or (read[0].qc.get("source") or {} if read else {}))
    if not told:
        return {}
    body = {name: value for name, value in told.items() if name not in _SOURCE_KEYS}
    entry = source_entry(str(body.get("serial", "")), body)
    at_utc = read[0].manifest.created_utc if read else job.performed
    try:
        at = datetime.fromisoformat(at_utc)
    except ValueError:
        raise RefusedError(f"source {entry.serial}: {at_utc!r} is no time: its activity then is not known") from None
    return {**body, "activity_mbq": activity_at(entry, at), "at_utc": at_utc}
