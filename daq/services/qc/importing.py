"""Past results that others measured, taken into the books; what is there already is counted, never entered twice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, FiniteFloat, ValidationError

from daq.errors import MissingError, RefusedError, ScandaqError, UsageError
from daq.model.layout import Strict
from daq.model.qc.documents import Document, QcResult, new_identity
from daq.model.qc.figures import Figure, Level
from daq.model.qc.known import ANALYSES
from daq.model.qc.limits import QcTest
from daq.model.qc.verbs import QcImport
from daq.model.station import Actor, utc_now
from daq.model.tables import close_names
from daq.services.qc.abilities import Books
from daq.services.qc.handlers import Handlers
from daq.services.qc.register import past_time
from daq.services.qc.signing import Where

IMPORTED = "imported"
"""Key of `entries` that says so; the analysis of such a result has version 0: who made it is not known."""
_MOST_SAID = 100
_SUBJECT = re.compile(r"(?![=+\-@])[^\x00-\x1f\x7f]*")
"""What a program for tables takes for a formula is no subject: exports are opened with such."""


class PastFigure(Strict):
    """A figure of a past result."""

    name: str
    unit: str
    subjects: Annotated[list[Annotated[str, Field(max_length=200)]], Field(min_length=1, max_length=100_000)]
    values: list[FiniteFloat | None]


class PastResult(Strict):
    """A past result: numbers and a time, and no words in which a patient could be."""

    test: str
    at: str
    figures: Annotated[list[PastFigure], Field(min_length=1, max_length=200)]


class Importing:
    """Carries out `qc-import`. `tests`: those of the scanner profile."""

    def __init__(self, books: Books, where: Where, tests: Mapping[str, QcTest]) -> None:
        self._books, self._where, self._tests = books, where, tests

    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {"qc-import": self._import}

    async def _import(self, request: QcImport, actor: Actor) -> dict[str, Any]:
        """Enter all that is right; `refused` has the number of each that is not, from 0, and why."""
        made = [self._document(number, told, actor) for number, told in enumerate(request.documents)]
        entered, there, refused = 0, 0, []
        for number, document in enumerate(made):
            try:
                if await self._is_there(document):
                    there += 1
                else:
                    await self._books.put(document)
                    entered += 1
            except RefusedError as why:
                refused.append([number, str(why)])
        return {"entered": entered, "there": there, "refused": refused[:_MOST_SAID], "refusals": len(refused)}

    async def _is_there(self, document: Document) -> bool:
        try:
            kept = await self._books.result(document.id)
        except MissingError:
            return False
        if kept.result.figures != QcResult.from_body(document.body).figures:
            raise RefusedError(f"{document.id}: another result of this name is there")
        return True

    def _document(self, number: int, told: Mapping[str, Any], actor: Actor) -> Document:
        try:
            past = PastResult.model_validate(told)
            return past_document(past, self._tests, self._where, actor)
        except ValidationError as why:
            first = why.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise UsageError(f"qc-import: result {number}: {place}: {first['msg']}") from None
        except ScandaqError as why:
            raise UsageError(f"qc-import: result {number}: {why}") from None


def past_document(past: PastResult, tests: Mapping[str, QcTest], where: Where, actor: Actor) -> Document:
    """Return the document of a past result. Raise `UsageError`, `MissingError` for a test that there is not."""
    if past.test not in tests:
        raise MissingError(f"this scanner has no test {past.test!r}; {close_names(past.test, tests)}")
    test, at_utc = tests[past.test], past_time(past.at, "at")
    for figure in past.figures:
        _require_known(test.analysis, figure)
    figures = tuple(Figure(one.name, one.unit, tuple(one.subjects), tuple(one.values)) for one in past.figures)
    body = QcResult(
        past.test, test.title, test.analysis, 0, Level.NOT_JUDGED, figures, (), {},
        remarks=("taken in from a table of past results",), entries={IMPORTED: True},
    ).to_body()  # fmt: skip
    identity = new_identity(past.test, at_utc, {"figures": [figure.to_json() for figure in figures]})
    return Document(
        identity, "result", at_utc, utc_now(), actor.user, body, "", where.station, where.scanner, where.simulated
    )


def _require_known(analysis: str, figure: PastFigure) -> None:
    kind = ANALYSES[analysis]
    known = kind.figure(figure.name)
    if known is None:
        names = tuple(one.name for one in kind.figures)
        raise UsageError(f"{analysis} has no figure {figure.name!r}; {close_names(figure.name, names)}")
    if figure.unit != known.unit:
        raise UsageError(f"figure {figure.name}: its unit is {known.unit}, not {figure.unit}")
    if wrong := [subject for subject in figure.subjects if not _SUBJECT.fullmatch(subject)]:
        raise UsageError(f"figure {figure.name}: {wrong[0][:40]!r} is no subject, such as 'head 0'")
    if len(set(figure.subjects)) != len(figure.subjects):
        raise UsageError(f"figure {figure.name}: one of its subjects is named twice")
    if len(figure.subjects) != len(figure.values):
        raise UsageError(f"figure {figure.name}: {len(figure.values)} values of {len(figure.subjects)} subjects")
