"""A sealed source as the register has it: what it is, what its certificate says, where it lies, its leak tests."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat

from daq.errors import ScandaqError
from daq.model.activity import activity_mbq
from daq.model.cleantext import clean_text
from daq.model.layout import Strict
from daq.model.nuclide_table import nuclide

Form = Literal["sheet", "point", "line", "rod", "cylinder", "capsule", "phantom", "vial", "marker", "other"]
"""The forms that protocols ask for, and others."""
_MOST_TEXT = 500


def _clean(text: str) -> str:
    if clean_text(text, _MOST_TEXT) != text:
        raise ValueError(f"must be one line of at most {_MOST_TEXT} printable characters, without spaces at its ends")
    return text


def _known(name: str) -> str:
    try:
        return nuclide(name).name
    except ScandaqError as why:
        raise ValueError(str(why)) from None


def _activity(text: str) -> str:
    try:
        value = activity_mbq(text)
    except ScandaqError as why:
        raise ValueError(str(why)) from None
    if value <= 0.0:
        raise ValueError("must be above zero")
    return text


def _moment(text: str) -> str:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("it has no time zone; UTC ends in Z")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _day(text: str) -> str:
    return date.fromisoformat(text).isoformat()


Line = Annotated[str, Field(min_length=1), AfterValidator(_clean)]
Serial = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9./_ -]{0,62}$")]
NuclideName = Annotated[str, AfterValidator(_known)]
Activity = Annotated[str, Field(max_length=40), AfterValidator(_activity)]
Moment = Annotated[str, Field(max_length=40), AfterValidator(_moment)]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day)]


class SourceEntry(Strict):
    """One source of the register: the newest of what was entered under its serial."""

    serial: Serial
    nuclide: NuclideName
    form: Form
    activity: Activity
    """By its certificate, with its unit: `"370 MBq"`."""
    reference: Moment
    """When it has that activity, ISO 8601 with its zone."""
    uncertainty_percent: Annotated[float, Field(gt=0.0, le=100.0)] | None = None
    """Of the activity, by its certificate, with the coverage factor that stands there."""
    certificate: Line
    place: Line
    """Where it lies when nobody uses it."""
    leak_tested: Day | None = None
    leak_test_next: Day | None = None
    """The last day on which it may be used without another leak test; how often is a rule of the country."""
    disposed: Day | None = None
    disposed_to: Line | None = None
    co56_percent: NonNegativeFloat | None = None
    co58_percent: NonNegativeFloat | None = None
    """Of the activity of Co-57 at the reference time, by the certificate: both send photons far above its own."""
    note: Line | None = None

    @property
    def activity_mbq(self) -> float:
        """Return the activity at the reference time."""
        return activity_mbq(self.activity)

    @property
    def reference_at(self) -> datetime:
        """Return the reference time, in UTC."""
        return datetime.fromisoformat(self.reference).astimezone(UTC)
