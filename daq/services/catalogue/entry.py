"""A row of the catalogue and what rows can be chosen by. No database here."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypedDict, get_args

from daq.errors import UsageError

State = Literal["open", "sealed", "recovered", "damaged", "missing"]
"""The manifest's state; `damaged`: there is none that can be read; `missing`: the directory is not there."""
Outcome = Literal["completed", "interrupted", "aborted", "fault"]
Verified = Literal["ok", "damaged", "unsealed"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DAY = timedelta(days=1)
_DATE_CHARACTERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """One acquisition directory. Times are ms since 1970 UTC, None where not known; `directory` is absolute.

    `steps` are the manifest's, each with its number, name, fate; `counts` the stored rows per stream. `size_bytes` is
    that of the segments. `patient_key`, `administration_key` and `study` are opaque, `session` and `label` are of the
    study. `verified` is the newest verdict of `daq listmode verify`. `problem` says why a directory is `damaged`.
    `station` recorded it, `keeper` is the station in whose storage it lies.
    """

    id: str
    directory: str
    state: State
    outcome: Outcome | None = None
    created_ms: int | None = None
    ended_ms: int | None = None
    ended_by: str | None = None
    operator: str | None = None
    protocol: str | None = None
    protocol_version: str | None = None
    protocol_state: str | None = None
    profile: str | None = None
    scanner: str | None = None
    station: str | None = None
    keeper: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    duration_ps: int | None = None
    size_bytes: int = 0
    simulated: bool = False
    continues: str | None = None
    recovered_from: str | None = None
    patient_key: str | None = None
    administration_key: str | None = None
    study: str | None = None
    session: int | None = None
    label: str | None = None
    verified: Verified | None = None
    verified_ms: int | None = None
    problem: str | None = None
    stamp: str = ""
    """Changes when the manifest does."""

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain data, times as RFC 3339 (`created_utc`, `ended_utc`, `verified_utc`)."""
        told = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "stamp"}
        return {
            key.removesuffix("_ms") + "_utc" if key.endswith("_ms") else key: (
                utc_text(value) if key.endswith("_ms") else value
            )
            for key, value in told.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to find: every condition that is given must hold. `since_ms` is included, `until_ms` is not.

    `text` is looked for at the beginning of the id, `anywhere` in ids, labels, protocols and users. `protocol` and the
    others are exact.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    states: tuple[State, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    protocol: str | None = None
    profile: str | None = None
    scanner: str | None = None
    station: str | None = None
    simulated: bool | None = None
    patient_key: str | None = None
    administration_key: str | None = None
    study: str | None = None
    in_study: bool = False
    """Only what belongs to a study."""
    continues: str | None = None
    id: str | None = None
    text: str | None = None
    anywhere: str | None = None

    def __post_init__(self) -> None:
        for what, given, known in (("state", self.states, State), ("outcome", self.outcomes, Outcome)):
            for value in given:
                if value not in get_args(known):
                    raise UsageError(f"{what} {value!r}: possible are {', '.join(get_args(known))}")


ALL = Filter()


def utc_text(moment_ms: int | None) -> str | None:
    """Return ms since 1970 as RFC 3339, None for None or what no calendar has."""
    if moment_ms is None:
        return None
    try:
        moment = _EPOCH + timedelta(milliseconds=moment_ms)
    except OverflowError:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_ms(text: object) -> int | None:
    """Return a time as manifests write it in ms since 1970; without a zone it is UTC. None for anything else."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // _MS
    except (ValueError, OverflowError):
        return None


class Limits(TypedDict):
    """The two times of a `Filter`."""

    since_ms: int | None
    until_ms: int | None


def limits_ms(since: str | None, until: str | None) -> Limits:
    """Return `since_ms` and `until_ms` of dates (`2026-11-22`, the day of `until` included) or times, in UTC.

    Raise `UsageError`.
    """
    return {"since_ms": _limit(since, "since"), "until_ms": _limit(until, "until")}


def _limit(text: str | None, what: str) -> int | None:
    if text is None:
        return None
    found = moment_ms(text)
    if found is None:
        raise UsageError(f"--{what} {text}: must be a date such as 2026-11-22 or a time such as 2026-11-22T14:05Z")
    return found + (_DAY // _MS if what == "until" and len(text) == _DATE_CHARACTERS else 0)
