"""What was given beside the one dose: several injections of a sentinel node, a drug that changes what is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, Self, get_args

from daq.errors import RefusedError
from daq.model.finding import Finding
from daq.model.finding import error as wrong

Side = Literal["left", "right", "both", "midline", "not applicable"]
MOST_INJECTIONS = 20
_MOST_TEXT = 200
_MOST_ML = 100.0


@dataclass(frozen=True, slots=True)
class Injection:
    """One of several injections of the same dose: where, how much of it, when."""

    site: str
    side: Side = "not applicable"
    volume_ml: float | None = None
    activity_mbq: float | None = None
    at: datetime | None = None

    def findings(self, key: str) -> Iterator[Finding]:
        """Yield what is wrong with it."""
        yield from _text(f"{key}.site", self.site)
        if self.side not in get_args(Side):
            yield wrong(f"{key}.side", self.side, f"possible are {', '.join(get_args(Side))}")
        yield from _number(f"{key}.volume_ml", self.volume_ml, _MOST_ML, "ml")
        yield from _number(f"{key}.activity_mbq", self.activity_mbq, 100_000.0, "MBq")
        yield from _moment(f"{key}.at", self.at)

    @classmethod
    def from_json(cls, told: object) -> Self:
        """Return it of plain data. Raise `RefusedError` for keys that it does not have."""
        return cls(**_values(cls, told, "administration record: injections"))


@dataclass(frozen=True, slots=True)
class Intervention:
    """A drug, or an effort, that changes what is seen: furosemide of a renogram, captopril, stress. `dose`: as said."""

    what: str
    at: datetime
    dose: str = ""

    def findings(self, key: str) -> Iterator[Finding]:
        """Yield what is wrong with it."""
        yield from _text(f"{key}.what", self.what)
        yield from _text(f"{key}.dose", self.dose, needed=False)
        yield from _moment(f"{key}.at", self.at, needed=True)

    @classmethod
    def from_json(cls, told: object) -> Self:
        """Return it of plain data. Raise `RefusedError` for keys that it does not have."""
        return cls(**_values(cls, told, "administration record: interventions"))


def to_json(part: Injection | Intervention) -> dict[str, Any]:
    """Return it as plain data, times as RFC 3339."""
    told = {field.name: getattr(part, field.name) for field in fields(part)}
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in told.items()}


def _values(kind: type[Injection | Intervention], told: object, where: str) -> dict[str, Any]:
    known = [field.name for field in fields(kind)]
    if not isinstance(told, Mapping) or set(told) - set(known) or not {known[0]} <= set(told):
        raise RefusedError(f"{where}: each is a table of {', '.join(known)}; {known[0]} is needed")
    if kind is Intervention and "at" not in told:
        raise RefusedError(f"{where}: each needs its time, at")
    values = dict(told)
    if isinstance(values.get("at"), str):
        try:
            values["at"] = datetime.fromisoformat(values["at"])
        except ValueError:
            raise RefusedError(f"{where}: at = {values['at'][:40]!r}: no date and time") from None
    return values


def _text(key: str, text: object, *, needed: bool = True) -> Iterator[Finding]:
    if not isinstance(text, str):
        yield wrong(key, text, "must be a text")
    elif len(text) > _MOST_TEXT:
        yield wrong(key, text, f"{len(text)} characters, at most {_MOST_TEXT}")
    elif needed and not text.strip():
        yield wrong(key, text, "is empty")


def _number(key: str, value: object, most: float, unit: str) -> Iterator[Finding]:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield wrong(key, value, f"must be a number of {unit}")
    elif not 0 < value <= most:
        yield wrong(key, value, f"must lie above 0 and up to {most:g} {unit}")


def _moment(key: str, at: object, *, needed: bool = False) -> Iterator[Finding]:
    if at is None and not needed:
        return
    if not isinstance(at, datetime):
        yield wrong(key, at, "must be a date and time")
    elif at.utcoffset() is None:
        yield wrong(key, at, "has no time zone")
