"""The study an acquisition belongs to: a random key that several sessions share, and how the patient lies."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daq.errors import RefusedError
from daq.model.geometry import PatientOrientation
from daq.model.patient import KEY_BYTES, opaque_key

_KEY = re.compile(r"s-[a-z2-7]{26}")


class StudyReference(BaseModel):
    """What the manifest says of the study. Sessions may be hours or days apart, with other patients between.

    `repeats`: the acquisition whose views are taken again; both are kept. `label`: what a person calls this one.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    key: Annotated[str, Field(pattern=r"^s-[a-z2-7]{26}$")]
    session: Annotated[int, Field(ge=1, le=20)] = 1
    patient_orientation: PatientOrientation = PatientOrientation.HFS
    label: Annotated[str, Field(max_length=64)] = ""
    repeats: str | None = None
    began_utc: Annotated[str, Field(max_length=40)] | None = None
    """When its first acquisition was prepared: the date of the study, which all of its sessions share."""
    position_uid_of: str | None = None
    """The acquisition in whose position the patient still lies, so that both have one frame of reference."""
    frame_of_reference_uid: Annotated[str, Field(max_length=64)] | None = None
    """Of the CT that was handed over in that position, where there was one."""
    reassigned: Annotated[int, Field(ge=0, le=1000)] = 0
    """How often it was given to another patient; no manifest says it, the private file of the patient does."""

    @classmethod
    def new(cls, random: bytes, **said: object) -> Self:
        """Return the reference of a new study, its key made of 16 random bytes."""
        return cls.model_validate({"key": "s" + opaque_key("p", random)[1:], **said})

    def uid(self, what: str) -> str:
        """Return a DICOM unique identifier that follows from the key: the same for `what`, another for all else."""
        of = f"{self.key}/given to another {self.reassigned}" if self.reassigned else self.key
        digest = bytearray(hashlib.sha256(f"{of}/{what}".encode()).digest()[:KEY_BYTES])
        digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80  # a UUID of version 5, RFC 9562
        return f"2.25.{int.from_bytes(digest, 'big')}"


def study_key(text: str) -> str:
    """Return the key of a study; raise `RefusedError` for any other text."""
    if _KEY.fullmatch(text) is None:
        raise RefusedError("a study key is s- and 26 letters or digits")
    return text


def reference_of(told: Mapping[str, Any] | None) -> StudyReference | None:
    """Return the reference that a manifest holds as plain data; None for none, and for anything that is none."""
    try:
        return None if told is None else StudyReference.model_validate(told)
    except ValidationError:
        return None
