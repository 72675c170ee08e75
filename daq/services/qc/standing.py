"""Where tests of quality control stand: what is due, and what speaks against acquiring with a protocol now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, cast

from daq.errors import DeadlineError, MissingError, ScandaqError
from daq.model.protocol_terms import Need
from daq.model.qc.figures import Level
from daq.model.qc.limits import After, QcTest
from daq.qc import units
from daq.qc.schedule import Done, Due, Event, due_list
from daq.services.qc.abilities import Books, Kept

if TYPE_CHECKING:
    from daq.model.protocol import AcquisitionProtocol
    from daq.model.qc.documents import Document

_LATEST = 20
"""Results of a test that are looked at: one that says nothing must not hide one that does."""
_READ_S = 15.0
_S_PER_H = 3600.0


@dataclass(frozen=True, slots=True)
class Stands:
    """Where a protocol stands. `missing`: why it may not be used, by test; `valid`: the results that it rests on.

    `remarks`: tests whose result is beyond its action level; it may be used, and somebody investigates. `in_spite`: by
    test, why and by whom it was allowed in spite of what stands against it.
    """

    missing: Mapping[str, str] = field(default_factory=dict)
    valid: tuple[Mapping[str, Any], ...] = ()
    remarks: tuple[str, ...] = ()
    in_spite: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what a manifest says of it."""
        told = {"valid": [dict(each) for each in self.valid], "missing": dict(self.missing)}
        spite = {"in_spite": dict(self.in_spite)} if self.in_spite else {}
        return {**told, "remarks": list(self.remarks), **spite}


class Standing:
    """Asks the books. `tests`: of the scanner profile; `zone`: of the site, whose days and weeks count.

    `heads`: the units of the scanner's heads (`daq.qc.units.heads_of`): each of them is to be tested.
    """

    def __init__(
        self, tests: Mapping[str, QcTest], books: Books, zone: tzinfo,
        *, heads: frozenset[str] = frozenset(), clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self.tests, self.books, self.zone, self.heads, self.clock = tests, books, zone, heads, clock
        self.allows: Callable[[Due], str | None] = lambda _: None
        """Says of a test as it stands why and by whom it was allowed in spite of it."""

    async def due(self, only: str | None = None) -> tuple[Due, ...]:
        """Return where tests stand, the most urgent first. Raise `MissingError`, `DeadlineError`, what books raise."""
        return (await self._read(self._wanted(only)))[0]

    async def of_protocol(self, protocol: AcquisitionProtocol) -> Stands:
        """Return where a protocol stands: what it requires and, of a patient's, what blocks every patient."""
        needs = {need.name: need for need in protocol.requirements.qc}
        blocking = {name for name, test in self.tests.items() if test.blocking} if protocol.of_patient else set()
        names = [name for name in self.tests if name in needs or name in blocking]
        missing = {
            name: f"{name} is needed, and this scanner has no such test" for name in needs if name not in self.tests
        }
        try:
            due, kept = await self._read(names)
        except ScandaqError as why:
            return Stands(missing | dict.fromkeys(names, f"the books of quality control cannot be read: {why}"))
        in_spite: dict[str, str] = {}
        for one in due:
            why_not = self.against(one, needs.get(one.test))
            if why_not is None:
                continue
            allowed = self.allows(one)
            if allowed is None:
                missing[one.test] = why_not
            else:
                in_spite[one.test] = f"{allowed}; {why_not}"
        standing = [kept[one.newest.id] for one in due if one.newest is not None and one.test not in missing | in_spite]
        noticed = [f"{each.result.test}: {each.result.level} level" for each in standing if _noticed(each)]
        return Stands(missing, tuple(map(_about, standing)), tuple(noticed), in_spite)

    def against(self, due: Due, need: Need | None) -> str | None:
        """Return why a test does not allow what needs it; None where it does. `need` None: it only blocks."""
        if need is None:
            return f"{due.test} blocks: {due.words}" if due.blocks else None
        if due.newest is None or due.state in ("failed", "after-service"):
            return f"{due.test} is needed: {due.words}"
        age_s = (self.clock() - due.newest.performed).total_seconds()
        if need.maximum_age_s is not None and age_s > need.maximum_age_s:
            most = need.maximum_age_s / _S_PER_H
            return f"{due.test} is needed: its last result is {age_s / _S_PER_H:.1f} h old, at most {most:g} h"
        return f"{due.test} blocks: {due.words}" if due.blocks else None

    async def of_need(self, need: Need) -> tuple[Kept | None, str | None]:
        """Return the result that fulfils a need, or why none does. Raise what the books raise."""
        if need.name not in self.tests:
            return None, f"{need.name} is needed, and this scanner has no such test"
        (due,), kept = await self._read([need.name])
        why = self.against(due, need)
        return (None, why) if why is not None or due.newest is None else (kept[due.newest.id], None)

    def _wanted(self, only: str | None) -> list[str]:
        if only is not None and only not in self.tests:
            raise MissingError(f"this scanner has no test {only!r}; there are {', '.join(self.tests) or 'none'}")
        return list(self.tests) if only is None else [only]

    async def _read(self, names: list[str]) -> tuple[tuple[Due, ...], dict[str, Kept]]:
        try:
            async with asyncio.timeout(_READ_S):
                results = {name: await self.books.results(name, limit=_LATEST) for name in names}
                events = [_event(each) for each in await self.books.events()] if names else []
                gone = await self._disposed(each for found in results.values() for each in found)
        except TimeoutError:
            raise DeadlineError(f"the books of quality control have not answered for {_READ_S:g} s") from None
        done = {name: [_done(each) for each in found if not _of_gone(each, gone)] for name, found in results.items()}
        tests = {name: self.tests[name] for name in names}
        due = due_list(tests, done, events, now=self.clock(), zone=self.zone, heads=self.heads)
        return due, {each.document.id: each for found in results.values() for each in found}

    async def _disposed(self, results: Iterable[Kept]) -> frozenset[str]:
        """Return the sources that were suspended and are not here any more: nobody is asked to test them again."""
        if not any(units.is_source(unit) for each in results for unit in units.suspended(each.result)):
            return frozenset()
        return frozenset(units.source(each.about) for each in await self.books.sources() if each.body.get("disposed"))


def _of_gone(kept: Kept, gone: frozenset[str]) -> bool:
    return bool(gone) and units.units_of(kept.result) <= gone


def _done(kept: Kept) -> Done:
    performed = datetime.fromisoformat(kept.document.at_utc)
    says, suspended = units.evaluated(kept.result), units.suspended(kept.result)
    return Done(kept.document.id, performed, kept.result.level, kept.struck is not None, says | suspended, suspended)


def _event(document: Document) -> Event:
    what = cast("After", str(document.body.get("what")))
    return Event(what, datetime.fromisoformat(document.at_utc), tuple(document.body.get("tests") or ()))


def _noticed(kept: Kept) -> bool:
    return kept.result.level is Level.ACTION


def _about(kept: Kept) -> dict[str, Any]:
    return {
        "test": kept.result.test, "result": kept.document.id, "sha256": kept.document.sha256,
        "level": str(kept.result.level), "performed_utc": kept.document.at_utc,
    }  # fmt: skip
