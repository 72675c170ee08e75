"""Sources of the register: what is entered is made sure of; their activity at a time; what stands against their use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from pydantic import ValidationError

from daq.errors import RefusedError, UsageError
from daq.model.nuclide_table import nuclide
from daq.model.qc.sources import SourceEntry
from daq.model.tables import from_pydantic, known_keys, refusal

_DAY_S = 86400.0
CO56_HALF_LIFE_S, CO58_HALF_LIFE_S = 77.236 * _DAY_S, 70.86 * _DAY_S
"""NUBASE2020 (Kondev et al., Chin. Phys. C 45 (2021) 030001): unverified, not read in the paper itself."""
NEW_SHEET_S = 180.0 * _DAY_S
"""So long a Co-57 source whose certificate does not state Co-56 and Co-58 may still carry enough of them to be named:
two and a half half-lives of Co-58. Judgement, not a published figure."""
OLD_HALF_LIVES = 5.0
"""A source older than that has 3 % of its activity left; a judgement of scandaq."""


@dataclass(frozen=True, slots=True)
class SourceInUse:
    """A source at the time it is used. `remarks`: sentences for who reads the result."""

    entry: SourceEntry
    activity_mbq: float
    at: datetime
    remarks: tuple[str, ...] = ()

    def to_body(self) -> dict[str, Any]:
        """Return what a result says of it: what was entered, and its activity then."""
        return {
            **self.entry.model_dump(mode="json", exclude_none=True),
            "activity_mbq": self.activity_mbq,
            "at_utc": self.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }


def source_entry(serial: str, fields: Mapping[str, Any], earlier: Mapping[str, Any] | None = None) -> SourceEntry:
    """Return what the register says of a source: `fields` over what it said `earlier`; a field of None is taken out.

    Raise `RefusedError` with all that is wrong, or where nuclide, activity and reference time were changed: they are
    the certificate's, and another certificate is another source.
    """
    said = {name: value for name, value in {**(earlier or {}), **fields, "serial": serial}.items() if value is not None}
    try:
        made = SourceEntry.model_validate(said)
    except ValidationError as why:
        raise RefusedError(refusal(f"source {serial}", from_pydantic(why, known_keys(SourceEntry)))) from None
    if wrong := list(_wrong(made)):
        raise RefusedError(f"source {serial}: {'; '.join(wrong)}")
    if earlier:
        _refuse_another(SourceEntry.model_validate(dict(earlier)), made)
    return made


def activity_at(entry: SourceEntry, at: datetime) -> float:
    """Return the activity in MBq at a time, before the reference time too. Raise `UsageError` without a time zone."""
    if at.utcoffset() is None:
        raise UsageError(f"source {entry.serial}: {at.isoformat()} has no time zone: its activity then is not known")
    return entry.activity_mbq * nuclide(entry.nuclide).activity_factor((at - entry.reference_at).total_seconds())


def source_in_use(entry: SourceEntry, *, at: datetime, zone: tzinfo, nuclides: Sequence[str] = ()) -> SourceInUse:
    """Return a source as it is used at a time (aware); `zone`: of the site, whose days those of the register are.

    `nuclides`: those that the test may be done with; empty: any. Raise `RefusedError` for a source that was disposed of
    by then, and for one of another nuclide. An overdue leak test is a remark: whether it forbids the use is the site's.
    """
    today = at.astimezone(zone).date()
    if entry.disposed is not None and today >= date.fromisoformat(entry.disposed):
        to = f" to {entry.disposed_to}" if entry.disposed_to else ""
        raise RefusedError(f"source {entry.serial} was disposed of{to} on {entry.disposed}: it cannot have been used")
    if nuclides and entry.nuclide not in nuclides:
        wanted = " or ".join(nuclides)
        raise RefusedError(f"source {entry.serial} is {entry.nuclide}; this test is done with {wanted}")
    return SourceInUse(entry, activity_at(entry, at), at, tuple(_remarks(entry, at, today)))


def impurity_percent(entry: SourceEntry, at: datetime) -> float | None:
    """Return Co-56 and Co-58 in per cent of the Co-57 that is left; None where the certificate does not say."""
    if entry.co56_percent is None and entry.co58_percent is None:
        return None
    since_s = (at - entry.reference_at).total_seconds()
    left = nuclide("Co-57").activity_factor(since_s)
    parts = ((entry.co56_percent, CO56_HALF_LIFE_S), (entry.co58_percent, CO58_HALF_LIFE_S))
    return sum((percent or 0.0) * math.exp2(-since_s / half_life_s) for percent, half_life_s in parts) / left


def _remarks(entry: SourceEntry, at: datetime, today: date) -> list[str]:
    said = []
    if entry.leak_test_next is not None and today > date.fromisoformat(entry.leak_test_next):
        said.append(f"source {entry.serial}: its leak test was due by {entry.leak_test_next}")
    since_s = (at - entry.reference_at).total_seconds()
    half_lives = since_s / nuclide(entry.nuclide).half_life_s
    if half_lives > OLD_HALF_LIVES:
        left = 100.0 * 2.0**-half_lives
        said.append(f"source {entry.serial}: {half_lives:.1f} half-lives old, {left:.2g} % of its activity is left")
    if entry.nuclide == "Co-57":
        said += _cobalt(entry, at, since_s)
    return said


def _cobalt(entry: SourceEntry, at: datetime, since_s: float) -> list[str]:
    percent = impurity_percent(entry, at)
    if percent is not None:
        return [f"source {entry.serial}: Co-56 and Co-58 are {percent:.2g} % of its Co-57 now"] if percent > 0 else []
    if since_s < NEW_SHEET_S:
        return [
            f"source {entry.serial}: {max(0.0, since_s) / _DAY_S:.0f} days after its reference time; new Co-57 carries "
            "Co-56 and Co-58 of higher energy, and its certificate's share of them is not in the register"
        ]
    return []


def _wrong(entry: SourceEntry) -> list[str]:
    said = []
    if entry.nuclide != "Co-57" and (entry.co56_percent is not None or entry.co58_percent is not None):
        said.append(f"co56_percent and co58_percent are of Co-57 alone, and it is {entry.nuclide}")
    if entry.disposed_to is not None and entry.disposed is None:
        said.append("disposed_to is said, and disposed (the day) is not")
    if entry.leak_tested and entry.leak_test_next and entry.leak_test_next < entry.leak_tested:
        said.append(f"leak_test_next, {entry.leak_test_next}, is before leak_tested, {entry.leak_tested}")
    return said


def _refuse_another(was: SourceEntry, now: SourceEntry) -> None:
    for name in ("nuclide", "activity_mbq", "reference_at"):
        before, after = getattr(was, name), getattr(now, name)
        if before != after:
            raise RefusedError(
                f"source {now.serial}: {name} was {before} and would become {after}; that is another certificate: "
                "enter it as a source of its own"
            )
