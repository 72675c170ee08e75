"""Carries out what people ask about studies: lists, pages, files, remarks, jobs. The files are truth; bytes stay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from daq.errors import DeadlineError, MissingError, RefusedError, UsageError
from daq.model.console.study_verbs import (
    JobCancel,
    JobList,
    Studies,
    Study,
    StudyExport,
    StudyExported,
    StudyExportFile,
    StudyFile,
    StudyFinish,
    StudyFrames,
    StudyMark,
    StudyReframe,
    StudyVerify,
)
from daq.model.geometry import PatientOrientation
from daq.model.station import Actor, utc_now
from daq.services.catalogue.entry import Acquisition, Filter, limits_ms, utc_text
from daq.services.catalogue.service import Catalogue
from daq.services.catalogue.studylist import StudyRows
from daq.services.revisions import Revisions
from daq.services.studies.exported import Exports
from daq.services.studies.jobs import Job, Jobs
from daq.services.studies.reassigning import Reassigning
from daq.services.worker import Worker
from daq.storage.remarks import LABEL, NOT_FOR_DIAGNOSIS, ORIENTATION, SIDE, SIDES, Remark, add_remark

_READ_S = 20.0
_PLACE_S = 2.0
_STATES = ("open", "damaged", "missing")
_SUFFIXES = {"parquet": ".parquet", "arrow": ".arrow", "petsird": ".petsird", "root": ".root", "raw": ".raw"}
Handlers = Mapping[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Readers:
    """How directories are read; they may wait, and are called in a thread.

    `brief` tells what a list says of a study, `whole` everything; `file` returns a file that was made of a recording,
    `thumbnail` its small picture; `said` what a correction would correct (kind, step), None where nothing says it;
    `patient` whose they are and why nobody knows; `begun` whether pictures of it were made, or are being made;
    `frames` the picture of all frames of a series, by name, head and window, and what is said of them.
    """

    brief: Callable[[Sequence[Acquisition]], dict[str, Any]]
    whole: Callable[[Sequence[Acquisition]], dict[str, Any]]
    file: Callable[[Path, str], Path]
    thumbnail: Callable[[Path], Path]
    said: Callable[[Path, str, int | None], str | None]
    patient: Callable[[Sequence[Path]], tuple[dict[str, Any] | None, str]]
    begun: Callable[[Path], bool]
    frames: Callable[[Path, str, int, int], tuple[Path, dict[str, Any]]]


class StudyDesk:
    """Answers. `exports` is where what is written for other programs goes."""

    def __init__(
        self, catalogue: Catalogue, jobs: Jobs, readers: Readers, exports: Exports, revisions: Revisions
    ) -> None:  # fmt: skip
        self._catalogue, self.jobs, self._readers, self._exports = catalogue, jobs, readers, exports
        self._revisions = revisions
        self._worker = Worker("studies", threads=2, waiting=32)
        self._disk = Worker("exports", threads=2, waiting=16)
        self.reassigning = Reassigning(catalogue, self._worker, readers.patient, self._again, self._changed)
        jobs.after("verify", self._note_verdict)
        jobs.after("finish", self._tell_studies)
        jobs.after("reframe", self._note_exported)
        jobs.after("export", self._note_exported)

    @property
    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {
            "studies": self._studies, "study": self._study, "study-file": self._file, "study-verify": self._verify,
            "study-reframe": self._reframe, "study-export": self._export, "study-finish": self._finish,
            "study-mark": self._mark, "jobs": self._jobs, "job-cancel": self._cancel,
            "study-frames": self._frames, "study-exported": self._exported, "study-export-file": self._export_file,
            "study-whose": self.reassigning.whose, "study-reassign": self.reassigning.reassign,
        }  # fmt: skip

    def close(self) -> None:
        """Let the threads end."""
        self._worker.close()
        self._disk.close()

    # Asking

    async def _studies(self, asked: Studies, _: Actor) -> dict[str, Any]:
        page, total = await self._catalogue.study_page(_filter(asked), limit=asked.limit, offset=asked.offset)
        told = await self._worker.call_within(_READ_S, lambda: [self._told(study) for study in page])
        return {"total": total, "offset": asked.offset, "studies": told}

    def _told(self, study: StudyRows) -> dict[str, Any]:
        rows = study.acquisitions
        begun_ms = min((row.created_ms for row in rows if row.created_ms is not None), default=None)
        return {
            "study": study.key, "begun_utc": utc_text(begun_ms),
            "sessions": sorted({row.session or 1 for row in rows}), "simulated": any(row.simulated for row in rows),
            "protocols": list(dict.fromkeys(row.protocol or row.profile or "" for row in reversed(rows))),
            "labels": list(dict.fromkeys(row.label for row in reversed(rows) if row.label)),
            "acquisitions": [_row(row) for row in rows], **self._readers.brief(rows),
        }  # fmt: skip

    async def _study(self, asked: Study, _: Actor) -> dict[str, Any]:
        rows = await self._catalogue.study(asked.study)
        told = await self._worker.call_within(_READ_S, self._readers.whole, rows)
        place = await self._place()
        return {
            "study": rows[0].study or rows[0].id, "simulated": any(row.simulated for row in rows), "exports": place,
            **told,
        }  # fmt: skip

    async def _place(self) -> dict[str, Any]:
        """Tell of the place of exports; a share that hangs keeps nobody from studies."""
        try:
            return await self._disk.call_within(_PLACE_S, self._exports.told)
        except (DeadlineError, RefusedError):
            return {"title": self._exports.title, "problem": "it does not answer", "free_bytes": None}

    async def _file(self, asked: StudyFile, _: Actor) -> dict[str, Any]:
        directory = await self._catalogue.open_directory(asked.acquisition)
        if asked.name == "thumbnail.png":
            path = await self._worker.call_within(_READ_S, self._readers.thumbnail, directory)
        else:
            path = await self._worker.call_within(_READ_S, self._readers.file, directory, asked.name)
        return {"acquisition": asked.acquisition, "name": asked.name, "path": str(path)}

    async def _frames(self, asked: StudyFrames, _: Actor) -> dict[str, Any]:
        directory = await self._catalogue.open_directory(asked.acquisition)
        path, about = await self._worker.call_within(
            _READ_S, self._readers.frames, directory, asked.series, asked.head, asked.window
        )
        return {"acquisition": asked.acquisition, "series": asked.series, "path": str(path), "about": about}

    async def _exported(self, asked: StudyExported, _: Actor) -> dict[str, Any]:
        made = await self._disk.call_within(_READ_S, self._exports.of, asked.acquisition)
        return {"acquisition": asked.acquisition, "exported": made}

    async def _export_file(self, asked: StudyExportFile, _: Actor) -> dict[str, Any]:
        path = await self._disk.call_within(_READ_S, self._exports.file, asked.name, asked.file)
        return {"name": asked.name, "file": asked.file, "path": str(path)}

    async def _jobs(self, _: JobList, __: Actor) -> dict[str, Any]:
        return {"jobs": self.jobs.listed()}

    # Having something done

    async def _verify(self, asked: StudyVerify, actor: Actor) -> dict[str, Any]:
        return await self._put("verify", asked.acquisition, actor, {"sha256": asked.sha256})

    async def _finish(self, asked: StudyFinish, actor: Actor) -> dict[str, Any]:
        return await self._put("finish", asked.acquisition, actor, {})

    async def _reframe(self, asked: StudyReframe, actor: Actor) -> dict[str, Any]:
        said = {"step": asked.step, "windows": list(asked.windows), "frames": asked.frames, "pixels": asked.pixels}
        return await self._put("reframe", asked.acquisition, actor, said, out=asked.name)

    async def _export(self, asked: StudyExport, actor: Actor) -> dict[str, Any]:
        suffix = _SUFFIXES.get(asked.to, "")
        name = asked.name if asked.name.endswith(suffix) else asked.name + suffix
        return await self._put("export", asked.acquisition, actor, {"to": asked.to, "step": asked.step}, out=name)

    async def _put(
        self, kind: str, acquisition: str, actor: Actor, said: Mapping[str, Any], *, out: str | None = None
    ) -> dict[str, Any]:  # fmt: skip
        directory = await self._catalogue.open_directory(acquisition)
        asked: dict[str, Any] = {"kind": kind, "directory": str(directory), **said}
        told = {**said, **({} if out is None else {"name": out})}
        if out is not None:
            asked["out"] = str(await self._disk.call_within(_READ_S, self._exports.free_place, out))
        return (await self.jobs.put(Job(kind, acquisition, actor.user, asked, told))).to_json()

    async def _cancel(self, asked: JobCancel, _: Actor) -> dict[str, Any]:
        return self.jobs.cancel(asked.job).to_json()

    async def _mark(self, asked: StudyMark, actor: Actor) -> dict[str, Any]:
        _require_whole(asked)
        row = await self._catalogue.get(asked.acquisition)
        directory = await self._catalogue.open_directory(asked.acquisition)
        if row.state == "open":
            raise RefusedError(f"{asked.acquisition} is still being recorded: remark it when it has ended")
        if asked.step is not None and asked.step > len(row.steps):
            raise MissingError(f"{asked.acquisition} has {len(row.steps)} steps, no step {asked.step}")
        await self._worker.call_within(_READ_S, self._remark, directory, asked, actor)
        pictures = await self._again([row], actor)
        self._changed()
        return {
            "acquisition": asked.acquisition, "what": asked.what, "step": asked.step, "value": asked.value,
            "pictures": pictures,
        }  # fmt: skip

    async def _again(self, rows: Sequence[Acquisition], actor: Actor) -> str:
        """Have pictures made anew where there are some, or soon; return why they are not, empty where they will be."""
        for row in rows:
            directory = Path(row.directory)
            if not await self._worker.call_within(_READ_S, self._readers.begun, directory):
                continue
            try:
                await self._put("finish", row.id, actor, {"since_utc": utc_now()})  # what is under way may lack it
            except RefusedError as why:  # what was noted stands all the same
                return str(why)
        return ""

    def _changed(self) -> None:
        self._revisions.changed("studies")

    def _remark(self, directory: Path, asked: StudyMark, actor: Actor) -> None:
        old = None
        if asked.what != NOT_FOR_DIAGNOSIS:
            old = self._readers.said(directory, asked.what, asked.step)
            if old is None:
                raise RefusedError(f"{directory.name} says nothing of that: there is nothing to correct")
            if old == asked.value:
                raise RefusedError(f"{directory.name}: {old or 'nothing'} is what stands there already")
        add_remark(directory, Remark(asked.what, asked.why, actor.user, utc_now(), asked.step, asked.value, old))

    async def _note_verdict(self, job: Job) -> None:
        row = await self._catalogue.get(job.acquisition)
        await self._catalogue.note_verified(row, str(job.result["verdict"]))
        self._revisions.changed("studies")

    async def _tell_studies(self, _: Job) -> None:
        self._changed()

    async def _note_exported(self, job: Job) -> None:
        """Keep what was made in the list of exports: who comes tomorrow finds it."""
        told = {
            "acquisition": job.acquisition, "kind": job.kind, "by": job.by, "at_utc": job.begun_utc,
            "text": job.result.get("sentence", ""), "asked": dict(job.told),
        }  # fmt: skip
        await self._disk.call_within(_READ_S, self._exports.note, str(job.told["name"]), told)
        self._changed()


def _require_whole(asked: StudyMark) -> None:
    """Raise `UsageError` for a remark that lacks something, or says what does not belong to it."""
    if (asked.what != NOT_FOR_DIAGNOSIS) != (asked.value is not None):
        raise UsageError("study-mark: what is true (`value`) is said with a correction, and only with it")
    if asked.what == ORIENTATION and asked.step is not None:
        raise UsageError("study-mark: the patient lay in one way in all steps of an acquisition")
    if asked.what in (LABEL, SIDE) and asked.step is None:
        raise UsageError(f"study-mark: the {asked.what} is that of one step: name it")
    allowed = {ORIENTATION: tuple(map(str, PatientOrientation)), SIDE: SIDES}.get(asked.what)
    if allowed is not None and asked.value not in allowed:
        words = ", ".join(each or "empty" for each in allowed)
        raise UsageError(f"study-mark: {asked.what} = {asked.value!r} is none of {words}")


def _filter(asked: Studies) -> Filter:
    states = (asked.state,) if asked.state in _STATES else ()
    outcomes = (asked.state,) if asked.state is not None and not states else ()
    if asked.day is not None:
        try:
            date.fromisoformat(asked.day)
        except ValueError:
            raise UsageError(f"studies: day = {asked.day!r} is no day, such as 2026-11-23") from None
    return Filter(
        **limits_ms(asked.day, asked.day), protocol=asked.protocol, states=states,  # type: ignore[arg-type]  # those of
        outcomes=outcomes, anywhere=asked.text.strip() or None,  # type: ignore[arg-type]  # the catalogue, by their type
    )  # fmt: skip


def _row(row: Acquisition) -> dict[str, Any]:
    told = row.to_json()
    keys = (
        "id",
        "state",
        "outcome",
        "created_utc",
        "operator",
        "protocol",
        "label",
        "session",
        "verified",
        "size_bytes",
    )
    return {key: told[key] for key in keys}
