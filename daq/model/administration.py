"""What was given to the patient: tracer, activities with their times, route and site, and what the study needs to know.

Activities are MBq, times are aware `datetime`. Calibrator times are those of the calibrator's clock, which shows
`calibrator_offset_s` more than this host's. No field is for a name: the record is filed under a random key.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Self, get_args, get_type_hints

from daq.errors import RefusedError, ScandaqError
from daq.model.finding import Finding, errors
from daq.model.finding import error as wrong
from daq.model.finding import warning as doubtful
from daq.model.nuclide_table import nuclide as find_nuclide
from daq.model.patient import is_opaque_key

Route = Literal[
    "intravenous", "oral", "inhalation", "subcutaneous", "intradermal", "intra-arterial", "intrathecal",
    "intracavitary", "intraperitoneal", "intra-articular", "other",
]  # fmt: skip
Side = Literal["left", "right", "both", "midline", "not applicable"]
Pregnancy = Literal["not applicable", "excluded", "possible", "pregnant", "unknown"]
BreastFeeding = Literal["not applicable", "no", "yes", "unknown"]
Arms = Literal["up", "down", "one up", "unknown"]

_MOST_TEXT = 500
_DAY_S = 86_400.0
_RANGES: dict[str, tuple[float, float, str]] = {
    "assayed_mbq": (0.001, 100_000.0, "MBq"),
    "residual_mbq": (0.0, 100_000.0, "MBq"),
    "calibrator_offset_s": (-_DAY_S, _DAY_S, "s"),
    "weight_kg": (0.2, 650.0, "kg"),
    "height_m": (0.2, 2.8, "m"),
    "glucose_mmol_per_l": (0.5, 60.0, "mmol/l"),
    "uptake_s": (0.0, 14 * _DAY_S, "s"),
    "bed_limit_kg": (1.0, 1000.0, "kg"),
}
"""What is taken for a slip of the pen outside of it: the largest therapies, the smallest and the heaviest patients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministrationRecord:
    """One administration. Frozen; `injected_now` and `with_residual` return the next version.

    `uptake_s` is the planned time from injection to acquisition. `extravasation` and `injection_site_view` are None
    until somebody has looked. Raise `RefusedError` with every error in words; `findings` also has what is doubtful.
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

    def __post_init__(self) -> None:
        found = errors(self.findings())
        if found:
            raise RefusedError("administration record: " + "; ".join(map(str, found)))

    def findings(self) -> list[Finding]:
        """Return what is wrong with the record, and what a person should look at."""
        found = [*_of_texts(self), *_of_choices(self), *_of_numbers(self), *_of_times(self)]
        return found if errors(found) else [*found, *_of_activities(self), *_of_the_patient(self)]

    def injected_now(self, now: datetime) -> Self:
        """Return the record with `now` as the time of injection. Refused where there is one already."""
        if self.injected_at is not None:
            raise RefusedError(f"administration record: already injected at {self.injected_at.isoformat()}")
        return replace(self, injected_at=now)

    def with_residual(self, residual_mbq: float, residual_at: datetime) -> Self:
        """Return the record with what was left in the syringe, measured on the same calibrator."""
        return replace(self, residual_mbq=residual_mbq, residual_at=residual_at)

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
        residual = _decayed_mbq(self, self.residual_mbq, self.residual_at, when)
        return _decayed_mbq(self, self.assayed_mbq, self.assayed_at, when) - residual

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain data; times as RFC 3339 with their zone."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in told.items()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Return the record of what `to_json` gave. Raise `RefusedError`: unknown keys, missing ones, wrong kinds."""
        known = {field.name for field in fields(cls)}
        unknown, missing = sorted(set(told) - known), sorted(_NEEDED - set(told))
        if unknown or missing:
            what = [f"unknown {', '.join(unknown)}"] * bool(unknown) + [f"missing {', '.join(missing)}"] * bool(missing)
            raise RefusedError(f"administration record: {'; '.join(what)}")
        values: dict[str, Any] = {key: _time(key, value) if key in _TIMES else value for key, value in told.items()}
        return cls(**values)


def _host_time(record: AdministrationRecord, shown_at: datetime) -> datetime:
    """Return the time of this host when the calibrator showed `shown_at`."""
    return shown_at - timedelta(seconds=record.calibrator_offset_s)


def _decayed_mbq(record: AdministrationRecord, activity_mbq: float, shown_at: datetime, when: datetime) -> float:
    """Return what an activity that was measured when the calibrator showed `shown_at` is at `when`."""
    after_s = (when - _host_time(record, shown_at)).total_seconds()
    return activity_mbq * find_nuclide(record.nuclide).activity_factor(after_s)


_TIMES = ("assayed_at", "residual_at", "injected_at")
_TEXTS = ("agent", "lot", "operator", "site", "calibrator_id", "preparation")
_CHOICES: dict[str, Any] = {
    "route": Route, "side": Side, "pregnancy": Pregnancy, "breast_feeding": BreastFeeding, "arms": Arms,
}  # fmt: skip
_FLAGS = ("extravasation", "injection_site_view")
_NEEDED = {"key", "nuclide", "agent", "lot", "assayed_mbq", "assayed_at", "operator", "route"}
_OPTIONAL = {name for name, kind in get_type_hints(AdministrationRecord).items() if type(None) in get_args(kind)}


def _of_texts(record: AdministrationRecord) -> Iterator[Finding]:
    if not is_opaque_key(record.key) or not record.key.startswith("a-"):
        yield Finding("key", "not shown", "must be a- and 26 random letters or digits")
    for name in _TEXTS:
        text = getattr(record, name)
        if not isinstance(text, str):
            yield wrong(name, text, "must be a text")
        elif len(text) > _MOST_TEXT:
            yield wrong(name, text, f"{len(text)} characters, at most {_MOST_TEXT}")
        elif name in _NEEDED and not text.strip():
            yield wrong(name, text, "is empty")


def _of_choices(record: AdministrationRecord) -> Iterator[Finding]:
    for name, choice in _CHOICES.items():
        if getattr(record, name) not in get_args(choice):
            yield wrong(name, getattr(record, name), f"possible are {', '.join(get_args(choice))}")
    for name in _FLAGS:
        if not isinstance(getattr(record, name), bool | None):
            yield wrong(name, getattr(record, name), "must be true, false or not known")
    try:
        find_nuclide(str(record.nuclide))
    except ScandaqError as why:
        yield wrong("nuclide", record.nuclide, str(why))


def _of_numbers(record: AdministrationRecord) -> Iterator[Finding]:
    for name, (low, high, unit) in _RANGES.items():
        value = getattr(record, name)
        if value is None and name in _OPTIONAL:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            yield wrong(name, value, f"must be a number of {unit}")
        elif not low <= value <= high:
            yield wrong(name, value, f"must lie between {low:g} and {high:g} {unit}")


def _of_times(record: AdministrationRecord) -> Iterator[Finding]:
    for name in _TIMES:
        value = getattr(record, name)
        if value is None and name in _OPTIONAL:
            continue
        if not isinstance(value, datetime):
            yield wrong(name, value, "must be a date and time")
        elif value.utcoffset() is None:
            yield wrong(name, value, "has no time zone")
    if (record.residual_mbq is None) != (record.residual_at is None):
        yield Finding("residual", "half", "an activity and its time belong together")


def _of_activities(record: AdministrationRecord) -> Iterator[Finding]:
    """Judge times and activities against each other; every one of them is sound by itself."""
    assayed_at = _host_time(record, record.assayed_at)
    if record.injected_at is not None:
        ten_s = 10 * find_nuclide(record.nuclide).half_life_s
        if abs((record.injected_at - assayed_at).total_seconds()) > ten_s:
            yield wrong("injected_at", record.injected_at, "more than ten half-lives from the assay")
        elif record.injected_at < assayed_at:
            yield doubtful("injected_at", record.injected_at, "before the assay: is that a calibration for later?")
    if record.residual_mbq is not None and record.residual_at is not None:
        yield from _of_residual(record, record.residual_mbq, record.residual_at)


def _of_residual(record: AdministrationRecord, residual_mbq: float, residual_at: datetime) -> Iterator[Finding]:
    measured_at = _host_time(record, residual_at)
    if residual_at < record.assayed_at:
        yield wrong("residual_at", residual_at, "before the assay")
        return
    if record.injected_at is not None and measured_at < record.injected_at:
        yield wrong("residual_at", residual_at, "before the injection: what is left is measured after it")
    left_mbq = _decayed_mbq(record, record.assayed_mbq, record.assayed_at, measured_at)
    if residual_mbq >= left_mbq:
        yield wrong("residual_mbq", residual_mbq, f"not less than the {left_mbq:.3g} MBq that there were by then")


def _of_the_patient(record: AdministrationRecord) -> Iterator[Finding]:
    if record.weight_kg is not None and record.bed_limit_kg is not None and record.weight_kg > record.bed_limit_kg:
        yield wrong("weight_kg", record.weight_kg, f"above the {record.bed_limit_kg:g} kg that the bed carries")
    if record.pregnancy in ("possible", "pregnant", "unknown"):
        yield doubtful("pregnancy", record.pregnancy, "to be cleared with the physician before the injection")
    if record.breast_feeding in ("yes", "unknown"):
        yield doubtful("breast_feeding", record.breast_feeding, "to be cleared with the physician before the injection")
    if record.extravasation:
        yield doubtful("extravasation", value=True, reason="the net activity overstates what went into circulation")
    if record.injected_at is not None and record.residual_mbq is None:
        yield doubtful("residual_mbq", "absent", "until it is measured the net activity is not known")


def _time(key: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise RefusedError(f"administration record: {key} = {value[:40]!r}: no date and time") from None
