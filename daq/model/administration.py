"""What was given to the patient: tracer, activities with their times, route and site, and what the study needs to know.

Activities are MBq, times are aware `datetime`. Calibrator times are those of the calibrator's clock, which shows
`calibrator_offset_s` more than this host's. No field is for a name: the record is filed under a random key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Self

from daq.errors import RefusedError
from daq.model.activity import activity_mbq
from daq.model.administration_rules import (
    NEEDED,
    TIMES,
    Arms,
    BreastFeeding,
    Pregnancy,
    Route,
    decayed_mbq,
    findings,
    of_the_future,
)
from daq.model.finding import Finding, errors
from daq.model.given import Injection, Intervention, Side
from daq.model.given import to_json as part_json

_WITH_UNIT = {"assayed": "assayed_mbq", "residual": "residual_mbq"}
"""Keys of texts with a unit, such as `assayed = "600 MBq"`, and the field that each stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministrationRecord:
    """One administration. Frozen; `injected_now` and `with_residual` return the next version.

    `uptake_s` is the planned time from injection to acquisition. `extravasation` and `injection_site_view` are None
    until somebody has looked. `injections` are those of a dose that was given at several places, `interventions` drugs
    and efforts that change what is seen, `voided_ml` what was voided between two views of the bladder. Raise
    `RefusedError` with every error in words; `findings` also has what is doubtful.
    """

    key: str
    nuclide: str
    agent: str
    lot: str
    assayed_mbq: float
    assayed_at: datetime
    operator: str
    route: Route
    site: str = ""
    side: Side = "not applicable"
    injected_at: datetime | None = None
    residual_mbq: float | None = None
    residual_at: datetime | None = None
    calibrator_id: str = ""
    calibrator_offset_s: float = 0.0
    weight_kg: float | None = None
    height_m: float | None = None
    glucose_mmol_per_l: float | None = None
    uptake_s: float | None = None
    pregnancy: Pregnancy = "unknown"
    breast_feeding: BreastFeeding = "unknown"
    preparation: str = ""
    arms: Arms = "unknown"
    bed_limit_kg: float | None = None
    extravasation: bool | None = None
    injection_site_view: bool | None = None
    injections: tuple[Injection, ...] = ()
    interventions: tuple[Intervention, ...] = ()
    voided_ml: float | None = None

    def __post_init__(self) -> None:
        found = errors(self.findings())
        if found:
            raise RefusedError("administration record: " + "; ".join(map(str, found)))

    def findings(self) -> list[Finding]:
        """Return what is wrong with the record, and what a person should look at."""
        return findings(self)

    @property
    def doubts(self) -> list[str]:
        """Return in words what a person should look at."""
        return [f"{finding.key}: {finding.reason}" for finding in findings(self)]

    def injected_now(self, now: datetime) -> Self:
        """Return the record with `now` as the time of injection. Refused where there is one already."""
        if self.injected_at is not None:
            raise RefusedError(f"administration record: already injected at {self.injected_at.isoformat()}")
        return replace(self, injected_at=now)

    def with_residual(self, residual_mbq: float, residual_at: datetime) -> Self:
        """Return the record with what was left in the syringe, measured on the same calibrator."""
        return replace(self, residual_mbq=residual_mbq, residual_at=residual_at)

    def amended(self, changes: Mapping[str, Any], *, now: datetime | None = None) -> Self:
        """Return the record with other values, given as plain data. Raise `RefusedError`: the key never changes.

        `now` as `from_json` takes it.
        """
        if "key" in changes:
            raise RefusedError("administration record: its key cannot be changed")
        return type(self).from_json({**self.to_json(), **_units(changes)}, now=now)

    def replaced_by(self, changes: Mapping[str, Any]) -> list[str]:
        """Return the names of what is known already and would be another value."""
        now, then = self.to_json(), self.amended(changes).to_json()
        unset = {field.name: field.default for field in fields(self)}
        return [name for name, value in now.items() if value != then[name] and value not in (None, "", [], unset[name])]

    @property
    def net_mbq(self) -> float | None:
        """Return the activity given, as of the time of injection; None until that and the residual are known."""
        return None if self.injected_at is None else self.net_mbq_at(self.injected_at)

    def net_mbq_at(self, when: datetime) -> float | None:
        """Return the activity given, decayed to another time; None until injection and residual are known.

        Raise `UsageError` for a time more than 1023 half-lives before an assay.
        """
        if self.injected_at is None or self.residual_mbq is None or self.residual_at is None:
            return None
        residual = decayed_mbq(self, self.residual_mbq, self.residual_at, when)
        return decayed_mbq(self, self.assayed_mbq, self.assayed_at, when) - residual

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain data; times as RFC 3339 with their zone."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any], *, now: datetime | None = None) -> Self:
        """Return the record of what `to_json` gave. Raise `RefusedError`: unknown keys, missing ones, wrong kinds.

        `assayed` and `residual` may stand in place of `assayed_mbq` and `residual_mbq`, as texts with a unit. Where
        `now` is given, an assay, an injection or a residual later than that is refused; clocks may differ by 2 min.
        """
        told = _units(told)
        known = {field.name for field in fields(cls)}
        unknown, missing = sorted(set(told) - known), sorted(NEEDED - set(told))
        if unknown or missing:
            what = [f"unknown {', '.join(unknown)}"] * bool(unknown) + [f"missing {', '.join(missing)}"] * bool(missing)
            raise RefusedError(f"administration record: {'; '.join(what)}")
        values = {key: _read(key, value) for key, value in told.items()}
        later = [] if now is None else list(of_the_future(values, now))
        if later:
            raise RefusedError("administration record: " + "; ".join(map(str, later)))
        return cls(**values)


def _plain(value: object) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case tuple():
            return [part_json(part) for part in value]
        case _:
            return value


def _units(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record with activities in MBq where they are texts with a unit."""
    found = dict(told)
    for text, field in _WITH_UNIT.items():
        if text in found and field in found:
            raise RefusedError(f"administration record: {text} and {field} say the same: one of them is enough")
        if text in found:
            try:
                found[field] = activity_mbq(found.pop(text))
            except RefusedError as why:
                raise RefusedError(f"administration record: {text}: {why}") from None
    return found


def _read(key: str, value: object) -> Any:
    kind = _PARTS.get(key)
    if kind is None:
        return _time(key, value) if key in TIMES else value
    if not isinstance(value, list | tuple):
        raise RefusedError(f"administration record: {key} must be a list")
    return tuple(kind.from_json(part) for part in value)


_PARTS: dict[str, type[Injection | Intervention]] = {"injections": Injection, "interventions": Intervention}


def _time(key: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise RefusedError(f"administration record: {key} = {value[:40]!r}: no date and time") from None
