"""Patient and administration of a recording: `patient.json` and `administration.json` beside its segments.

Both are outside of the seal and only the daemon writes them. The manifest has nothing but their keys. `patient.json` is
the one place on the disk where an identity stands: mode 0600, replaced by rename, never part of a log or message. An
identity that turns out to be wrong is replaced, and both stay in the file until somebody else has countersigned.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

from daq.errors import FormatError, MissingError, RefusedError, StorageFailedError
from daq.model.administration import AdministrationRecord
from daq.model.cleantext import clean_text
from daq.model.patient import KEY_BYTES, PatientIdentity, PatientRef, opaque_key
from daq.model.station import Actor, utc_now
from daq.storage.files import StorageFiles

PATIENT_FILE = "patient.json"
ADMINISTRATION_FILE = "administration.json"
_PATIENT_SCHEMA = "patient/1"
_ADMINISTRATION_SCHEMA = "administration/1"
_MODE = 0o600
_MOST_BYTES = 1 << 20
_MOST_TEXT = 500


def new_patient_ref() -> PatientRef:
    """Return a reference with a new random key."""
    return PatientRef.of(secrets.token_bytes(KEY_BYTES))


def new_administration_key() -> str:
    """Return a new random key of an administration."""
    return opaque_key("a", secrets.token_bytes(KEY_BYTES))


@dataclass(frozen=True, slots=True)
class Correction:
    """An identity that was replaced: when, by whom, why, and who has countersigned.

    `reassigned`: not the identity of the same person was wrong; what was recorded was of somebody else.
    """

    before: PatientIdentity
    at_utc: str
    by: str
    reason: str
    countersigned_by: str | None = None
    reassigned: bool = False


@dataclass(frozen=True, slots=True)
class Patient:
    """What `patient.json` holds. Printing it shows the key alone."""

    ref: PatientRef
    identity: PatientIdentity
    written_utc: str
    written_by: str
    corrections: tuple[Correction, ...] = ()

    @classmethod
    def new(cls, identity: PatientIdentity, actor: Actor, ref: PatientRef | None = None) -> Self:
        """Return a patient under a new key, or under the one of an earlier view of the same study."""
        return cls(ref or new_patient_ref(), identity, utc_now(), clean_text(actor.user, _MOST_TEXT))

    @property
    def to_countersign(self) -> bool:
        """Return True while a correction waits for a second person."""
        return any(correction.countersigned_by is None for correction in self.corrections)

    @property
    def reassigned(self) -> int:
        """Return how often the recording was given to another patient."""
        return sum(correction.reassigned for correction in self.corrections)

    def given_to(self, identity: PatientIdentity, note: Correction) -> Self:
        """Return the patient with the identity of another person; `note` says who, why and who signed with them."""
        done = replace(note, before=self.identity, reassigned=True)
        return replace(self, identity=identity, corrections=(*self.corrections, done))

    def corrected(self, identity: PatientIdentity, actor: Actor, reason: str) -> Self:
        """Return the patient with another identity, the wrong one kept. Raise `RefusedError` without a reason."""
        if not reason.strip():
            raise RefusedError("correcting an identity needs a reason")
        by = clean_text(actor.user, _MOST_TEXT)
        done = Correction(self.identity, utc_now(), by, clean_text(reason, _MOST_TEXT))
        return replace(self, identity=identity, corrections=(*self.corrections, done))

    def countersigned(self, actor: Actor) -> Self:
        """Return the patient with every correction countersigned. Raise `RefusedError` for who made one of them."""
        if not self.to_countersign:
            raise RefusedError("no correction of this identity waits for a second person")
        by = clean_text(actor.user, _MOST_TEXT)
        if any(done.by == by and done.countersigned_by is None for done in self.corrections):
            raise RefusedError(f"{by} made the correction: another person countersigns it")
        signed = (replace(done, countersigned_by=done.countersigned_by or by) for done in self.corrections)
        return replace(self, corrections=tuple(signed))


def write_patient(directory: Path, patient: Patient) -> None:
    """Write `patient.json` durably, mode 0600. Raise `StorageFailedError`."""
    _replace_privately(directory / PATIENT_FILE, lambda: _patient_json(patient))


def read_patient(directory: Path) -> Patient:
    """Return what `patient.json` holds. Raise `MissingError`, `FormatError` without any of its values."""
    path = directory / PATIENT_FILE
    found = _patient(_read(path, _PATIENT_SCHEMA))
    if isinstance(found, str):
        raise FormatError(f"{path}: not {_PATIENT_SCHEMA} ({found})")
    return found


def write_administration(directory: Path, record: AdministrationRecord) -> None:
    """Write `administration.json` durably, mode 0600: weight and glucose are a person's own. `StorageFailedError`."""
    content = {"schema": _ADMINISTRATION_SCHEMA, "record": record.to_json()}
    _replace_privately(directory / ADMINISTRATION_FILE, lambda: content)


def read_administration(directory: Path) -> AdministrationRecord:
    """Return the record of a recording. Raise `MissingError`, `FormatError`."""
    path = directory / ADMINISTRATION_FILE
    content = _read(path, _ADMINISTRATION_SCHEMA)
    try:
        return AdministrationRecord.from_json(content["record"])
    except (KeyError, TypeError, AttributeError) as why:
        raise FormatError(f"{path}: not {_ADMINISTRATION_SCHEMA} ({type(why).__name__})") from None
    except RefusedError as why:
        raise FormatError(f"{path}: {why}") from None


def _patient_json(patient: Patient) -> dict[str, Any]:
    return {
        "schema": _PATIENT_SCHEMA,
        "key": patient.ref.key,
        "identity": _identity_json(patient.identity),
        "written_utc": patient.written_utc,
        "written_by": patient.written_by,
        "corrections": [
            {
                "before": _identity_json(done.before), "at_utc": done.at_utc, "by": done.by, "reason": done.reason,
                "countersigned_by": done.countersigned_by, "reassigned": done.reassigned,
            }
            for done in patient.corrections
        ],
    }  # fmt: skip


def _patient(content: dict[str, Any]) -> Patient | str:
    """Return the patient, or what kind of fault is in the way: a traceback must not hold the content."""
    try:
        corrections = tuple(
            Correction(
                _identity(done["before"]), str(done["at_utc"]), str(done["by"]), str(done["reason"]),
                None if done["countersigned_by"] is None else str(done["countersigned_by"]),
                done.get("reassigned") is True,
            )
            for done in content["corrections"]
        )  # fmt: skip
        return Patient(
            PatientRef(content["key"]), _identity(content["identity"]), str(content["written_utc"]),
            str(content["written_by"]), corrections,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, RefusedError) as why:
        return type(why).__name__


def _identity_json(identity: PatientIdentity) -> dict[str, Any]:
    told = identity.reveal()
    born = told["birth_date"]
    return {**told, "other_ids": list(told["other_ids"]), "birth_date": None if born is None else born.isoformat()}


def _identity(told: dict[str, Any]) -> PatientIdentity:
    born = told["birth_date"]
    others = {**told, "other_ids": tuple(told["other_ids"])}
    return PatientIdentity(**{**others, "birth_date": None if born is None else date.fromisoformat(born)})


def _replace_privately(path: Path, content: Callable[[], dict[str, Any]]) -> None:
    """Replace `path` by rename, never readable for others at any instant. Raise `StorageFailedError`.

    The content is made where nothing is raised, so that no traceback, not even one with local values, shows it.
    """
    why = _why_not_replaced(path, content)
    if why is not None:
        raise StorageFailedError(f"{path} cannot be written: {why}")


def _why_not_replaced(path: Path, content: Callable[[], dict[str, Any]]) -> str | None:
    beside = path.with_name(f".{path.name}.tmp")
    data = json.dumps(content(), indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    try:
        beside.unlink(missing_ok=True)
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            os.fchmod(fd, _MODE)
            with open(fd, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(fd)
        finally:
            os.close(fd)
        beside.rename(path)
        StorageFiles().sync_directory(path.parent)
    except OSError as why:
        with suppress(OSError):  # the reason for which it failed may hold here as well
            beside.unlink(missing_ok=True)
        return why.strerror or str(why)
    return None


def _read(path: Path, schema: str) -> dict[str, Any]:
    """Return the content of a file of ours. Raise `MissingError`, `RefusedError`, `FormatError`."""
    try:
        found = _loaded(path, schema)
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file") from None
    except OSError as why:
        raise RefusedError(f"{path} cannot be read: {why.strerror}") from None
    if found is None:
        raise FormatError(f"{path}: not {schema}")
    return found


def _loaded(path: Path, schema: str) -> dict[str, Any] | None:
    if path.stat().st_size > _MOST_BYTES:
        return None
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("schema") == schema else None
