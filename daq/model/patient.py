"""A patient as the station knows one: an opaque key everywhere, and an identity that nothing shows by accident.

`PatientRef` is what manifests, messages and the catalogue hold. `PatientIdentity` holds name, number and birth date;
only `reveal()` gives them, for the file beside the recording (`daq.storage.patientfile`), the worklist and the screen
at the bed.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NoReturn, Self, get_args

from daq.errors import RefusedError

KEY_BYTES = 16
_KEY = re.compile(r"[pa]-[a-z2-7]{26}\Z")
_MOST_NAME = 324
_MOST_ID = 64
_MOST_OTHER_IDS = 20
_MOST_ACCESSION = 16
"""What DICOM's SH takes."""
_FIRST_YEAR = 1850
_SHORT = 3
_HIDDEN = "[patient]"

Sex = Literal["female", "male", "other", "unknown"]


def is_opaque_key(text: object) -> bool:
    """Return True for the key of a patient or an administration, which says nothing about anybody."""
    return isinstance(text, str) and _KEY.match(text) is not None


def opaque_key(kind: Literal["p", "a"], random: bytes) -> str:
    """Return the key of a patient (`p`) or an administration (`a`) made of 16 random bytes."""
    if len(random) != KEY_BYTES:
        raise RefusedError(f"a key is made of {KEY_BYTES} random bytes, not of {len(random)}")
    return f"{kind}-{base64.b32encode(random).decode().rstrip('=').lower()}"


@dataclass(frozen=True, slots=True)
class PatientRef:
    """A patient, by a random key that says nothing about who it is. Raise `RefusedError` for any other text."""

    key: str

    def __post_init__(self) -> None:
        if not is_opaque_key(self.key) or not self.key.startswith("p-"):
            raise RefusedError("a patient reference is p- and 26 letters or digits; what was given is not shown here")

    @classmethod
    def of(cls, random: bytes) -> Self:
        """Return a new reference made of 16 random bytes."""
        return cls(opaque_key("p", random))

    def __str__(self) -> str:
        """Return the key."""
        return self.key


class PatientIdentity:
    """Who a patient is. Frozen. Printing, formatting, copying into a message or pickling it never shows who.

    `name` is written as DICOM does (`Family^Given`), `issuer` says whose numbers `patient_id` and `other_ids` are.
    `temporary`: made up at the station in an emergency, to be reconciled later. `accession_number`: of the order, empty
    where it is not known; as private as the rest, for it leads to the patient. Raise `RefusedError` that says which
    field is wrong, never with its value.
    """

    __slots__ = ("_told",)
    _told: Mapping[str, Any]

    def __init__(
        self,
        *,
        name: str,
        patient_id: str,
        issuer: str = "",
        birth_date: date | None = None,
        sex: Sex = "unknown",
        other_ids: tuple[str, ...] = (),
        temporary: bool = False,
        accession_number: str = "",
    ) -> None:
        for what, text, most in (("name", name, _MOST_NAME), ("patient_id", patient_id, _MOST_ID)):
            _require_text(what, text, most, needed=True)
        _require_text("issuer", issuer, _MOST_ID)
        _require_text("accession_number", accession_number, _MOST_ACCESSION)
        if "\\" in accession_number:
            raise RefusedError("patient accession_number: holds a backslash, which DICOM keeps between values")
        if len(other_ids) > _MOST_OTHER_IDS:
            raise RefusedError(f"patient other_ids: {len(other_ids)}, at most {_MOST_OTHER_IDS}")
        for other in other_ids:
            _require_text("other_ids", other, _MOST_ID, needed=True)
        if birth_date is not None and (type(birth_date) is not date or birth_date.year < _FIRST_YEAR):
            raise RefusedError(f"patient birth_date: must be a date from {_FIRST_YEAR} on")
        if sex not in get_args(Sex):
            raise RefusedError(f"patient sex: possible are {', '.join(get_args(Sex))}")
        told = {
            "name": name, "patient_id": patient_id, "issuer": issuer, "birth_date": birth_date, "sex": sex,
            "other_ids": tuple(other_ids), "temporary": bool(temporary),
            "accession_number": accession_number.strip(),
        }  # fmt: skip
        object.__setattr__(self, "_told", told)

    def reveal(self) -> dict[str, Any]:
        """Return all fields, for the patient's file and the screen at the bed; never for logs, messages, metrics."""
        return dict(self._told)

    @property
    def temporary(self) -> bool:
        """Return True for an identity that was made up at the station."""
        return bool(self._told["temporary"])

    @property
    def has_order(self) -> bool:
        """Return True where the number of the order is known."""
        return bool(self._told["accession_number"])

    def of_order_of(self, other: PatientIdentity) -> PatientIdentity:
        """Return the identity with the number of the order that another one has."""
        return PatientIdentity(**{**self._told, "accession_number": other.reveal()["accession_number"]})

    def redact(self, text: str) -> str:
        """Return the text with every name, number (of the order, too) and birth date of this patient taken out.

        A single letter cannot be told from a word and stays. Canonically equivalent spellings are found.
        """
        redacted = unicodedata.normalize("NFC", text)
        for pattern in self._patterns():
            redacted = pattern.sub(_HIDDEN, redacted)
        return redacted

    def _patterns(self) -> list[re.Pattern[str]]:
        told = self._told
        numbers = (told["patient_id"], told["accession_number"], *told["other_ids"])
        terms = {told["name"], *numbers, *re.split(r"[\^=,\s]+", told["name"])}
        born = told["birth_date"]
        if born is not None:
            terms |= {f"{born:{form}}" for form in ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y")}
        texts = sorted({unicodedata.normalize("NFC", term).strip() for term in terms}, key=len, reverse=True)
        return [_pattern(term) for term in texts if len(term) > 1]

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a patient's identity is frozen: {name} cannot be set")

    def __repr__(self) -> str:
        return "PatientIdentity(withheld)"

    def __str__(self) -> str:
        """Return a text that does not say who it is."""
        return repr(self)

    def __format__(self, _: str) -> str:
        """Return the same, whatever the format."""
        return repr(self)

    def __reduce_ex__(self, _: object) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError("a patient's identity is not pickled")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PatientIdentity) and self._told == other._told

    def __hash__(self) -> int:
        return hash(tuple(self._told.items()))


def _pattern(term: str) -> re.Pattern[str]:
    """Return what finds a term anywhere; a short one as a word only, since it is part of many others."""
    found = re.escape(term)
    return re.compile(rf"(?<!\w){found}(?!\w)" if len(term) <= _SHORT else found, re.IGNORECASE)


def _require_text(what: str, text: object, most: int, *, needed: bool = False) -> None:
    if not isinstance(text, str):
        raise RefusedError(f"patient {what}: must be a text")
    if needed and not text.strip():
        raise RefusedError(f"patient {what}: is empty")
    if len(text) > most:
        raise RefusedError(f"patient {what}: {len(text)} characters, at most {most}")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise RefusedError(f"patient {what}: holds a control character")
