"""The desk of quality control in the daemon: takes what people ask for about tests, and sees tests to their result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daq.errors import RefusedError, UsageError
from daq.model.qc.verbs import BedEmpty, QcAnalyse, QcAsk, QcEnter, QcLeave, QcRun
from daq.model.station import Actor
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.qc.analysing import Analysing
from daq.services.qc.asking import Asked, Asking
from daq.services.qc.auto import Leavings, Left, moving
from daq.services.qc.bed import Bed
from daq.services.qc.duetable import due_row, due_table
from daq.services.qc.orders import Order
from daq.services.qc.ratewatch import OBSTACLE, RateWatch
from daq.services.qc.standing import Standing
from daq.state.acquisition import State

if TYPE_CHECKING:
    from daq.model.protocol import AcquisitionProtocol
    from daq.services.acquisition.run import Run

_AHEAD = timedelta(minutes=5)

Handler = Callable[[Any, Actor], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the desk looks at and speaks to."""

    bus: Bus
    alarms: Alarms
    counting: Callable[[], bool]
    """Whether a step records now."""
    places: Callable[[], Awaitable[dict[str, float]]]
    directories: Callable[[Sequence[str]], Awaitable[tuple[Path, ...]]]
    """Finds acquisitions of this station by their ids."""
    mark: Callable[[Run, str], None]
    """Puts a text into the recording of a run; nobody waits."""
    under_way: Callable[[], bool] = bool
    """Whether an acquisition is under way, from its preparation to its end."""


class Desk:
    """Knows the tests of the station. A test that was begun is followed to its result."""

    def __init__(
        self, asking: Asking, standing: Standing, bed: Bed, analysing: Analysing, leavings: Leavings,
        around: Surroundings,
    ) -> None:  # fmt: skip
        self.bed, self.standing, self.analysing, self.leavings = bed, standing, analysing, leavings
        self._asking, self._around = asking, around
        self._orders: dict[str, Order] = {}
        self._watches: dict[str, RateWatch] = {}

    @property
    def handlers(self) -> dict[str, Handler]:
        """Return who carries out the verbs; `qc-run` is the station's, which prepares."""
        return {
            "bed-empty": self._bed_empty, "qc-due": self._due, "qc-leave": self._leave, "qc-enter": self._enter,
            "qc-analyse": self._analyse,
        }  # fmt: skip

    # A test that is acquired

    def load(self, name: str) -> AcquisitionProtocol:
        """Return a protocol by its id; for a thread."""
        return self._asking.protocol_of(name)

    async def asked(self, request: QcRun, actor: Actor) -> Asked:
        """Return what to prepare for a test; raise what is against it."""
        return await self._asking.asked(request, actor)

    def prepared(self, protocol: AcquisitionProtocol) -> None:
        """Hear that something is prepared: what was left in place is not any more, and a patient may be on the bed."""
        self.leavings.disturbed("something was acquired since source and heads were left")
        if protocol.of_patient and protocol.modality == "probe":
            self.bed.state_occupied("a patient was prepared")  # on a table of the theatre, which is none of ours
        elif protocol.of_patient:
            self.bed.patient_lies_down()

    async def begun(self, run: Run, test: str, protocol: AcquisitionProtocol) -> None:
        """Follow the run of a test, also one that was found under way after a restart."""
        order = Order(test, (run.directory.resolve(),))
        self._orders[run.identity] = order
        await asyncio.to_thread(self.analysing.orders.owe, order)
        watch = RateWatch(
            run.identity, protocol, self._around.alarms, self._around.counting,
            lambda text: self._around.mark(run, f"{OBSTACLE}{text}"),
        )  # fmt: skip
        self._watches[run.identity] = watch
        watch.begin(self._around.bus)

    async def ended(self, run: Run, outcome: State) -> None:
        """Hear how a run ended. One that was given up, or never counted, has no result, and nobody owes one."""
        watch = self._watches.pop(run.identity, None)
        if watch is not None:
            watch.end()
        gone = outcome is State.ABORTED or not run.steps.begun
        if gone and (order := self._orders.pop(run.identity, None)) is not None:
            await asyncio.to_thread(self.analysing.orders.drop, order)

    def hashed(self, run: Run) -> None:
        """Hear that a run is sealed and its checksums are known: now it is analysed."""
        order = self._orders.pop(run.identity, None)
        if order is not None:
            self.analysing.put(order)

    async def take_over(self, sealed: Callable[[Path], bool | None], but: str | None) -> None:
        """Have analysed what the daemon before this one did not come to; `but`: the run that is under way.

        `sealed` tells of a directory whether it is sealed; None where there is none.
        """
        for order in await asyncio.to_thread(self.analysing.orders.owed):
            if any(path.name == but for path in order.recordings):
                continue
            found = [await asyncio.to_thread(sealed, path) for path in order.recordings]
            if None in found:
                await asyncio.to_thread(self.analysing.orders.drop, order)
            elif all(found):
                self.analysing.put(order)
            else:
                await self.analysing.give_up(
                    order, "it was not sealed: daq listmode recover, then analyse what came of it"
                )

    # Verbs

    async def _bed_empty(self, _: BedEmpty, actor: Actor) -> dict[str, Any]:
        if self.bed.patient and self._around.under_way():
            raise RefusedError("a patient's acquisition is under way: stop it before the patient leaves the bed")
        self.bed.state_empty(actor)
        return {"bed": self.bed.figures()}

    async def _due(self, request: QcAsk, _: Actor) -> dict[str, Any]:
        tests = self.standing.tests
        due = await self.standing.due(request.test)
        owed = {name: self.analysing.is_owed(name) for name in tests}
        told: dict[str, Any] = {
            "tests": due_table(due, tests, owed), "bed": self.bed.figures(), "left": self.leavings.figures(),
            "now_utc": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }  # fmt: skip
        if request.test is not None:
            newest = await self.standing.books.newest(request.test)
            told["newest"] = None if newest is None else newest.document.to_json()
        return told

    async def _leave(self, request: QcLeave, actor: Actor) -> dict[str, Any]:
        test, protocol, terms = await self._asking.terms_of(request.test)
        if test.auto_at is None:
            raise RefusedError(f"{request.test} is not done by itself: the scanner profile says no auto_at for it")
        if (why := moving(protocol)) is not None:
            raise RefusedError(f"{request.test}: {why}")
        _, why = await self._asking.source(request.source, protocol, terms)
        if why is not None:
            raise RefusedError(f"{request.test}: {why}")
        places = await self._around.places()
        self.bed.state_empty(actor)
        at_utc = self.standing.clock().isoformat(timespec="seconds")
        self.leavings.put(Left(request.test, request.source, actor.user, at_utc, places))
        return {"left": self.leavings.figures(), "auto_at": test.auto_at, "bed": self.bed.figures()}

    async def _enter(self, request: QcEnter, actor: Actor) -> dict[str, Any]:
        if request.test not in self.standing.tests:
            await self.standing.due(request.test)  # which says what there is
        order = Order(
            request.test, entries=request.entries, performed=self._moment(request.performed), by=actor.user,
            comment=request.comment, source=request.source or "",
        )  # fmt: skip
        document = await self.analysing.analyse(order)
        (due,) = await self.standing.due(request.test)
        row = due_row(due, self.standing.tests[request.test])
        return {"result": document.to_json(), "test": row}

    async def _analyse(self, request: QcAnalyse, _: Actor) -> dict[str, Any]:
        await self.standing.due(request.test)
        order = Order(
            request.test, await self._around.directories(request.runs), entries=request.entries,
            source=request.source or "",
        )  # fmt: skip
        await asyncio.to_thread(self.analysing.orders.owe, order)
        self.analysing.put(order)
        return {"analysing": request.test, "runs": request.runs}

    def _moment(self, text: str | None) -> str:
        """Return when an entered test was performed. Raise `UsageError` for what is no time, or is still to come."""
        now = self.standing.clock()
        try:
            at = now if text is None else datetime.fromisoformat(text)
        except ValueError:
            raise UsageError(f"performed = {text!r} is no time, such as 2026-01-31T07:30:00+01:00") from None
        at = at if at.tzinfo is not None else at.replace(tzinfo=self.standing.zone)
        if at > now + _AHEAD:
            raise UsageError(f"performed = {text!r} is still to come: look at the clocks")
        return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
