"""What is wrong with an administration record, and what a person should look at before it is used."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from daq.errors import ScandaqError
from daq.model.activity import slip, unusual
from daq.model.finding import Finding, errors
from daq.model.finding import error as wrong
from daq.model.finding import warning as doubtful
from daq.model.given import MOST_INJECTIONS, Side
from daq.model.nuclide_table import nuclide as find_nuclide
from daq.model.patient import is_opaque_key

if TYPE_CHECKING:
    from daq.model.administration import AdministrationRecord

Route = Literal[
    "intravenous", "oral", "inhalation", "subcutaneous", "intradermal", "intra-arterial", "intrathecal",
    "intracavitary", "intraperitoneal", "intra-articular", "other",
]  # fmt: skip
Pregnancy = Literal["not applicable", "excluded", "possible", "pregnant", "unknown"]
BreastFeeding = Literal["not applicable", "no", "yes", "unknown"]
Arms = Literal["up", "down", "one up", "unknown"]

_MOST_TEXT = 500
_DAY_S = 86_400.0
_MINUTE_S = 60.0
CLOCKS_DIFFER = timedelta(minutes=2)
"""How far the clock of whoever wrote a time may be ahead of this host's."""
_RANGES: dict[str, tuple[float, float, str]] = {
    "assayed_mbq": (0.001, 100_000.0, "MBq"),
    "residual_mbq": (0.0, 100_000.0, "MBq"),
    "calibrator_offset_s": (-_DAY_S, _DAY_S, "s"),
    "weight_kg": (0.2, 650.0, "kg"),
    "height_m": (0.2, 2.8, "m"),
    "glucose_mmol_per_l": (0.5, 60.0, "mmol/l"),
    "uptake_s": (0.0, 14 * _DAY_S, "s"),
    "bed_limit_kg": (1.0, 1000.0, "kg"),
    "voided_ml": (0.0, 3000.0, "ml"),
}
"""What is taken for a slip of the pen outside of it: the largest therapies, the smallest and the heaviest patients."""

TIMES = ("assayed_at", "residual_at", "injected_at")
NEEDED = frozenset({"key", "nuclide", "agent", "lot", "assayed_mbq", "assayed_at", "operator", "route"})
_TEXTS = ("agent", "lot", "operator", "site", "calibrator_id", "preparation")
_CHOICES: dict[str, Any] = {
    "route": Route, "side": Side, "pregnancy": Pregnancy, "breast_feeding": BreastFeeding, "arms": Arms,
}  # fmt: skip
_FLAGS = ("extravasation", "injection_site_view")


def findings(record: AdministrationRecord) -> list[Finding]:
    """Return what is wrong with the record; where nothing is, what is doubtful about it."""
    found = [*_of_texts(record), *_of_choices(record), *_of_numbers(record), *_of_times(record), *_of_parts(record)]
    return found if errors(found) else [*found, *_of_activities(record), *_of_the_patient(record)]


def optional(record: AdministrationRecord) -> set[str]:
    """Return the names of the fields that may be not known."""
    return {field.name for field in fields(record) if field.default is None}


def host_time(record: AdministrationRecord, shown_at: datetime) -> datetime:
    """Return the time of this host when the calibrator showed `shown_at`."""
    return shown_at - timedelta(seconds=record.calibrator_offset_s)


def decayed_mbq(record: AdministrationRecord, activity_mbq: float, shown_at: datetime, when: datetime) -> float:
    """Return what an activity that was measured when the calibrator showed `shown_at` is at `when`."""
    after_s = (when - host_time(record, shown_at)).total_seconds()
    return activity_mbq * find_nuclide(record.nuclide).activity_factor(after_s)


def of_the_future(values: Mapping[str, Any], now: datetime) -> Iterator[Finding]:
    """Yield what fields of a record date later than `now`, the time of this host, which has a zone.

    Clocks may differ by two minutes. An intervention may be planned. A value that is no time is for others to refuse.
    """
    for name, told, ahead in _moments(values):
        if told - now > CLOCKS_DIFFER + ahead:
            limit = f"the {CLOCKS_DIFFER.total_seconds() / _MINUTE_S:g} min that clocks may differ"
            offset = f" and the {ahead.total_seconds():g} s that the calibrator's is ahead" if ahead else ""
            reason = f"later than now, {now.isoformat(timespec='seconds')}, by more than {limit}{offset}"
            yield Finding(name, told.isoformat(), reason)


def _moments(values: Mapping[str, Any]) -> Iterator[tuple[str, datetime, timedelta]]:
    """Yield what was measured or given: its name, its time, and how far the clock of that is ahead of this host's."""
    offset_s = values.get("calibrator_offset_s", 0.0)
    known = not isinstance(offset_s, bool) and isinstance(offset_s, int | float) and abs(offset_s) <= _DAY_S
    ahead = timedelta(seconds=offset_s) if known else timedelta()
    found = [(name, values.get(name), timedelta() if name == "injected_at" else ahead) for name in TIMES]
    parts = values.get("injections", ())
    found += [(f"injections[{number}].at", part.at, timedelta()) for number, part in enumerate(parts)]
    for name, told, of_its_clock in found:
        if isinstance(told, datetime) and told.utcoffset() is not None:
            yield name, told, of_its_clock


def _of_texts(record: AdministrationRecord) -> Iterator[Finding]:
    if not is_opaque_key(record.key) or not record.key.startswith("a-"):
        yield Finding("key", "not shown", "must be a- and 26 random letters or digits")
    for name in _TEXTS:
        text = getattr(record, name)
        if not isinstance(text, str):
            yield wrong(name, text, "must be a text")
        elif len(text) > _MOST_TEXT:
            yield wrong(name, text, f"{len(text)} characters, at most {_MOST_TEXT}")
        elif name in NEEDED and not text.strip():
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
        if value is None and name in optional(record):
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            yield wrong(name, value, f"must be a number of {unit}")
        elif not low <= value <= high:
            yield wrong(name, value, f"must lie between {low:g} and {high:g} {unit}")


def _of_times(record: AdministrationRecord) -> Iterator[Finding]:
    for name in TIMES:
        value = getattr(record, name)
        if value is None and name in optional(record):
            continue
        if not isinstance(value, datetime):
            yield wrong(name, value, "must be a date and time")
        elif value.utcoffset() is None:
            yield wrong(name, value, "has no time zone")
    if (record.residual_mbq is None) != (record.residual_at is None):
        yield Finding("residual", "half", "an activity and its time belong together")


def _of_parts(record: AdministrationRecord) -> Iterator[Finding]:
    for name in ("injections", "interventions"):
        parts = getattr(record, name)
        if len(parts) > MOST_INJECTIONS:
            yield wrong(name, len(parts), f"at most {MOST_INJECTIONS}")
        for number, part in enumerate(parts[:MOST_INJECTIONS]):
            yield from part.findings(f"{name}[{number}]")
    typed = record.assayed_mbq
    if not isinstance(typed, bool) and isinstance(typed, int | float):
        why = slip(record.nuclide, typed)
        if why is not None:
            yield wrong("assayed_mbq", typed, why)


def _of_activities(record: AdministrationRecord) -> Iterator[Finding]:
    """Judge times and activities against each other; every one of them is sound by itself."""
    why = unusual(record.agent, record.assayed_mbq)
    if why is not None:
        yield doubtful("assayed_mbq", record.assayed_mbq, why)
    assayed_at = host_time(record, record.assayed_at)
    if record.injected_at is not None:
        ten_s = 10 * find_nuclide(record.nuclide).half_life_s
        if abs((record.injected_at - assayed_at).total_seconds()) > ten_s:
            yield wrong("injected_at", record.injected_at, "more than ten half-lives from the assay")
        elif record.injected_at < assayed_at:
            yield doubtful("injected_at", record.injected_at, "before the assay: is that a calibration for later?")
    if record.residual_mbq is not None and record.residual_at is not None:
        yield from _of_residual(record, record.residual_mbq, record.residual_at)


def _of_residual(record: AdministrationRecord, residual_mbq: float, residual_at: datetime) -> Iterator[Finding]:
    measured_at = host_time(record, residual_at)
    if residual_at < record.assayed_at:
        yield wrong("residual_at", residual_at, "before the assay")
        return
    if record.injected_at is not None and measured_at < record.injected_at:
        yield wrong("residual_at", residual_at, "before the injection: what is left is measured after it")
    left_mbq = decayed_mbq(record, record.assayed_mbq, record.assayed_at, measured_at)
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
