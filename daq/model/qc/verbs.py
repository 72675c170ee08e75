"""What may be asked of the daemon about quality control; `daq.model.verbs` has the others."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from daq.model.arguments import Arguments, Named, Text
from daq.model.station import Role


class BedEmpty(Arguments):
    """State that nobody is on the bed, and none is near the source."""


class QcRun(Arguments):
    """Prepare the acquisition of a test. It begins with `start`, as every acquisition does."""

    test: Named
    source: Named | None = None
    """Serial of the source that is used, of the source register."""
    bed_empty: bool = False
    """Stated now: nobody is on the bed."""
    overrides: dict[Named, Named] = Field(default_factory=dict)
    draft_reason: Text = ""


class QcLeave(Arguments):
    """State that source and heads were left in place for the automatic test, and nobody is on the bed."""

    test: Named
    source: Named | None = None


class QcEnter(Arguments):
    """Enter what a person measured or looked at; also of a test that was done before, `performed`: when."""

    test: Named
    entries: dict[Named, float | str | bool] = Field(default_factory=dict)
    source: Named | None = None
    """Serial of the source that was used, of the source register."""
    performed: Named | None = None
    comment: Text = ""


class QcAnalyse(Arguments):
    """Have recordings analysed that have no result yet, or several of them together; the result goes into the books."""

    test: Named
    runs: Annotated[list[Named], Field(min_length=1, max_length=100)]
    """Ids of acquisitions of this station, in order."""
    entries: dict[Named, float | str | bool] = Field(default_factory=dict)
    """What the test needs beside them, such as the activity that a phantom was filled with."""
    source: Named | None = None
    """Serial of the source that was used, where the recordings do not say it."""


class QcSign(Arguments):
    """Sign a result as oneself. `sha256`: of what was read, so that nobody signs what he has not seen."""

    result: Named
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    meaning: Annotated[str, Field(pattern=r"^(performed|reviewed|approved)$")]
    comment: Text = ""


class QcStrike(Arguments):
    """Take a result out of lists and trends; it stays where it is, with the reason."""

    result: Named


class QcReference(Arguments):
    """Make a signed result the reference of its test; from then on others are compared with it."""

    result: Named


class QcEvent(Arguments):
    """Note service, recalibration, damage ...: what follows is another normal; tests `after` it become due."""

    what: Annotated[str, Field(pattern=r"^(service|recalibration|damage|collimator-change|software)$")]
    text: Named
    at: Named | None = None
    tests: list[Named] = Field(default_factory=list)
    """Tests that it touches; none said: all."""


class QcSource(Arguments):
    """Enter a sealed source into the register, or what is new of it."""

    serial: Named
    fields: dict[str, Any] = Field(default_factory=dict)
    note: Text = ""


class QcImport(Arguments):
    """Take past results in, documents as `daq qc import` makes them of a CSV file."""

    documents: Annotated[list[dict[str, Any]], Field(max_length=2000)]


class QcAsk(Arguments):
    """Ask what is due, or where a test stands."""

    test: Named | None = None


QC_VERBS: dict[str, tuple[type[Arguments], Role, str]] = {
    "bed-empty": (BedEmpty, Role.TECHNOLOGIST, "state that nobody is on the bed"),
    "qc-due": (QcAsk, Role.VIEWER, "the tests of quality control, and which are due"),
    "qc-run": (QcRun, Role.QC, "prepare the acquisition of a test"),
    "qc-leave": (QcLeave, Role.QC, "state that source and heads were left in place for the automatic test"),
    "qc-enter": (QcEnter, Role.QC, "enter what a person measured or looked at"),
    "qc-analyse": (QcAnalyse, Role.QC, "have recordings analysed that have no result yet, or several together"),
    "qc-sign": (QcSign, Role.QC, "sign a result"),
    "qc-strike": (QcStrike, Role.PHYSICIST, "take a result out of lists and trends, with a reason"),
    "qc-reference": (QcReference, Role.PHYSICIST, "make a signed result the reference of its test"),
    "qc-event": (QcEvent, Role.QC, "note service, recalibration or damage"),
    "qc-source": (QcSource, Role.QC, "enter a source into the register, or a line into its log"),
    "qc-import": (QcImport, Role.PHYSICIST, "take past results in"),
}
"""Verb: its arguments, the least role, what it does."""
QC_ASKING = frozenset({"qc-due"})
QC_IN_TURN = frozenset({"qc-run"})
