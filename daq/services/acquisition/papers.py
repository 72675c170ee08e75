"""Patient and administration of a run: kept privately from the moment of preparing, moved to the recording's directory.

Until the recording begins its directory is not there; the files wait in a folder of the state folder that only the
daemon's user can open. Nothing of them is ever announced, logged or printed.
"""

from __future__ import annotations

import contextlib
import shutil
from datetime import UTC, date, datetime
from glob import escape
from pathlib import Path
from typing import Any

from daq.errors import MissingError, RefusedError, ScandaqError
from daq.model.administration import AdministrationRecord
from daq.model.patient import PatientIdentity
from daq.model.station import Actor
from daq.model.words import says_nothing, unreadable_name
from daq.storage.patientfile import (
    Patient,
    new_administration_key,
    read_administration,
    read_patient,
    write_administration,
    write_patient,
)

_WAITING = "waiting"


class Papers:
    """The private files of one run. Every method that touches files blocks: call it in a thread."""

    def __init__(self, state: Path, run: str, directory: Path) -> None:
        self.run = run
        self._waiting = state / _WAITING / run
        self._directory = directory
        self.patient: Patient | None = None
        self.administration: AdministrationRecord | None = None

    @property
    def injected_at(self) -> datetime | None:
        """Return when the tracer was injected, None where that is not known."""
        return None if self.administration is None else self.administration.injected_at

    def take(
        self,
        patient: dict[str, Any] | None,
        administration: dict[str, Any] | None,
        actor: Actor,
        earlier: Patient | None = None,
    ) -> None:
        """Check what was given and keep it. Raise `RefusedError` naming the field, never its value, but for its time.

        `earlier`: the patient of the study that the run belongs to, under whose key it is filed.
        """
        self.patient, self.administration = checked(patient, administration, actor, earlier)
        if self.patient is None and self.administration is None:
            return
        self._waiting.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._waiting.parent.chmod(0o700)
        self._write(self._waiting)

    def file(self) -> bool:
        """Move what waits into the recording's directory; return False while that is not there."""
        if not self._directory.is_dir():
            return False
        self._write(self._directory)
        shutil.rmtree(self._waiting, ignore_errors=True)
        return True

    def load(self) -> None:
        """Read back what a daemon before this one kept."""
        for folder in (self._directory, self._waiting):
            with contextlib.suppress(MissingError):
                self.patient = self.patient or read_patient(folder)
            with contextlib.suppress(MissingError):
                self.administration = self.administration or read_administration(folder)

    @staticmethod
    def file_left_behind(state: Path, storage: Path, *, but: str | None) -> list[str]:
        """File what waits of runs that have ended, all `but` one; return which of them cannot be filed now."""
        left = []
        for waiting in sorted((state / _WAITING).iterdir()) if (state / _WAITING).is_dir() else ():
            for directory in storage.glob(f"*/{escape(waiting.name)}") if waiting.name != but else ():
                papers = Papers(state, waiting.name, directory)
                try:
                    papers.load()
                    papers.file()
                except (ScandaqError, OSError):
                    left.append(waiting.name)
        return left

    def injected_now(self) -> datetime:
        """Note the present as the time of injection and return it; raise `RefusedError` without a record."""
        if self.administration is None:
            raise RefusedError("this run has no administration record in which an injection could be noted")
        now = datetime.now(UTC)
        self.administration = self.administration.injected_now(now)
        self._write(self._directory if self._directory.is_dir() else self._waiting)
        return now

    def amend(self, record: AdministrationRecord) -> None:
        """Keep another version of the administration record."""
        self.administration = record
        self._write(self._directory if self._directory.is_dir() else self._waiting)

    def replace_patient(self, patient: Patient) -> None:
        """Keep another version of who it is."""
        self.patient = patient
        self._write(self._directory if self._directory.is_dir() else self._waiting)

    def redacted(self, text: str) -> str:
        """Return a text that somebody wrote without what identifies the patient."""
        return text if self.patient is None else self.patient.identity.redact(text)

    def drop(self) -> None:
        """Remove what waits of a run that never recorded anything."""
        shutil.rmtree(self._waiting, ignore_errors=True)

    def _write(self, folder: Path) -> None:
        if self.patient is not None:
            write_patient(folder, self.patient)
        if self.administration is not None:
            write_administration(folder, self.administration)


def checked(
    patient: dict[str, Any] | None, administration: dict[str, Any] | None, actor: Actor, earlier: Patient | None
) -> tuple[Patient | None, AdministrationRecord | None]:
    """Return patient and record as a run would keep them. Raises what `Papers.take` does; nothing is written."""
    who = earlier if patient is None else _same(earlier, identity_of(patient), actor)
    return who, None if administration is None else _record(administration)


def identity_of(told: dict[str, Any]) -> PatientIdentity:
    """Return the identity. Raise `RefusedError` that names what is wrong and shows nothing of it, nor its context."""
    found = _unreadable(told) or _identity(told)
    if isinstance(found, str):
        raise RefusedError(found)
    return found


def _unreadable(told: dict[str, Any]) -> str | None:
    for name, value in told.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and (why := unreadable_name(text)) is not None:
                return f"patient {name[:40]}: {why}"
            if isinstance(text, str) and name in ("name", "patient_id") and says_nothing(text):
                return f"patient {name}: is empty"
    return None


def _identity(told: dict[str, Any]) -> PatientIdentity | str:
    born = told.get("birth_date")
    try:
        given = {**told, "birth_date": None if born is None else date.fromisoformat(born)}
        given["other_ids"] = tuple(told.get("other_ids", ()))
        return PatientIdentity(**given)
    except RefusedError as why:
        return str(why)
    except ValueError:
        return "patient: birth_date is written YYYY-MM-DD"
    except TypeError:
        known = "name, patient_id, issuer, other_ids (a list), birth_date, sex, accession_number, temporary"
        return f"patient: name and patient_id are needed; its keys are {known}"


def _same(earlier: Patient | None, identity: PatientIdentity, actor: Actor) -> Patient:
    """Return the patient that was given, under the key of the study's. Raise `RefusedError` for somebody else.

    An identity that was made up in an emergency may have another number. One without the number of the order takes that
    of the study.
    """
    if earlier is not None and not identity.has_order:
        identity = identity.of_order_of(earlier.identity)
    if earlier is None or earlier.identity == identity:
        return earlier or Patient.new(identity, actor)
    numbers = {(told["patient_id"], told["issuer"]) for told in (earlier.identity.reveal(), identity.reveal())}
    if len(numbers) > 1 and not (earlier.identity.temporary or identity.temporary):
        raise RefusedError("patient: the patient_id is not that of the study: another patient, or another study")
    if earlier.identity.has_order and identity != identity.of_order_of(earlier.identity):
        raise RefusedError("patient: the accession_number is not that of the study: another order is another study")
    return Patient.new(identity, actor, earlier.ref)


def _record(told: dict[str, Any]) -> AdministrationRecord:
    try:
        return AdministrationRecord.from_json({"key": new_administration_key(), **told}, now=datetime.now(UTC))
    except (KeyError, TypeError, ValueError, AttributeError) as why:
        raise RefusedError(f"administration record: a value of the wrong kind ({type(why).__name__})") from None
