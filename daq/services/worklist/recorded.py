"""The administration record of an entry before there is an acquisition: pieces, put together as they become known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from daq.errors import MissingError, RefusedError
from daq.model.activity import USUAL_MBQ, activity_mbq
from daq.model.administration import AdministrationRecord
from daq.model.console.worklist import ScheduledStep
from daq.model.nuclide_table import nuclide as find_nuclide

_WORDS = {
    "nuclide": "nuclide", "agent": "agent", "lot": "lot", "assayed_mbq": "assayed activity",
    "assayed_at": "time of the assay", "operator": "who gives it", "route": "route",
}  # fmt: skip
_UNITS = {"assayed": "assayed_mbq", "residual": "residual_mbq"}
_STANDS_IN: Mapping[str, Any] = {
    "key": "a-" + "a" * 26, "nuclide": "Tc-99m", "agent": "?", "lot": "?", "operator": "?", "route": "intravenous",
}  # fmt: skip
_MOST_KEYS = 40


def pieces(step: ScheduledStep, noted: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that is known: what the worklist says of patient and tracer, then what was noted here."""
    of_step = {
        "nuclide": step.nuclide, "agent": step.agent, "weight_kg": step.weight_kg, "height_m": step.height_m,
        "pregnancy": None if step.pregnancy == "unknown" else step.pregnancy,
    }  # fmt: skip
    known = {name: value for name, value in of_step.items() if value not in (None, "")}
    given = {_UNITS.get(name, name): _number(name, value) for name, value in step.administration.items()}
    return {name: value for name, value in {**known, **given, **noted}.items() if value is not None}


def noted_with(told: Mapping[str, Any], noted: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is noted after `changes`; a None forgets. `told`: all that was known before.

    Raise `RefusedError` where what is known then cannot be true, however it is completed.
    """
    made = dict(noted)
    for name, value in changes.items():
        made[_UNITS.get(name, name)] = _number(name, value)
    if len(made) > _MOST_KEYS:
        raise RefusedError(f"administration record: {len(made)} fields, at most {_MOST_KEYS}")
    if "residual_mbq" in made and made["residual_mbq"] is not None and made.get("residual_at") is None:
        offset_s = {**told, **made}.get("calibrator_offset_s", 0.0)
        ahead = timedelta(seconds=offset_s) if isinstance(offset_s, int | float) else timedelta()
        made["residual_at"] = (datetime.now(UTC) + ahead).isoformat(timespec="seconds")
    require_possible({name: value for name, value in {**told, **made}.items() if value is not None})
    return made


def missing(known: Mapping[str, Any]) -> list[str]:
    """Return in words what a record still needs."""
    return [word for name, word in _WORDS.items() if known.get(name) in (None, "")]


def require_possible(known: Mapping[str, Any], now: datetime | None = None) -> AdministrationRecord | None:
    """Return the record where it is whole, None where pieces are missing. Raise `RefusedError` for what is wrong."""
    now = now or datetime.now(UTC)
    if not missing(known):
        return _record({"key": _STANDS_IN["key"], **known}, now)
    if "residual_mbq" in known and missing({**_STANDS_IN, **known}):
        raise RefusedError("administration record: residual: the assayed activity and its time are needed before it")
    stands_in = {**_STANDS_IN, "assayed_at": known.get("injected_at") or now.isoformat()}
    nuclide = str(known.get("nuclide", _STANDS_IN["nuclide"]))
    stands_in["assayed_mbq"] = _some_mbq(nuclide)
    _record({**stands_in, **known}, now)
    return None


def _record(known: Mapping[str, Any], now: datetime) -> AdministrationRecord:
    try:
        return AdministrationRecord.from_json(known, now=now)
    except (KeyError, TypeError, ValueError, AttributeError) as why:
        raise RefusedError(f"administration record: a value of the wrong kind ({type(why).__name__})") from None


def _some_mbq(nuclide: str) -> float:
    """Return an activity that nobody finds odd, for a record whose own is not known yet."""
    low, high = USUAL_MBQ.get(nuclide, (1.0, 100.0))
    return math.sqrt(low * high)


def activity_told(known: Mapping[str, Any], step: ScheduledStep) -> dict[str, Any] | None:
    """Return how much there is or will be, for a screen that shows it decaying: MBq at a time of this host.

    `of`: `net` (given less residual), `assayed`, or `planned` at the scheduled start. None where nothing is known.
    """
    record = None
    try:
        record = require_possible(known)
    except RefusedError:
        return None
    nuclide = str(known.get("nuclide", ""))
    if record is not None and record.net_mbq is not None and record.injected_at is not None:
        return _told("net", record.net_mbq, record.injected_at, record.nuclide)
    if record is not None:
        return _told(
            "assayed", record.assayed_mbq, record.assayed_at - timedelta(seconds=record.calibrator_offset_s),
            record.nuclide,
        )  # fmt: skip
    return None if step.dose_mbq is None else _told("planned", step.dose_mbq, step.start, nuclide)


def _told(of: str, mbq: float, at: datetime, nuclide: str) -> dict[str, Any]:
    try:
        half_life_s = find_nuclide(nuclide).half_life_s
    except MissingError:
        half_life_s = None
    return {
        "of": of,
        "mbq": mbq,
        "at_utc": at.astimezone(UTC).isoformat(timespec="seconds"),
        "half_life_s": half_life_s,
    }


def _number(name: str, value: Any) -> Any:
    """Return MBq of a text with a unit; anything else as it is."""
    if name not in _UNITS or value is None:
        return value
    if not isinstance(value, str):
        raise RefusedError(f"administration record: {name}: a text with its unit, such as 600 MBq")
    try:
        return activity_mbq(value)
    except RefusedError as why:
        raise RefusedError(f"administration record: {name}: {why}") from None
