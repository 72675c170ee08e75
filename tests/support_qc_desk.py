"""Books of quality control in memory, and what a desk needs, for tests of running tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from daq.errors import MissingError, RefusedError, UnreachableError
from daq.model.qc.documents import Document, QcResult
from daq.model.qc.figures import Curve, Figure, Findings, Level, Picture
from daq.model.qc.limits import QcTest
from daq.model.station import Actor, Role
from daq.services.qc.abilities import FigureSeries, Kept
from daq.services.qc.standing import Standing

NOW = datetime(2025, 3, 5, 9, 0, tzinfo=UTC)
PERSON = Actor("anna", "local", Role.QC)
SHEET: dict[str, Any] = {
    "serial": "S-1", "nuclide": "Co-57", "form": "sheet", "activity": "370 MBq", "reference": "2025-01-01T12:00:00Z",
    "certificate": "C-1", "place": "safe",
}  # fmt: skip


class MemoryBooks:
    """Keeps documents in memory. `gone`: nothing answers any more; `full`: nothing is taken."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.found: dict[str, Findings] = {}
        self.gone = ""
        self.full: Exception | None = None

    async def put(self, document: Document) -> bool:
        if self.full is not None:
            raise self.full
        before = self.documents.get(document.id)
        if before is not None and before.sha256 != document.sha256:
            raise RefusedError(f"document {document.id}: another one")
        self.documents[document.id] = document
        return before is None

    def _kind(self, kind: str) -> list[Document]:
        if self.gone:
            raise UnreachableError(self.gone)
        found = [each for each in self.documents.values() if each.kind == kind]
        return sorted(found, key=lambda each: each.at_utc, reverse=True)

    async def results(self, test: str | None = None, *, limit: int = 1000, **_: Any) -> list[Kept]:
        strikes = {each.about: each for each in self._kind("strike")}
        kept = [Kept(each, QcResult.from_body(each.body), (), strikes.get(each.id)) for each in self._kind("result")]
        return [each for each in kept if test in (None, each.result.test)][:limit]

    async def newest(self, test: str) -> Kept | None:
        return next((each for each in await self.results(test) if each.struck is None), None)

    async def result(self, identity: str) -> Kept:
        found = [each for each in await self.results() if each.document.id == identity]
        if not found:
            raise MissingError(identity)
        return found[0]

    async def reference(self, test: str) -> Kept | None:
        del test
        return None

    async def reference_entry(self, test: str) -> Document | None:
        del test
        return None

    async def events(self, test: str | None = None, *, since_utc: str | None = None) -> list[Document]:
        del test, since_utc
        return self._kind("event")

    async def source(self, serial: str) -> Document | None:
        return next((each for each in await self.sources() if each.about == serial), None)

    async def sources(self) -> list[Document]:
        return self._kind("source")

    async def series(self, test: str, figure: str, **_: Any) -> FigureSeries:
        raise NotImplementedError(f"{test} {figure}: nobody asks for it here")

    async def put_evidence(self, identity: str, at_utc: str, findings: Findings) -> str:
        del at_utc
        self.found[identity] = findings
        return "0" * 64

    async def evidence(self, kept: Kept) -> tuple[tuple[Picture, ...], tuple[Curve, ...]]:
        return self.found[kept.document.id].pictures, self.found[kept.document.id].curves

    # What a test puts there

    def enter(self, test: str, level: Level, *, ago_h: float, runs: tuple[str, ...] = ("r",)) -> Document:
        """Enter a result that is so old."""
        at = (NOW - timedelta(hours=ago_h)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        body = QcResult(
            test=test, title=test, analysis="background", analysis_version=1, level=level,
            figures=(Figure.of("background_cps", 1.0, "1/s"),), judged=(), limits={},
            acquisitions=tuple({"id": run} for run in runs),
        ).to_body()  # fmt: skip
        identity = f"{test}-{len(self.documents)}"
        self.documents[identity] = Document(identity, "result", at, at, "anna", body, about=test)
        return self.documents[identity]

    def register(self, **changes: Any) -> None:
        """Enter a source."""
        body = {name: value for name, value in {**SHEET, **changes}.items() if value is not None}
        at = body["reference"]
        identity = f"source-{len(self.documents)}"
        self.documents[identity] = Document(identity, "source", at, at, "anna", body, about=str(body["serial"]))

    def note(self, kind: str, about: str, *, ago_h: float, **body: Any) -> None:
        """Enter a strike or an event."""
        at = (NOW - timedelta(hours=ago_h)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        identity = f"{kind}-{len(self.documents)}"
        self.documents[identity] = Document(identity, cast("Any", kind), at, at, "anna", body, about=about)


def qc_test(**told: Any) -> QcTest:
    return QcTest.model_validate({"title": "A test", "analysis": "background", **told})


TESTS: dict[str, QcTest] = {
    "camera-background": qc_test(protocol="camera-background", every="day"),
    "daily-flood": qc_test(protocol="daily-flood", every="day", blocking=True),
    "e-stop": qc_test(analysis="checklist", every="month", items=("emergency stop", "pads"), blocking=True),
    "on-demand": qc_test(protocol="slit-mask-flood"),
    "by-hand": qc_test(analysis="background"),
}  # fmt: skip


def standing(books: MemoryBooks, tests: Mapping[str, QcTest] | None = None) -> Standing:
    return Standing(TESTS if tests is None else tests, books, UTC, clock=lambda: NOW)


def protocol(*, patient: bool = True, **needs: float | None) -> Any:
    """Return what is looked at of a protocol: `name=hours` are the tests that it requires."""
    from daq.model.protocol_terms import Need, Requirements

    wanted = tuple(Need(name.replace("_", "-"), None if h is None else h * 3600) for name, h in needs.items())
    return SimpleNamespace(id="mine", of_patient=patient, requirements=Requirements(qc=wanted))
