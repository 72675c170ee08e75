"""A test from one press to its result: prepared, begun as soon as it is armed, analysed; its background before it.

What a person states once (the bed is empty, the source is in place) holds for the parts that follow. Between a part
without a source and one with it somebody brings the source: at a real station the round waits until that is stated, in
a simulated room it is laid there by itself, which is said. Everything is asked of the station in that person's name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from daq.errors import DeadlineError, RefusedError, ScandaqError
from daq.model.console.qc_verbs import QcBegin, QcCall, QcGoOn, QcPlan
from daq.model.qc.figures import Level
from daq.model.station import Actor, Alarm, Announcement, StationStatus, utc_now
from daq.services.alarms import Alarms
from daq.services.bus import Bus
from daq.services.qc.abilities import Books, Kept
from daq.services.qc.asking import BACKGROUND
from daq.services.qc.bed import Bed
from daq.services.qc.handlers import Handlers
from daq.services.qc.planning import Part, Planning
from daq.services.qc.ratewatch import ALARM as RATE
from daq.services.qc.ringing import DEVICE
from daq.state.acquisition import IDLE, State

_LOG = logging.getLogger(__name__)
_ARMED_S, _SOURCE_S, _RESULT_S = 300.0, 1800.0, 900.0
_LOOK_S = 0.25
_LATEST = 5
CALLED = "physicist-called"

Stage = Literal["preparing", "counting", "analysing", "place-source", "done", "stopped"]
Command = Callable[[str, dict[str, object], Actor], Awaitable[dict[str, object]]]


@dataclass(slots=True)
class Round:
    """What is under way, or was last. `now`: number of the part; `why`: why it stopped, or what is waited for."""

    parts: tuple[Part, ...]
    by: str
    source: str | None
    stage: Stage = "preparing"
    now: int = 0
    run: str | None = None
    why: str = ""
    since_utc: str = field(default_factory=utc_now)
    begun_utc: str = field(default_factory=utc_now)
    results: list[str | None] = field(default_factory=list)
    levels: list[str | None] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Return True where nothing is under way any more."""
        return self.stage in ("done", "stopped")

    def figures(self) -> dict[str, Any]:
        """Return it as plain data."""
        padding = [None] * (len(self.parts) - len(self.results))
        told = zip(self.parts, [*self.results, *padding], [*self.levels, *padding], strict=True)
        return {
            "parts": [
                {"test": part.test, "title": part.title, "source": part.source, "why": part.why, "result": result,
                 "level": level, **part.told}
                for part, result, level in told
            ],
            "by": self.by, "source": self.source, "stage": self.stage, "now": self.now, "run": self.run,
            "why": self.why, "since_utc": self.since_utc, "begun_utc": self.begun_utc, "over": self.over,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Room:
    """What a round looks at and speaks to. `simulated`: the room lays sources where they belong by itself."""

    command: Command
    state: Callable[[], tuple[State, str | None, str]]
    """State of the station, its run, and why it is so."""
    bus: Bus
    alarms: Alarms
    bed: Bed
    books: Books
    owed: Callable[[str], bool]
    """Whether recordings of a test are analysed, or wait for it."""
    simulated: bool
    changed: Callable[[], None] = lambda: None


class Rounds:
    """Carries rounds out, one at a time."""

    def __init__(self, planning: Planning, room: Room) -> None:
        self._planning, self._room = planning, room
        self._round: Round | None = None
        self._task: asyncio.Task[None] | None = None
        self._given_up = ""
        self._placed, self._stirred, self._turn = asyncio.Event(), asyncio.Event(), asyncio.Lock()

    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {
            "qc-plan": self._plan, "qc-begin": self._begin, "qc-go-on": self._go_on, "qc-round": self._told,
            "qc-call": self._call,
        }  # fmt: skip

    async def close(self) -> None:
        """Follow no more; what is acquired goes on, and is analysed as every test is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _plan(self, request: QcPlan, _: Actor) -> dict[str, Any]:
        return {**await self._planning.plan(request.test, request.source), "round": self._figures()}

    async def _told(self, _: Any, __: Actor) -> dict[str, Any]:
        return {"round": self._figures()}

    def _figures(self) -> dict[str, Any] | None:
        return None if self._round is None else self._round.figures()

    async def _begin(self, request: QcBegin, actor: Actor) -> dict[str, Any]:
        async with self._turn:
            if self._round is not None and not self._round.over:
                under = self._round.parts[self._round.now].test
                raise RefusedError(f"{request.test}: {under} is under way, begun by {self._round.by}")
            parts = await self._planning.parts(request.test)
            parts = parts[-1:] if BACKGROUND in request.overrides else parts
            made = Round(parts, actor.user, request.source)
            made.run = await self._prepare(made, request, actor)
            self._round = made
            self._placed.clear()
            self._given_up = ""
            self._task = asyncio.create_task(self._do(made, request, actor), name=f"qc-round-{request.test}")
            self._room.changed()
        return {"round": made.figures()}

    async def _prepare(self, of: Round, request: QcBegin, actor: Actor) -> str:
        """Have the part that is next prepared; return its run. Raise what is against it."""
        part = of.parts[of.now]
        if self._room.bed.patient:  # also one who lay down since: what was stated before says nothing of him
            raise RefusedError(
                f"{part.test} cannot be run: a patient is on the bed ({self._room.bed.statement}). Take the patient "
                "off the bed and say so first"
            )
        asked: dict[str, object] = {"test": part.test, "bed_empty": request.bed_empty and of.now == 0}
        if part.source != "none" and request.source is not None:
            asked["source"] = request.source
        if part.test == request.test and request.overrides:
            asked["overrides"] = dict(request.overrides)
        return str((await self._room.command("qc-run", asked, actor))["run"])

    async def _go_on(self, request: QcGoOn, actor: Actor) -> dict[str, Any]:
        if self._round is None or self._round.stage != "place-source":
            raise RefusedError("no test waits for its source")
        if not request.source_in_place:
            self._given_up = f"{actor.user} left it at the background"
        self._placed.set()
        return {"round": self._round.figures()}

    async def _call(self, request: QcCall, actor: Actor) -> dict[str, Any]:
        kept = await self._room.books.result(request.result)
        said = f": {request.text}" if request.text else ""
        self._room.alarms.raise_(
            DEVICE, CALLED, priority="medium", latched=True,
            text=f"{actor.user} asks a physicist to look at {kept.result.test}, {kept.result.level}{said}",
            guidance="nobody was rung up: go to the physicist, or call", details=f"result {kept.document.id}",
        )  # fmt: skip
        self._room.alarms.clear(DEVICE, CALLED)
        return {"alarm": CALLED, "result": kept.document.id}

    # What is done one after the other

    async def _do(self, of: Round, request: QcBegin, actor: Actor) -> None:
        try:
            with self._room.bus.listening(self._heard):
                for number in range(len(of.parts)):
                    if number:
                        await self._next(of, number, request, actor)
                    await self._acquire(of, actor)
                    kept = await self._result(of)
                    of.results.append(kept.document.id)
                    of.levels.append(str(kept.result.level))
                    _require_good(of, kept.result.level)
            self._say(of, "done")
        except ScandaqError as why:
            self._say(of, "stopped", str(why))
        except Exception as why:  # noqa: BLE001 - a fault here is none of the acquisition
            _LOG.exception("a test that was begun from the console is followed no more")
            self._say(of, "stopped", f"unexpected {type(why).__name__} in the daemon; its log tells more")
        await self._be_ready(of, actor)

    async def _next(self, of: Round, number: int, request: QcBegin, actor: Actor) -> None:
        """Bring the round to its next part: the source is in place, and it is prepared."""
        before, part = of.parts[of.now], of.parts[number]
        if part.source != "none" and before.source == "none" and not self._room.simulated:
            self._say(of, "place-source", f"lay {of.source} in place: nothing goes on before that is stated")
            async with _within(_SOURCE_S, "nobody stated that the source is in place"):
                await self._placed.wait()
            if self._given_up:
                raise RefusedError(self._given_up)
        of.now = number
        self._say(of, "preparing")
        of.run = await self._prepare(of, request, actor)
        self._room.changed()

    async def _acquire(self, of: Round, actor: Actor) -> None:
        """Begin as soon as it is armed; return when it is over. Raise where it was given up."""
        async with _within(_ARMED_S, "it was not armed"):
            state, detail = await self._until(of, lambda state: state is not State.PREPARING)
        if state is State.ARMED:
            await self._room.command("start", {}, actor)
        self._say(of, "counting")
        state, detail = await self._counted(of, actor)
        if state in (State.ABORTED, State.FAULT):
            raise RefusedError(f"{of.parts[of.now].title} was not acquired: {detail or state}")
        self._say(of, "analysing")

    async def _counted(self, of: Round, actor: Actor) -> tuple[State, str]:
        """Return how it ended. A rate that is outside of the protocol's range says nothing: it is stopped."""
        wrong = self._rate_wrong
        state, detail = await self._until(of, lambda state: state in IDLE or wrong() is not None)
        if state not in IDLE:
            of.why = wrong() or ""
            await self._room.command("stop", {"reason": "the count rate is outside of the protocol's range"}, actor)
            state, detail = await self._until(of, lambda state: state in IDLE)
        return state, detail

    def _rate_wrong(self) -> str | None:
        found = [each for each in self._room.alarms.active() if (each.device, each.name) == (DEVICE, RATE)]
        return f"{found[0].text}; {found[0].guidance}" if found and found[0].active else None

    async def _until(self, of: Round, good: Callable[[State], bool]) -> tuple[State, str]:
        """Return the state of this run once it is a wanted one. Raise where another run is there."""
        while True:
            self._stirred.clear()
            state, run, detail = self._room.state()
            if run is None and state is State.READY:
                return State.COMPLETED, detail  # somebody has acknowledged its end already
            if run != of.run:
                raise RefusedError("something else was prepared meanwhile")
            if good(state):
                return state, detail
            await self._stirred.wait()

    def _heard(self, said: Announcement) -> None:
        if isinstance(said, StationStatus | Alarm):
            self._stirred.set()

    async def _result(self, of: Round) -> Kept:
        """Return the result that was made of this run. Raise where its analysis failed."""
        test, run = of.parts[of.now].test, of.run
        async with _within(_RESULT_S, "its analysis takes long and goes on: look at the results later"):
            while True:
                for kept in await self._room.books.results(test, limit=_LATEST):
                    if any(each.get("id") == run for each in kept.result.acquisitions):
                        return kept
                failed = [each for each in self._room.alarms.active() if each.name == f"not-analysed-{run}"[:80]]
                if failed and not self._room.owed(test):
                    raise RefusedError(f"{failed[0].text}; {failed[0].guidance}")
                await asyncio.sleep(_LOOK_S)

    async def _be_ready(self, of: Round, actor: Actor) -> None:
        """Leave the station ready for what comes next, where nothing else was begun."""
        state, run, _ = self._room.state()
        if run == of.run and state in (State.COMPLETED, State.INTERRUPTED, State.ABORTED):
            try:
                await self._room.command("acknowledge", {}, actor)
            except ScandaqError as why:
                _LOG.info("after a test: %s", why)

    def _say(self, of: Round, stage: Stage, why: str = "") -> None:
        of.stage, of.why, of.since_utc = stage, why, utc_now()
        self._room.changed()


def _require_good(of: Round, level: Level) -> None:
    """Demand that a part which others follow is in limits."""
    if of.now < len(of.parts) - 1 and level is not Level.IN_LIMITS:
        raise RefusedError(f"{of.parts[of.now].title} is {level}: look for the cause before a source comes in")


class _within:  # noqa: N801 - it reads as words
    """A deadline, with its words."""

    def __init__(self, seconds: float, why: str) -> None:
        self._timeout, self._why, self._seconds = asyncio.timeout(seconds), why, seconds

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *raised: Any) -> None:
        try:
            await self._timeout.__aexit__(*raised)
        except TimeoutError:
            raise DeadlineError(f"{self._why} within {self._seconds:g} s") from None
