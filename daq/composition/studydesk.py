"""The desk of studies, built: how directories are read, what does the jobs, where exports go."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from daq.composition import studyjobprocess, studyreading
from daq.composition.finishingfolder import IMAGES, is_begun, read_verdict
from daq.composition.studyframes import frames
from daq.composition.studythumbnails import thumbnail
from daq.errors import MissingError
from daq.services.catalogue.service import Catalogue
from daq.services.revisions import Revisions
from daq.services.studies.desk import Readers, StudyDesk
from daq.services.studies.exported import INDEX, Exports
from daq.services.studies.jobs import Jobs
from daq.storage.listing import load_manifest
from daq.storage.remarks import LABEL, ORIENTATION, SIDE, corrected

if TYPE_CHECKING:
    from device_profiles.site import Site

THUMBNAILS = "thumbnails"


def study_desk(site: Site, catalogue: Catalogue, revisions: Revisions) -> StudyDesk:
    """Return the desk; its jobs have to be run."""
    jobs = Jobs(studyjobprocess.command, changed=partial(revisions.changed, "jobs"))
    readers = Readers(
        studyreading.brief, studyreading.whole, studyreading.listed_file,
        lambda directory: thumbnail(directory, site.state_folder / THUMBNAILS), _said,
        studyreading.patient_of, is_begun,
        lambda directory, name, head, window: frames(directory, name, head, window, site.state_folder / THUMBNAILS),
    )  # fmt: skip
    exports = Exports(site.exports_folder, site.exports.title, site.state_folder / INDEX)
    return StudyDesk(catalogue, jobs, readers, exports, revisions)


def _said(directory: Path, what: str, step: int | None) -> str | None:
    """Return what stands there of a kind, corrections included; None where nothing is said of it."""
    if what == ORIENTATION:
        told = corrected(load_manifest(directory), directory).study
        return None if told is None else str(told.get("patient_orientation"))
    try:
        series = read_verdict(directory / IMAGES).get("series") or []
    except MissingError:
        return None
    mine = next((one for one in series if step in one.get("steps", ())), None)
    found = None if mine is None else {LABEL: mine.get("label") or mine.get("name"), SIDE: mine.get("laterality") or ""}
    return None if found is None else str(found[what])
