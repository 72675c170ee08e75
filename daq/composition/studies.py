"""To which study an acquisition belongs: a new one, or one that began earlier, with its patient and its tracer."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from daq.errors import MissingError, RefusedError, ScandaqError
from daq.model.geometry import PatientOrientation
from daq.model.patient import KEY_BYTES
from daq.model.station import utc_now
from daq.model.study import StudyReference, reference_of, study_key
from daq.model.verbs import Prepare
from daq.services.catalogue.entry import Acquisition, Filter, moment_ms
from daq.storage.listing import load_manifest
from daq.storage.patientfile import Patient, read_administration, read_patient

if TYPE_CHECKING:
    from daq.model.administration import AdministrationRecord
    from daq.model.protocol import AcquisitionProtocol

_MOST_LOOKED_INTO = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Find = Callable[[Filter], Awaitable[list[Acquisition]]]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier acquisition of the study knows: which study, who lay there, what was given."""

    identity: str
    reference: StudyReference | None
    patient: Patient | None
    administration: AdministrationRecord | None
    frame_uid: str | None = None
    """Frame of reference of the CT that was handed over in it."""
    created_utc: str = ""
    station: str | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """The reference that the manifest gets, and what of an earlier acquisition of the study holds for this one."""

    reference: StudyReference
    earlier: Earlier | None = None

    @property
    def patient(self) -> Patient | None:
        """Return the patient of the study, None where it is new or has none."""
        return None if self.earlier is None else self.earlier.patient

    def completed(self, request: Prepare) -> Prepare:
        """Return the request with the administration record of the study, unless another one is given."""
        record = None if self.earlier is None else self.earlier.administration
        if request.administration is not None or record is None:
            return request
        return request.model_copy(update={"administration": record.to_json()})


async def linked(storage: Path, find: Find, request: Prepare, protocol: AcquisitionProtocol) -> Linked:
    """Return to which study an acquisition belongs. `find` asks the catalogue.

    Raise `RefusedError` for a later session of no study, for two studies at once, for another way of lying than that of
    what is continued, or in whose position the patient should still be, and for one who got up for somebody else
    meanwhile; `MissingError` for a study or an acquisition that is not there.
    """
    earlier = await _earlier(storage, find, request)
    still = await _still(storage, find, request)
    if earlier is None and request.session > 1:
        raise RefusedError(
            f"session {request.session} belongs to a study that has begun: name it, or an acquisition of it (`--study`)"
        )
    if request.study is not None and earlier is not None and earlier.reference is None:
        raise RefusedError(f"{earlier.identity} belongs to no study: it was recorded before there were any")
    reference = None if earlier is None else earlier.reference
    told = {
        "session": request.session, "label": request.label, "repeats": request.repeats,
        "patient_orientation": _orientation(request, protocol, reference, still),
        **_position(still),
    }  # fmt: skip
    if reference is None:
        return Linked(StudyReference.new(secrets.token_bytes(KEY_BYTES), began_utc=utc_now(), **told), earlier)
    kept = {"key": reference.key, "began_utc": reference.began_utc}
    return Linked(StudyReference.model_validate({**kept, **told}), earlier)


def _orientation(
    request: Prepare, protocol: AcquisitionProtocol, earlier: StudyReference | None, still: Earlier | None
) -> PatientOrientation:
    """Return how the patient lies: as said, else as in what it still lies as, else as the protocol says."""
    said = None if request.patient_orientation is None else PatientOrientation(request.patient_orientation)
    lay = None if still is None or still.reference is None else still.reference.patient_orientation
    if lay is not None and said not in (None, lay):
        raise RefusedError(
            f"{request.same_position_as} was acquired {lay}, this would be {said}: that is not the same position"
        )
    if request.continues is None or earlier is None:
        return said or lay or protocol.patient_orientation
    lay = earlier.patient_orientation
    if said not in (None, lay):
        raise RefusedError(f"{request.continues} was acquired {lay}, this would be {said}: repeat it instead")
    return lay


def _position(still: Earlier | None) -> dict[str, str | None]:
    """Return what the reference says of a position that the patient still has: that of the first of several."""
    if still is None or still.reference is None:
        return {}
    return {
        "position_uid_of": still.reference.position_uid_of or still.identity,
        "frame_of_reference_uid": still.frame_uid or still.reference.frame_of_reference_uid,
    }


async def _still(storage: Path, find: Find, request: Prepare) -> Earlier | None:
    """Return the acquisition in whose position the patient still lies. Raise `RefusedError` where that cannot be."""
    named = request.same_position_as
    if named is None:
        return None
    still = await asyncio.to_thread(_read, directory_of(storage, named))
    if still.reference is None:
        raise RefusedError(f"{named} belongs to no study: its position has no frame of reference that could be shared")
    since = Filter(since_ms=moment_ms(still.created_utc))
    key = None if still.patient is None else still.patient.ref.key
    for row in await find(since):
        of_another = row.study != still.reference.key and row.patient_key not in (None, key)
        if of_another and row.station == still.station:
            raise RefusedError(
                f"another patient was acquired since {named} ({row.id}): nobody lies as then; leave "
                "`--same-position-as` out, and it gets a frame of reference of its own"
            )
    return still


async def _earlier(storage: Path, find: Find, request: Prepare) -> Earlier | None:
    """Return what the acquisitions that a request names know; they must be of one study."""
    asked = (request.study, request.continues, request.repeats, request.same_position_as)
    named = [name for name in asked if name is not None]
    found = [await _looked_up(storage, find, name) for name in named]
    keys = {each.reference.key for each in found if each.reference is not None}
    if len(keys) > 1:
        raise RefusedError(f"{' and '.join(named)} are of different studies")
    return found[0] if found else None


async def _looked_up(storage: Path, find: Find, name: str) -> Earlier:
    if not name.startswith("s-"):
        return await asyncio.to_thread(_read, directory_of(storage, name))
    key = study_key(name)
    for row in (await find(Filter(study=key)))[:_MOST_LOOKED_INTO]:
        with suppress(ScandaqError):  # a directory that is gone or damaged: the study may have others
            return await asyncio.to_thread(_read, Path(row.directory))
    raise MissingError(f"there is no acquisition of study {key} that can be read; `daq study list` shows what there is")


def directory_of(storage: Path, identity: str) -> Path:
    """Return the directory of an acquisition. Raise `MissingError`."""
    found = sorted(storage.glob(f"*/{escape(identity)}")) if _NAME.fullmatch(identity) else []
    if not found:
        raise MissingError(f"there is no acquisition {identity!r} in {storage}")
    return found[0]


def _read(directory: Path) -> Earlier:
    manifest = load_manifest(directory)
    patient = administration = None
    with suppress(MissingError):
        patient = read_patient(directory)
    with suppress(MissingError):
        administration = read_administration(directory)
    return Earlier(
        manifest.acquisition_id, reference_of(manifest.study), patient, administration, manifest.frame_handed_over,
        manifest.created_utc, manifest.station,
    )  # fmt: skip
