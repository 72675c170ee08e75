"""What documents are found by, and how results, signatures and strikes belong together. No disk, no database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from daq.errors import FormatError
from daq.model.qc.documents import Document, DocumentKind, QcResult, canonical
from daq.services.catalogue.entry import moment_ms
from daq.services.qc.abilities import Kept

FEW = 16
"""So many documents are read through in the loop; more in a thread."""
AHEAD_MS = 5 * 60_000
"""A document may be dated so far after it was entered: clocks of a station and of what it is told differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for: all that is given must hold. `since_ms` is included, `until_ms` is not.

    `real`: what is simulated is left aside.
    """

    kinds: tuple[DocumentKind, ...] = ()
    ids: tuple[str, ...] | None = None
    abouts: tuple[str, ...] | None = None
    test: str | None = None
    level: str | None = None
    work: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    real: bool = False
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Head:
    """What a document is found by. `work`: what makes two results the same one; empty of others."""

    id: str
    kind: str
    about: str
    test: str
    at_ms: int
    entered_ms: int
    level: str
    work: str
    simulated: bool = False

    @property
    def age(self) -> tuple[int, int, str]:
        """Return what documents are put in order by."""
        return self.at_ms, self.entered_ms, self.id

    def fits(self, wanted: Wanted) -> bool:
        """Return True where it is what is looked for."""
        among = ((wanted.kinds or None, self.kind), (wanted.ids, self.id), (wanted.abouts, self.about))
        exact = ((wanted.test, self.test), (wanted.level, self.level), (wanted.work, self.work))
        return (
            all(several is None or one in several for several, one in among)
            and all(asked is None or asked == own for asked, own in exact)
            and (wanted.since_ms is None or self.at_ms >= wanted.since_ms)
            and (wanted.until_ms is None or self.at_ms < wanted.until_ms)
            and not (wanted.real and self.simulated)
        )


def head_of(document: Document) -> Head:
    """Return what a document is found by. Raise `FormatError` for one whose times are none, or that is not whole."""
    at_ms, entered_ms = moment_ms(document.at_utc), moment_ms(document.entered_utc)
    if at_ms is None or entered_ms is None:
        raise FormatError(f"document {document.id}: {document.at_utc!r} or {document.entered_utc!r} is no time")
    test, level, work = str(document.body.get("test", "")), "", ""
    if document.kind == "result":
        result = QcResult.from_body(document.body)
        test, level, work = result.test, str(result.level), work_of(document, result)
    return Head(
        document.id, document.kind, document.about, test, at_ms, entered_ms, level, work, document.simulated
    )  # fmt: skip


def work_of(document: Document, result: QcResult) -> str:
    """Return what makes two results the same one: test, analysis with its version, and what they were made of."""
    made_of: dict[str, Any] = {"acquisitions": sorted(str(one.get("id")) for one in result.acquisitions)}
    if not result.acquisitions:
        figures = [figure.to_json() for figure in result.figures]
        made_of = {"at": document.at_utc, "entries": dict(result.entries), "figures": figures}
    told = {"test": result.test, "analysis": result.analysis, "version": result.analysis_version, **made_of}
    return hashlib.sha256(canonical(told)).hexdigest()


def chosen(documents: Iterable[Document], wanted: Wanted) -> list[Document]:
    """Return those that are looked for, each once, newest first, as many as wanted."""
    heads = {document.id: (head_of(document), document) for document in documents}
    fit = [pair for pair in heads.values() if pair[0].fits(wanted)]
    fit.sort(key=lambda pair: pair[0].age, reverse=True)
    return [document for _, document in fit[: wanted.limit]]


def assembled(results: Sequence[Document], others: Iterable[Document], *, now_ms: int) -> list[Kept]:
    """Return results with their signatures, in the order in which they were entered, and strikes."""
    signatures: dict[str, list[Document]] = {}
    strikes: dict[str, Document] = {}
    for other in sorted(others, key=lambda other: (other.entered_utc, other.id)):
        if other.kind == "signature":
            signatures.setdefault(other.about, []).append(other)
        elif other.kind == "strike":
            strikes.setdefault(other.about, other)
    return [
        Kept(
            each, QcResult.from_body(each.body), tuple(signatures.get(each.id, ())), strikes.get(each.id),
            doubts_of(each, now_ms),
        )
        for each in results
    ]  # fmt: skip


def doubts_of(document: Document, now_ms: int) -> tuple[str, ...]:
    """Return what is doubtful about the times of a document."""
    at_ms, entered_ms = moment_ms(document.at_utc) or 0, moment_ms(document.entered_utc) or 0
    doubts = []
    if at_ms > entered_ms + AHEAD_MS:
        doubts.append(f"dated {document.at_utc}, but entered before that, {document.entered_utc}: a clock was wrong")
    if max(at_ms, entered_ms) > now_ms + AHEAD_MS:
        doubts.append(f"dated {max(document.at_utc, document.entered_utc)}, which is in the future: a clock is wrong")
    return tuple(doubts)
