"""What may be asked of the daemon about studies: what was recorded, what is made of it again, what was remarked."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from daq.model.arguments import Arguments, Named, Reason
from daq.model.station import Role
from daq.model.words import said

MOST_STUDIES = 200
AcquisitionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$")]
"""Of a file or folder, without any folder: it begins with a letter or digit, so it is never hidden, nor one above."""
ExportFormat = Literal["dicom", "parquet", "arrow", "petsird", "root", "raw"]
Key = Annotated[str, Field(pattern=r"^w-[a-z2-7]{26}$")]
"""Of an entry of the worklist."""


class Studies(Arguments):
    """List studies, newest first, a page at a time. `text` is looked for in ids, keys, labels, protocols, users.

    `day`: those of one day, UTC, `2026-11-23`. `state`: what became of an acquisition, or of its files.
    """

    offset: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    limit: Annotated[int, Field(ge=1, le=MOST_STUDIES)] = 50
    day: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    protocol: Named | None = None
    state: Literal["completed", "interrupted", "aborted", "fault", "open", "damaged", "missing"] | None = None
    text: Annotated[str, Field(max_length=100)] = ""


class Study(Arguments):
    """Tell everything about one study: its key, or the id of one of its acquisitions."""

    study: AcquisitionId


class StudyFile(Arguments):
    """Tell where a file is that was made of an acquisition; `thumbnail.png` is made when it is asked for."""

    acquisition: AcquisitionId
    name: FileName


class StudyFrames(Arguments):
    """Tell where the picture of all frames of a series is that is made when it is asked for, and what they are.

    `series`: the name of its file, without suffix; `head` and `window` count from 0.
    """

    acquisition: AcquisitionId
    series: FileName
    head: Annotated[int, Field(ge=0, le=63)] = 0
    window: Annotated[int, Field(ge=0, le=63)] = 0


class StudyVerify(Arguments):
    """Read every byte of a recording, in a process of its own, and note the verdict."""

    acquisition: AcquisitionId
    sha256: bool = False
    """Compare the sums that the manifest holds, too."""


class StudyReframe(Arguments):
    """Make pictures of recorded events otherwise. Nothing of the recording changes; they go into the export folder."""

    acquisition: AcquisitionId
    name: FileName
    """Of the new folder; one that is there is never written into."""
    step: Annotated[int, Field(ge=1, le=10_000)] | None = None
    windows: Annotated[list[Annotated[str, Field(max_length=80)]], Field(default_factory=list, max_length=8)]
    """`photopeak=130-151 keV`, within what was recorded."""
    frames: Annotated[str, Field(max_length=400)] | None = None
    """Runs of frames: `60x2s,20x30s`."""
    pixels: Annotated[int, Field(ge=16, le=1024)] | None = None
    """Most along a side."""


class StudyExport(Arguments):
    """Write a recording for other programs, into the export folder under a name that is not taken."""

    acquisition: AcquisitionId
    to: ExportFormat
    name: FileName
    step: Annotated[int, Field(ge=1, le=10_000)] | None = None


class StudyExported(Arguments):
    """Tell what of an acquisition was framed again or exported, and is in the export folder."""

    acquisition: AcquisitionId


class StudyExportFile(Arguments):
    """Tell where a file is that was framed again or exported. `name` is that which was asked for."""

    name: FileName
    file: FileName


class StudyWhose(Arguments):
    """Tell whose data a study is: the identity, every one it had, the entry of the worklist, what stands in the way."""

    study: AcquisitionId


class StudyReassign(Arguments):
    """Give all that was acquired of a study to another patient: an entry of the worklist, or one that is typed.

    It takes a second person, who signs in beside whoever asks. Both identities are kept. Pictures and DICOM objects are
    made anew; those of before are rejected by a note.
    """

    study: AcquisitionId
    other: Key | None = None
    patient: dict[str, Any] | None = Field(default=None, repr=False)
    why: Annotated[Reason, Field(min_length=3)]
    """Kept with the recording and the worklist alone: it may say who it is about, so no audit line has it."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.other is None) == (self.patient is None):
            raise ValueError("other, patient: one of them says whose data it is")
        return self


class StudyFinish(Arguments):
    """Make pictures and verdict of an acquisition anew, corrections included; the earlier ones are kept beside."""

    acquisition: AcquisitionId


class StudyMark(Arguments):
    """Remark something about an acquisition, for good: bytes stay, and so does the remark.

    `not-for-diagnosis` of a step, or of all of it. Corrections say in `value` what is true: `orientation`, how the
    patient lay; `label`, what the view of a step is called; `side` of a step, L, R, or empty for none. Pictures and
    DICOM objects are made anew by it; those that are there are kept.
    """

    acquisition: AcquisitionId
    what: Literal["not-for-diagnosis", "orientation", "label", "side"]
    step: Annotated[int, Field(ge=1, le=10_000)] | None = None
    value: Annotated[str, Field(max_length=64), AfterValidator(said)] | None = None
    why: Annotated[Reason, Field(min_length=3)]
    """Kept with the recording alone: it may say who it is about, so no audit line has it."""


class JobList(Arguments):
    """Tell what is made of studies now, what waits, and what became of the newest ones."""


class JobCancel(Arguments):
    """End a job, or take it out of those that wait; nothing half made is left."""

    job: Named


STUDY_VERBS: dict[str, tuple[type[Arguments], Role, str]] = {
    "studies": (Studies, Role.VIEWER, "what was recorded, newest first, a page at a time"),
    "study": (Study, Role.VIEWER, "a study: acquisitions, verdict, pictures, files, ledger"),
    "study-file": (StudyFile, Role.VIEWER, "where a picture or file of an acquisition is"),
    "study-frames": (StudyFrames, Role.VIEWER, "all frames of a series as one picture, and what they are"),
    "study-verify": (StudyVerify, Role.TECHNOLOGIST, "read every byte of a recording and note the verdict"),
    "study-reframe": (StudyReframe, Role.TECHNOLOGIST, "make pictures otherwise: other frames, windows, pixels"),
    "study-export": (StudyExport, Role.TECHNOLOGIST, "write a recording for other programs"),
    "study-exported": (StudyExported, Role.VIEWER, "what of an acquisition is in the export folder"),
    "study-export-file": (StudyExportFile, Role.VIEWER, "where a file of the export folder is"),
    "study-whose": (StudyWhose, Role.TECHNOLOGIST, "whose data a study is, and what stands in the way of changing it"),
    "study-reassign": (StudyReassign, Role.TECHNOLOGIST, "give a study to another patient; takes a second person"),
    "study-finish": (StudyFinish, Role.TECHNOLOGIST, "make pictures and verdict anew; the earlier ones are kept"),
    "study-mark": (StudyMark, Role.TECHNOLOGIST, "remark for good: not for diagnosis, or a correction"),
    "jobs": (JobList, Role.VIEWER, "what is made of studies now, what waits, what became of the newest"),
    "job-cancel": (JobCancel, Role.TECHNOLOGIST, "end a job; nothing half made is left"),
}
STUDY_ASKING = frozenset({
    "studies", "study", "study-file", "study-frames", "study-exported", "study-export-file", "study-whose", "jobs",
})  # fmt: skip
STUDY_PRIVATE = frozenset({
    "studies", "study", "study-file", "study-frames", "study-exported", "study-export-file", "study-whose",
    "study-reassign",
})  # fmt: skip
"""Verbs whose answers hold a patient's identity, or lead to it: never over a broker."""
STUDY_IN_TURN = frozenset({"study-reassign"})
"""It changes files of acquisitions, as `prepare` and `amend` do."""
