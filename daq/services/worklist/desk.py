"""The desk of the worklist: puts together what the source says and what the station knows, and answers for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from daq.errors import MissingError, RefusedError, UsageError
from daq.model.console.procedures import Proposal, proposed
from daq.model.console.worklist import ScheduledStep
from daq.model.console.worklist_verbs import Worklist, WorklistEntryAsk, WorklistFind
from daq.model.station import Actor
from daq.services.worklist import telling
from daq.services.worklist.abilities import Acquisitions, Protocols
from daq.services.worklist.kept import Kept, step_json
from daq.services.worklist.recorded import missing, pieces
from daq.services.worklist.source import Query, WorklistSource
from daq.services.worklist.store import Store

Handler = Callable[[Any, Actor], Awaitable[dict[str, Any]]]
_MOST_FOUND = 20


@dataclass(frozen=True, slots=True)
class Around:
    """What the desk works with. `procedures`: of the site file; `changed` tells browsers to ask again."""

    source: WorklistSource
    store: Store
    acquisitions: Acquisitions
    protocols: Protocols
    zone: tzinfo
    station: str
    modalities: frozenset[str]
    procedures: Mapping[str, str]
    changed: Callable[[], None]
    audited: Callable[[Actor, str, str], None]
    """Puts into the audit log who did what to which entry and acquisitions, by their keys."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


class Desk:
    """Answers for the worklist, and is where the other parts of it find and note entries."""

    def __init__(self, around: Around) -> None:
        self.around = around
        self._writing = asyncio.Lock()
        self._hay: dict[int, tuple[ScheduledStep, str]] = {}

    @property
    def handlers(self) -> dict[str, Handler]:
        """Return who carries out the verbs that ask."""
        return {"worklist": self._list, "worklist-entry": self._entry, "worklist-find": self._find}

    # What others need

    @property
    def known(self) -> Mapping[str, Kept]:
        """Return what the station itself knows, by key."""
        return self.around.store.known

    async def step(self, key: str) -> ScheduledStep:
        """Return an entry's step with the identity that it has now. Raise `MissingError`."""
        kept = self.known.get(key)
        found = await self.around.source.find(key)
        if found is not None:
            return found.of(kept.now.identity) if kept is not None and kept.changes else found
        if kept is None:
            raise MissingError("the worklist has no such entry any more: look at the list again")
        return kept.now

    async def kept(self, key: str, by: str) -> Kept:
        """Return what is known of an entry, which from now on stays known whatever the worklist says of it."""
        found = await self.around.source.find(key)
        kept = self.known.get(key)
        if kept is None and found is None:
            raise MissingError("the worklist has no such entry any more: look at the list again")
        if found is not None and (kept is None or kept.step != found):
            await self.enter(found, by)
        return self.known[key]

    async def enter(self, step: ScheduledStep, by: str) -> None:
        """Note an entry."""
        await self.note("entry", step.key, by, step=step_json(step))

    async def note(self, what: str, entry: str, by: str, **more: Any) -> None:
        """Note a happening: on the disk first, then everybody hears. Raise `StorageFailedError`."""
        async with self._writing:
            await asyncio.to_thread(self.around.store.note, what, entry, by, **more)
        self.around.changed()

    async def record(self, kept: Kept) -> Mapping[str, Any] | None:
        """Return the administration record of the newest acquisition of an entry that has one, as plain data."""
        for run in reversed(kept.runs):
            found = await asyncio.to_thread(self.around.acquisitions.record, run)
            if found is not None:
                return found.to_json()
        return None

    def pieces(self, kept: Kept) -> dict[str, Any]:
        """Return what is known of the record before there is an acquisition."""
        return pieces(kept.now, kept.record)

    async def proposal(self, step: ScheduledStep) -> Proposal:
        """Return the protocol that is proposed for an entry."""
        return proposed(step, self.around.procedures, await self.around.protocols.known())

    # Verbs

    async def _list(self, request: Worklist, _: Actor) -> dict[str, Any]:
        around = self.around
        day = self._day(request.day)
        found = await around.source.query(Query(day, around.modalities, around.station))
        known = await around.protocols.known()
        rows, told, of = await asyncio.to_thread(self._rows, found.steps, day, request, known)
        waiting = [kept for kept in list(self.known.values()) if kept.waits]
        return {
            "day": day.isoformat(), "today": self._day(None).isoformat(), "total": rows, "of": of,
            "offset": request.offset, "rows": told, "problems": list(found.problems), "read_utc": found.read_utc,
            "to_reconcile": sum(kept.to_reconcile for kept in waiting),
            "to_countersign": sum(kept.to_countersign for kept in waiting),
            "damaged": around.store.damaged,
        }  # fmt: skip

    def _rows(
        self, listed: Iterable[ScheduledStep], day: date, request: Worklist, known: Collection[str]
    ) -> tuple[int, list[dict[str, Any]], int]:
        """Return how many rows fit, those that are asked for, and how many there are; for a thread: lists are long."""
        steps = self._steps(listed, day)
        rows = self._chosen(steps.values(), request.text)
        procedures, zone = self.around.procedures, self.around.zone
        told = [
            telling.row(step, self.known.get(step.key), proposed(step, procedures, known), zone)
            for step in rows[request.offset : request.offset + request.limit]
        ]
        return len(rows), told, len(steps)

    async def _entry(self, request: WorklistEntryAsk, _: Actor) -> dict[str, Any]:
        step = await self.step(request.entry)
        kept = self.known.get(request.entry)
        record = None if kept is None else await self.record(kept)
        told = telling.whole(step, kept, await self.proposal(step), self.around.zone, record)
        now = self.around.clock().isoformat(timespec="milliseconds")
        return {**told, "now_utc": now, "fitting": await self.around.protocols.fitting()}

    async def _find(self, request: WorklistFind, _: Actor) -> dict[str, Any]:
        number = request.number.strip()
        day = self._day(request.day)
        answer = await self.around.source.query(Query(day, self.around.modalities, self.around.station))
        steps = self._steps(answer.steps, day)
        found = [step for step in steps.values() if number in _numbers(step)]
        open_ones = [step for step in found if not self._over(step.key)]
        chosen = sorted(open_ones or found, key=lambda step: step.start)[:_MOST_FOUND]
        return {"entries": [step.key for step in chosen]}

    def _over(self, key: str) -> bool:
        kept = self.known.get(key)
        return kept is not None and kept.status in ("done", "discontinued")

    def _steps(self, listed: Iterable[ScheduledStep], day: date) -> dict[str, ScheduledStep]:
        """Return the steps of a day by key: those of the source, with the identities they have now, and ours."""
        steps = {step.key: step for step in listed}
        today = self._day(None)
        for key, kept in list(self.known.items()):
            if key in steps:
                steps[key] = steps[key].of(kept.now.identity) if kept.changes else steps[key]
            elif kept.step.start.astimezone(self.around.zone).date() == day or (kept.waits and day == today):
                steps[key] = kept.now
        return steps

    def _day(self, text: str | None) -> date:
        if text is None:
            return self.around.clock().astimezone(self.around.zone).date()
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise UsageError(f"worklist: day = {text!r}: no day of the calendar") from None

    def _chosen(self, steps: Iterable[ScheduledStep], text: str) -> list[ScheduledStep]:
        words = telling.folded(text).split()
        found = (
            [step for step in steps if all(word in self._haystack(step) for word in words)] if words else list(steps)
        )
        return sorted(found, key=lambda step: (step.start, step.key))

    def _haystack(self, step: ScheduledStep) -> str:
        kept = self._hay.get(id(step))
        if kept is None or kept[0] is not step:
            if len(self._hay) > 2 * 10_000:
                self._hay.clear()
            kept = self._hay[id(step)] = step, telling.haystack(step)
        return kept[1]


def _numbers(step: ScheduledStep) -> frozenset[str]:
    """Return the numbers that a wristband or an order sheet of a step may bear."""
    told = step.identity.reveal()
    return frozenset(filter(None, (told["patient_id"], told["accession_number"], *told["other_ids"])))


def require_usable(kept: Kept) -> None:
    """Raise `RefusedError` for an entry that nothing may be acquired of."""
    if kept.other is not None:
        raise RefusedError("this temporary identity has been reconciled: use the entry that it turned out to be")
    if kept.discontinued:
        raise RefusedError("this entry was discontinued; enter it anew where it is to be done after all")


def lacking(known: Mapping[str, Any]) -> str:
    """Return in words what an administration record still needs, empty where it is whole or nothing is known."""
    return ", ".join(missing(known)) if known else ""
