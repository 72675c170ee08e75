"""What people see of a study, read from the directories of its acquisitions. May wait for disks; holds identities.

What of it cannot be read is said in words, and stops nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from daq.composition.finishingfolder import IMAGES, SUMS, VERDICT, read_sums, read_verdict
from daq.errors import MissingError, ScandaqError
from daq.model.windowchange import WindowChange
from daq.storage.ledgertext import ledger_sentences
from daq.storage.listing import load_manifest
from daq.storage.patientfile import Patient, read_administration, read_patient
from daq.storage.remarks import CORRECTIONS, read_remarks

if TYPE_CHECKING:
    from daq.services.catalogue.entry import Acquisition
    from daq.storage.manifest import Manifest

PICTURES = {".png": "picture", ".gif": "moving picture"}
_SOURCES = 64
_GRADES = ("bad", "doubtful", "not evaluable", "good")
"""From the worst on."""
_T = TypeVar("_T")


def brief(rows: Sequence[Acquisition]) -> dict[str, Any]:
    """Return what a list says of a study: whose it is, the worst grade and its first sentence, what is remarked."""
    folders = [Path(row.directory) for row in rows]
    verdicts = [_tried(partial(read_verdict, each / IMAGES))[0] or {} for each in folders]
    grades = [str(told.get("grade")) for told in verdicts if told.get("grade")]
    worst = next((grade for grade in _GRADES if grade in grades), None)
    sentences = [str(text) for told in verdicts if told.get("grade") == worst for text in (told.get("sentences") or ())]
    remarks = [remark for each in folders for remark in _tried(partial(read_remarks, each))[0] or ()]
    pictured = next((row.id for row, told in zip(rows, verdicts, strict=True) if told.get("series")), None)
    return {
        "patient": patient_of(folders)[0], "grade": worst, "sentence": sentences[0] if sentences else "",
        "not_finished": sum(not told for told in verdicts), "pictured": pictured,
        "not_for_diagnosis": any(remark.what == "not-for-diagnosis" for remark in remarks),
        "corrected": any(remark.what in CORRECTIONS for remark in remarks),
    }  # fmt: skip


def whole(rows: Sequence[Acquisition]) -> dict[str, Any]:
    """Return everything about a study. `rows`: its acquisitions, newest first."""
    folders = [Path(row.directory) for row in rows]
    patient, why = patient_of(folders)
    record, no_record = None, ""
    for folder in folders:
        record, no_record = _tried(partial(read_administration, folder), folder)
        if record is not None:
            break
    return {
        "patient": patient, "no_patient": why,
        "administration": None if record is None else record.to_json(),
        "administration_doubts": [] if record is None else list(record.doubts),
        "no_administration": "" if record is not None else no_record,
        **_judged(rows), "acquisitions": [acquisition(row) for row in rows],
    }  # fmt: skip


def acquisition(row: Acquisition) -> dict[str, Any]:
    """Return everything about one acquisition: verdict, pictures, files, ledger, remarks."""
    folder = Path(row.directory)
    verdict, no_verdict = _tried(lambda: read_verdict(folder / IMAGES), folder)
    manifest, no_manifest = _tried(lambda: load_manifest(folder), folder)
    if not (folder / IMAGES / VERDICT).exists():
        no_verdict = _no_verdict(row, manifest)
    remarks, broken = _tried(lambda: read_remarks(folder), folder)
    files = _files(folder / IMAGES)
    return {
        **row.to_json(), "verdict": verdict, "no_verdict": no_verdict,
        "pictures": [each for each in files if each["kind"] in PICTURES.values()], "files": files,
        "remarks": [remark.to_json() for remark in remarks or ()], "remarks_problem": broken,
        "trouble": trouble_of(folder, row.state, no_manifest),
        **({"unreadable": no_manifest} if manifest is None else _of_manifest(manifest)),
    }  # fmt: skip


def trouble_of(folder: Path, state: str, no_manifest: str) -> str:
    """Return what is the matter with the files of an acquisition, in a sentence; empty where nothing is."""
    if not folder.is_dir():
        return "Its files are not there any more, or their disk is not connected. Nothing of it can be shown or made."
    if no_manifest:
        return "Its description is missing or cannot be read. Verify says which of its files are whole."
    return {
        "open": "It is being recorded, or was and nobody ended it in order. Pictures are made when it is sealed.",
        "damaged": "It is damaged. Verify says what of it is whole; what is shown may lack counts.",
        "missing": "Files of it are missing. Verify says which.",
    }.get(state, "")


def _no_verdict(row: Acquisition, manifest: Manifest | None) -> str:
    """Return why there is no verdict."""
    if manifest is not None and manifest.profile.get("modality") == "pet":
        return "of PET no pictures are made here: they are reconstructed from what is exported"
    if row.state == "open":
        return "it is made when the acquisition has ended"
    return "not made yet; it is made when an acquisition of a camera or a probe has ended"


def listed_file(directory: Path, name: str) -> Path:
    """Return a file that was made of an acquisition, of those that its list of sums names. Raise `MissingError`."""
    images = directory / IMAGES
    path = images / name
    if name not in {*read_sums(images), SUMS} or path.is_symlink() or not path.is_file():
        raise MissingError(f"{directory.name} has no file {name!r}")
    return path


def _of_manifest(manifest: Manifest) -> dict[str, Any]:
    ledger = None if manifest.ledger is None else manifest.ledger.model_dump(mode="json")
    protocol = manifest.protocol or {}
    study = manifest.study or {}
    return {
        "protocol_title": protocol.get("title"), "scanner_title": (manifest.scanner or {}).get("title"),
        "profile_title": manifest.profile.get("title"), "modality": manifest.profile.get("modality"),
        "overrides": manifest.overrides, "qc_missing": list((manifest.qc or {}).get("missing") or ()),
        "window_changes": [WindowChange.from_json(each).sentence for each in protocol.get("window_changes") or ()],
        "calibrations": _calibrations(manifest), "orientation": study.get("patient_orientation"),
        "repeats": study.get("repeats"), "hand_overs": [h for step in manifest.steps or () for h in step.hand_overs],
        "losses": manifest.losses, "software": manifest.software, "hashed": manifest.hashed,
        "ledger": {
            "balanced": None if ledger is None else ledger["balanced"], "sentences": ledger_sentences(ledger),
            "unit": None if ledger is None else ledger["unit"],
            "sources": [] if ledger is None else ledger["sources"][:_SOURCES],
        },
    }  # fmt: skip


def _calibrations(manifest: Manifest) -> list[str]:
    """Return the names of the calibrations that were used."""
    found = manifest.calibrations
    used = [str(each.get("id")) for each in found.values() if isinstance(each, dict) and each.get("id")]
    heads = (each for each in found.values() if isinstance(each, list))
    return used + [str(one["id"]) for each in heads for one in each if isinstance(one, dict) and one.get("id")]


def _judged(rows: Sequence[Acquisition]) -> dict[str, Any]:
    """Return the verdict on the whole study, its missing sessions included."""
    from daq.composition.wholestudy import study_of

    if all(row.study is None for row in rows):
        told, why = _tried(lambda: read_verdict(Path(rows[0].directory) / IMAGES), Path(rows[0].directory))
        return {
            "grade": (told or {}).get("grade"),
            "sentences": (told or {}).get("sentences") or [],
            "grade_problem": why,
        }
    if all(not (Path(row.directory) / IMAGES / VERDICT).exists() for row in rows):
        return {"grade": None, "sentences": [], "grade_problem": ""}
    folder = Path(rows[0].directory)
    found, why = _tried(lambda: study_of([Path(row.directory) for row in rows], datetime.now(UTC)), folder)
    if found is None:
        return {"grade": None, "sentences": [], "grade_problem": why}
    return {"grade": found.verdict.grade.word, "sentences": list(found.verdict.sentences), "grade_problem": ""}


def patient_of(folders: Sequence[Path]) -> tuple[dict[str, Any] | None, str]:
    """Return who it is, with what was corrected; None and why not, in words."""
    why = ""
    for folder in folders:
        found, why = _tried(partial(read_patient, folder), folder)
        if found is not None:
            return _identity(found), ""
    return None, why


def _identity(patient: Patient) -> dict[str, Any]:
    return {
        **_plain(patient.identity.reveal()), "key": patient.ref.key, "to_countersign": patient.to_countersign,
        "corrections": [
            {
                "before": _plain(done.before.reveal()), "at_utc": done.at_utc, "by": done.by, "reason": done.reason,
                "countersigned_by": done.countersigned_by, "reassigned": done.reassigned,
            }
            for done in patient.corrections
        ],
    }  # fmt: skip


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    born = told["birth_date"]
    return {**told, "birth_date": None if born is None else born.isoformat(), "other_ids": list(told["other_ids"])}


def _files(images: Path) -> list[dict[str, Any]]:
    """Return what was made, by its list of sums, as far as it is there."""
    sums, why = _tried(lambda: read_sums(images))
    if sums is None:
        return [{"name": SUMS, "kind": "file", "size_bytes": None, "sha256": "", "problem": why}]
    found = []
    for name, digest in sums.items():
        path = images / name
        size = path.stat().st_size if path.is_file() else None
        kind = PICTURES.get(path.suffix, "verdict" if name == VERDICT else "file")
        found.append({"name": name, "kind": kind, "size_bytes": size, "sha256": digest})
    return found


def _tried(work: Callable[[], _T], folder: Path | None = None) -> tuple[_T | None, str]:
    """Return what `work` returns and no text, or None and why not; names stand there in place of paths."""
    try:
        return work(), ""
    except (ScandaqError, OSError) as why:
        text = str(why)
        if folder is not None:
            text = text.replace(str(folder), folder.name).replace(f"{folder.parent}/", "")
        return None, text
