"""What is made of a recording when it is sealed: series, contact sheet, quick look, DICOM, verdict, in `images/`.

The folder is outside of the seal. Files are made in a folder beside and put in place when all are there, `verdict.json`
last; `SHA256SUMS` names each with its sum. What cannot be made is said in the verdict's file and stops nothing else.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.composition.finishingfolder import IMAGES, VERDICT, making_in, put_in_place, write_sums
from daq.composition.sheetviews import SheetStyle
from daq.errors import MismatchError, MissingError, RefusedError, ScandaqError, StorageFailedError
from daq.model.framed import Framed
from daq.storage.reader import open_listmode
from daq.storage.remarks import corrected

if TYPE_CHECKING:
    from daq.model.verdict import Verdict
    from daq.storage.manifest import Manifest

SHEET = "contact-sheet.png"
QUICK_LOOK = "quick-look.png"
SPECTRUM = "spectrum.png"
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Finished:
    """What was made. `problems`: what could not be made, in words; `sums_sha256` is that of the file of sums."""

    directory: Path
    series: list[dict[str, Any]] = field(default_factory=list)
    verdict: Verdict | None = None
    problems: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    sums_sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "directory": str(self.directory), "series": self.series, "problems": self.problems,
            "verdict": None if self.verdict is None else self.verdict.to_json(),
            "files": self.files, "sums_sha256": self.sums_sha256,
        }  # fmt: skip


def finish(directory: Path, *, again: bool = False, style: SheetStyle | None = None) -> Finished:
    """Make all that belongs into `images/` and return what was made.

    Made already it is refused, or with `again` made anew: the earlier files go to `images/before-N`. Raise
    `RefusedError` for a recording that is not sealed or of a PET scanner, `BusyError` where another process is at it,
    what opening a recording raises, `StorageFailedError` where files cannot be put there.
    """
    with open_listmode(directory, allow_damaged=True) as recording:
        manifest = corrected(recording.manifest, directory)
        if manifest.state == "open":
            raise RefusedError(
                f"{directory}: still open; pictures are made of what is sealed. Where nothing records any more: "
                f"daq listmode recover {directory} --out NEW, then daq study finish NEW"
            )
    _require_finishable(manifest, directory)
    images = directory / IMAGES
    try:
        images.mkdir(exist_ok=True)
        with making_in(images) as making:
            if (images / VERDICT).exists() and not again:
                raise RefusedError(f"{images / VERDICT} exists: the study is finished; --again makes everything anew")
            return _finish(directory, making, manifest, style or SheetStyle())
    except OSError as why:
        raise StorageFailedError(f"{images}: {why.strerror or why}") from None


def _require_finishable(manifest: Manifest, directory: Path) -> None:
    """Refuse what a ring recorded: pictures and a verdict are of cameras and probes."""
    if manifest.profile.get("modality") == "pet":
        raise RefusedError(
            f"{directory}: it was recorded by a PET scanner; studies of cameras and probes alone are finished"
        )


def series_of(directory: Path) -> tuple[list[Framed], Manifest, str]:
    """Return the series of a recording, its manifest, and why there is no series, in words, else an empty text."""
    from daq.storage.framed import framed_in

    with open_listmode(directory, allow_damaged=True) as recording:
        recording.manifest = corrected(recording.manifest, directory)
        try:
            return framed_in(recording), recording.manifest, ""
        except (MissingError, MismatchError) as why:  # a probe's, a ring's: they have no positions, so no pictures
            return [], recording.manifest, str(why)


def _finish(directory: Path, making: Path, manifest: Manifest, style: SheetStyle) -> Finished:
    done = Finished(directory)
    series: list[Framed] = []
    why_none = ""

    def frame() -> None:
        nonlocal series, why_none
        series, _, why_none = series_of(directory)

    _attempt(done, "pictures", frame)
    sums: list[Framed] = []

    def add_up() -> None:
        from daq.storage.continued import added_up

        found, against = added_up(series, manifest, directory)
        sums.extend(found)
        done.problems.extend(against)

    _attempt(done, "sums", add_up)
    whole = {(one.name, one.role): one for one in sums}
    judged = [whole.get((one.name, one.role), one) for one in series]
    series = [*series, *sums]
    done.series = [
        {**one.about, "label": one.label, "laterality": None if one.laterality is None else str(one.laterality)}
        for one in series
    ]
    _judge(done, judged)
    _attempt(done, "series", partial(_write_series, done, making, series, manifest))
    _attempt(done, "pages", partial(_write_pages, done, making, series, manifest, style))
    _write_verdict(done, making, why_none)
    done.files, done.sums_sha256 = write_sums(making)
    put_in_place(making, making.parent)
    return done


def _judge(done: Finished, series: Sequence[Framed]) -> None:
    def judge() -> None:
        from daq.composition.verdicts import verdict_on

        done.verdict = verdict_on(done.directory, series)

    _attempt(done, "verdict", judge)


def _write_series(done: Finished, making: Path, series: Sequence[Framed], manifest: Manifest) -> None:
    """Write each series as a NumPy file and as DICOM."""
    from daq.storage.dicom import write_dicom
    from daq.storage.dicomrejected import write_notes
    from daq.storage.dicomstudy import read_papers
    from daq.storage.framedfile import file_names, save_framed

    papers = read_papers(done.directory) if series else None
    objects: list[tuple[Framed, Path]] = []

    def put(dcm: Path, one: Framed, number: int) -> None:
        objects.extend((one, at) for at in write_dicom(dcm, one, manifest, papers, number=number))

    for number, (name, one) in enumerate(zip(file_names(series), series, strict=True), start=1):
        npz, dcm = making / f"{name}.npz", making / f"{name}.dcm"
        _attempt(done, npz.name, partial(save_framed, one, npz))
        _attempt(done, dcm.name, partial(put, dcm, one, number))
    if series:
        _attempt(done, "rejection notes", lambda: write_notes(making, objects, done.directory, done.directory / IMAGES))


def _write_pages(done: Finished, making: Path, series: Sequence[Framed], manifest: Manifest, style: SheetStyle) -> None:
    """Write the energies, contact sheet, quick look and moving pictures; of no series there are energies alone."""
    _attempt(done, SPECTRUM, partial(_energies, making / SPECTRUM, done.directory))
    if not series:
        return
    _attempt(done, SHEET, partial(_sheet, making / SHEET, series, manifest, done.verdict, style))
    _attempt(done, QUICK_LOOK, partial(_look, making / QUICK_LOOK, series, manifest, style))
    for name, one in cines(series):
        _attempt(done, name, partial(_move, making / name, one, manifest, style))


def _energies(file: Path, directory: Path) -> None:
    from daq.composition.studyspectrum import spectrum_page

    page = spectrum_page(directory)
    if page is not None:
        page.save(file)


def _sheet(
    file: Path, series: Sequence[Framed], manifest: Manifest, verdict: Verdict | None, style: SheetStyle
) -> None:  # fmt: skip
    from daq.composition.sheet import contact_sheet

    contact_sheet(series, manifest, verdict, style).save(file)


def _look(file: Path, series: Sequence[Framed], manifest: Manifest, style: SheetStyle) -> None:
    from daq.composition.quicklook import quick_look

    drawn = quick_look(series, manifest, style)
    if drawn is not None:
        drawn.save(file)


def _move(file: Path, one: Framed, manifest: Manifest, style: SheetStyle) -> None:
    from daq.composition.quicklookcine import cine

    made = cine(one, manifest, style)
    if made is not None:
        file.write_bytes(made)


def cines(series: Sequence[Framed]) -> Iterator[tuple[str, Framed]]:
    """Yield the name of each moving picture with its series: the first is `cine.gif`, others bear their number."""
    from daq.composition.quicklookcine import MOVING

    moving = [(number, one) for number, one in enumerate(series, start=1) if one.kind in MOVING and len(one.slots) > 1]
    for place, (number, one) in enumerate(moving):
        yield ("cine.gif" if place == 0 else f"cine-{number:02d}.gif"), one


def _write_verdict(done: Finished, making: Path, why_none: str) -> None:
    told = done.verdict.to_json() if done.verdict is not None else {"grade": None, "sentences": [], "checks": []}
    body = {"schema": "study-verdict/1", **told, "problems": done.problems, "series": done.series}
    if why_none:
        body["no_pictures"] = why_none
    (making / VERDICT).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def _attempt(done: Finished, what: str, work: Callable[[], object]) -> None:
    """Do a part of the work. What it raises becomes a sentence, and the other parts go on."""
    try:
        work()
    except ScandaqError as why:
        done.problems.append(f"{what}: {why}")
    except OSError:
        raise
    except Exception as why:  # noqa: BLE001 - a fault of this program in one picture must not cost the others
        _LOG.exception("%s of %s", what, done.directory)
        done.problems.append(f"{what}: unexpected {type(why).__name__}, a fault of this program")
