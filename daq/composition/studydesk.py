"""The desk of studies, built: how directories are read, what does the jobs, where exports go."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from daq.composition import studyjobprocess, studyreading
from daq.composition.studythumbnails import thumbnail
from daq.services.catalogue.service import Catalogue
from daq.services.revisions import Revisions
from daq.services.studies.desk import Readers, StudyDesk
from daq.services.studies.jobs import Jobs
from daq.storage.listing import load_manifest
from daq.storage.remarks import corrected

if TYPE_CHECKING:
    from device_profiles.site import Site

EXPORTS, THUMBNAILS = "exports", "thumbnails"


def study_desk(site: Site, catalogue: Catalogue, revisions: Revisions) -> StudyDesk:
    """Return the desk; its jobs have to be run."""
    jobs = Jobs(studyjobprocess.command, changed=partial(revisions.changed, "jobs"))
    readers = Readers(
        studyreading.brief, studyreading.whole, studyreading.listed_file,
        lambda directory: thumbnail(directory, site.state_folder / THUMBNAILS), _orientation,
    )  # fmt: skip
    return StudyDesk(catalogue, jobs, readers, site.state_folder / EXPORTS, revisions)


def _orientation(directory: Path) -> str | None:
    """Return how the patient lay, corrections included; None where the manifest does not say."""
    told = corrected(load_manifest(directory), directory).study
    return None if told is None else str(told.get("patient_orientation"))
