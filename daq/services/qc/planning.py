"""What is to be acquired for a test now, in order, with which source; and what is known to speak against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daq.errors import MissingError, ScandaqError
from daq.model.qc.sources import SourceEntry
from daq.qc.sources import activity_at
from daq.services.qc.asking import FORMS, Asking
from daq.services.qc.bed import Bed
from daq.services.qc.books import QcBooks
from daq.services.qc.standing import Standing

if TYPE_CHECKING:
    from daq.model.protocol import AcquisitionProtocol
    from daq.model.protocol_terms import QcTerms

_PS_PER_S = 1e12
_FEW = 20


@dataclass(frozen=True, slots=True)
class Part:
    """One test of a plan. `why`: why it is done first, empty of the one that was asked for."""

    test: str
    title: str
    source: str
    """Form of the source that it needs; `none` without one."""
    told: dict[str, Any]
    why: str = ""


class Planning:
    """Plans tests. `busy` says in words why the station is not free; empty where it is."""

    def __init__(
        self, asking: Asking, standing: Standing, books: QcBooks, bed: Bed, busy: Callable[[], str]
    ) -> None:  # fmt: skip
        self._asking, self._standing, self._books, self._bed, self._busy = asking, standing, books, bed, busy

    async def most_urgent(self) -> str:
        """Return the most urgent test that is acquired. Raise `MissingError` where the scanner has none."""
        for due in await self._standing.due():
            test = self._standing.tests[due.test]
            if test.protocol is not None and (due.asked or due.blocking):
                protocol, terms = await self._of(due.test)
                if protocol is not None and terms is not None and terms.background is not None:
                    return due.test
        found = [due.test for due in await self._standing.due() if self._standing.tests[due.test].protocol is not None]
        if not found:
            raise MissingError("this scanner has no test that is acquired")
        return found[0]

    async def _of(self, name: str) -> tuple[AcquisitionProtocol | None, QcTerms | None]:
        try:
            _, protocol, terms = await self._asking.terms_of(name)
        except ScandaqError:
            return None, None
        return protocol, terms

    async def parts(self, name: str) -> tuple[Part, ...]:
        """Return the tests to do, the background first where it does not hold. Raise what `Asking` raises."""
        test, protocol, terms = await self._asking.terms_of(name)
        parts = [Part(name, test.title, terms.source, _told(protocol, terms))]
        need = terms.background
        if need is not None and need.name in self._standing.tests:
            _, why = await self._standing.of_need(need)
            if why is not None and self._standing.tests[need.name].protocol is not None:
                first, own, its = await self._asking.terms_of(need.name)
                said = why.removeprefix(f"{need.name} is needed: ").removeprefix(f"{need.name} blocks: ")
                parts.insert(0, Part(need.name, first.title, its.source, _told(own, its), said))
        return tuple(parts)

    async def plan(self, name: str | None, serial: str | None) -> dict[str, Any]:
        """Return the plan as plain data: parts, sources that fit with the one that is proposed, what is against it."""
        test = name or await self.most_urgent()
        parts = await self.parts(test)
        _, protocol, terms = await self._asking.terms_of(test)
        sources = [] if terms.source == "none" else await self._fitting(protocol, terms)
        proposed = serial or await self._proposed(test, [each["serial"] for each in sources])
        against = [self._busy()]
        if self._bed.patient:
            against.append(f"a patient is on the bed ({self._bed.statement}): say first that the patient is off it")
        if terms.source != "none" and not sources:
            what = f"a {terms.source} of {protocol.radionuclide}"
            against.append(f"{what} is needed, and the register has none that fits")
        return {
            "test": test, "title": parts[-1].title, "source": proposed, "sources": sources,
            "parts": [
                {"test": part.test, "title": part.title, "source": part.source, "why": part.why, **part.told}
                for part in parts
            ],
            "against": [why for why in against if why], "bed": self._bed.figures(),
        }  # fmt: skip

    async def _fitting(self, protocol: AcquisitionProtocol, terms: QcTerms) -> list[dict[str, Any]]:
        """Return the sources of the register that a protocol can be done with, the strongest first."""
        now = self._standing.clock()
        found: list[dict[str, Any]] = []
        for each in await self._books.sources():
            entry = SourceEntry.model_validate(dict(each.body))
            if entry.nuclide == protocol.radionuclide and entry.form in FORMS[terms.source] and not entry.disposed:
                found.append({
                    "serial": entry.serial, "nuclide": entry.nuclide, "form": entry.form, "place": entry.place,
                    "now_mbq": activity_at(entry, now),
                })  # fmt: skip
        return sorted(found, key=lambda told: -told["now_mbq"])[:_FEW]

    async def _proposed(self, test: str, serials: list[str]) -> str | None:
        """Return the source that was used last, where it still fits; else the strongest."""
        newest = await self._books.newest(test)
        last = None if newest is None else newest.result.source.get("serial")
        return str(last) if last in serials else next(iter(serials), None)


def _told(protocol: AcquisitionProtocol, terms: QcTerms) -> dict[str, Any]:
    step = protocol.steps[0]
    counts, time_ps = step.stop.counts, step.stop.duration_ps
    return {
        "protocol": protocol.id, "nuclide": protocol.radionuclide,
        "collimators": list(protocol.requirements.collimators),
        "instruction": step.instruction, "steps": len(protocol.steps), "rate_cps": terms.rate_cps,
        "counts": None if counts is None else counts.limit, "each_head": counts is not None and counts.head == "both",
        "seconds": None if time_ps is None else time_ps / _PS_PER_S,
    }  # fmt: skip
