"""What the console asks about quality control and has done for it; `daq.model.verbs` has the others."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from daq.model.arguments import Arguments, Named, Reason, Text
from daq.model.station import Role

Moment = Annotated[str, Field(min_length=1, max_length=40)]
Month = Annotated[str, Field(pattern=r"^2[01][0-9]{2}-(0[1-9]|1[0-2])$")]
Day = Annotated[str, Field(pattern=r"^(19[7-9]|2[01][0-9])[0-9]-[0-9]{2}-[0-9]{2}$")]
"""From 1970 to 2199: no arithmetic with days leaves the calendar."""


class QcResults(Arguments):
    """Ask for results, newest first, a page at a time. `since` and `until`: dates or times, UTC."""

    test: Named | None = None
    since: Moment | None = None
    until: Moment | None = None
    level: Literal["in limits", "not judged", "not evaluable", "action", "suspension"] | None = None
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0
    limit: Annotated[int, Field(ge=1, le=100)] = 25


class QcResultAsk(Arguments):
    """Ask for one result whole: its document, limits, signatures, what pictures and curves there are."""

    result: Named


class QcTrend(Arguments):
    """Ask for the control charts of a test. `figure` and `subject`: the points of this chart, else of the first."""

    test: Named
    figure: Named | None = None
    subject: Annotated[str, Field(max_length=200)] | None = None
    method: Literal["ewma", "cusum"] = "ewma"
    days: Annotated[int, Field(ge=7, le=3660)] = 366
    """So long before today points are told; charts take all results."""


class QcSources(Arguments):
    """Ask for the source register with activities of now; of one source, with its log."""

    serial: Named | None = None


class QcCalendar(Arguments):
    """Ask what was done and what is due on which day. `first`: a day of the site; none said: so that today is shown."""

    first: Day | None = None
    days: Annotated[int, Field(ge=7, le=62)] = 28


class QcLimits(Arguments):
    """Ask for the limits in force, each with its source."""

    test: Named | None = None


class QcEvents(Arguments):
    """Ask for service, recalibration, damage ..., newest first."""

    test: Named | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class QcPlan(Arguments):
    """Ask what is to be acquired for a test now, in order: the background before it where that does not hold."""

    test: Named | None = None
    """None said: the most urgent one that is acquired."""
    source: Named | None = None


class QcReport(Arguments):
    """Have a report made of a result, or of a month; the answer names its file."""

    result: Named | None = None
    month: Month | None = None
    kind: Literal["html", "pdf"] = "html"


class QcTable(Arguments):
    """Have the results of a test, or of all, written as CSV, a line for each value; the answer names its file."""

    test: Named | None = None


class QcPicture(Arguments):
    """Have one picture of a result written; the answer names its file."""

    result: Named
    number: Annotated[int, Field(ge=0, le=999)]


class QcBegin(Arguments):
    """Do a test from its preparation to its result, the background before it first where that does not hold.

    `bed_empty`: stated now, nobody is on the bed. `overrides`: requirement to reason, as `qc-run` has them.
    """

    test: Named
    source: Named | None = None
    bed_empty: bool = False
    overrides: dict[Named, Named] = Field(default_factory=dict)


class QcGoOn(Arguments):
    """State that the source is in place, so that the test which waits for it begins; or that it is left at that."""

    source_in_place: bool = True


class QcCall(Arguments):
    """Raise an alarm that asks a physicist to look at a result. It rings nobody up."""

    result: Named
    text: Text = ""


class QcAllow(Arguments):
    """Allow patients in spite of a test that failed or is missing, as it stands now; every file bears the reason."""

    test: Named
    reason: Reason


class QcSignOff(Arguments):
    """Sign off what was used in spite of quality control: somebody has looked at it."""

    ids: Annotated[list[Named], Field(min_length=1, max_length=100)]
    comment: Text = ""


CONSOLE_QC_VERBS: dict[str, tuple[type[Arguments], Role, str]] = {
    "qc-results": (QcResults, Role.VIEWER, "results of quality control, newest first"),
    "qc-result": (QcResultAsk, Role.VIEWER, "one result whole, with signatures and what pictures there are"),
    "qc-trend": (QcTrend, Role.VIEWER, "the control charts of a test, and the points of one of them"),
    "qc-sources": (QcSources, Role.VIEWER, "the source register with activities of now"),
    "qc-calendar": (QcCalendar, Role.VIEWER, "what was done and what is due on which day"),
    "qc-limits": (QcLimits, Role.VIEWER, "the limits in force, each with its source"),
    "qc-events": (QcEvents, Role.VIEWER, "service, recalibration and damage that were noted"),
    "qc-plan": (QcPlan, Role.VIEWER, "what is to be acquired for a test now, and what speaks against it"),
    "qc-round": (Arguments, Role.VIEWER, "how far the test that was begun by `qc-begin` is"),
    "qc-report": (QcReport, Role.VIEWER, "have a report of a result or a month made"),
    "qc-table": (QcTable, Role.VIEWER, "have the results of a test, or of all, written as CSV"),
    "qc-picture": (QcPicture, Role.VIEWER, "have a picture of a result written"),
    "qc-begin": (QcBegin, Role.QC, "do a test: prepare, start, analyse; the background before it where that is due"),
    "qc-go-on": (QcGoOn, Role.QC, "state that the source is in place: the test that waits for it begins"),
    "qc-allow": (QcAllow, Role.QC, "allow patients in spite of a test, with a reason that every file bears"),
    "qc-allowed": (Arguments, Role.VIEWER, "what was used in spite of quality control and nobody has signed off"),
    "qc-sign-off": (QcSignOff, Role.PHYSICIST, "sign off what was used in spite of quality control"),
    "qc-call": (QcCall, Role.QC, "raise an alarm that asks a physicist to look at a result"),
}
"""Verb: its arguments, the least role, what it does."""
CONSOLE_QC_ASKING = frozenset(
    verb for verb in CONSOLE_QC_VERBS if verb not in ("qc-begin", "qc-go-on", "qc-call", "qc-allow", "qc-sign-off")
)  # fmt: skip
