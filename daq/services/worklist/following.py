"""Ties acquisitions to entries: what is prepared for an entry gets its identity, and its status follows the run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from daq.errors import RefusedError, ScandaqError
from daq.model.parts import Parts, whole
from daq.model.station import DAEMON, Actor, Announcement, StationStatus, utc_now
from daq.model.verbs import Prepare
from daq.services.worklist.desk import Desk, require_usable
from daq.services.worklist.identities import Identities
from daq.services.worklist.kept import Kept, RunNote, identity_json
from daq.services.worklist.recorded import missing, pieces
from daq.state.acquisition import IDLE, RECORDING, State

if TYPE_CHECKING:
    from daq.model.protocol import AcquisitionProtocol
    from daq.services.bus import Bus

_LOG = logging.getLogger(__name__)
_AGAIN_S = 5.0


class Following:
    """Completes what is prepared for an entry, and follows its acquisitions.

    `under_way` tells the run that the station has now, and its state.
    """

    def __init__(
        self, desk: Desk, identities: Identities, bus: Bus, under_way: Callable[[], tuple[str, State]]
    ) -> None:
        self._desk, self._identities, self._bus, self._under_way = desk, identities, bus, under_way
        self._news = asyncio.Event()
        self._preparing: set[str] = set()
        """Runs that are noted, and of which the station does not speak yet."""

    async def completed(self, request: Prepare) -> Prepare:
        """Return the request with who it is, and what was given; unchanged where it names no entry.

        Raise `MissingError` for an entry that is not there, `RefusedError` for one that nothing may be acquired of.
        """
        if request.entry is None:
            return request
        if request.patient is not None:
            raise RefusedError("prepare: entry and patient both say who it is: one of them is enough")
        step = await self._desk.step(request.entry)
        kept = self._desk.known.get(request.entry)
        if kept is not None:
            require_usable(kept)
        told: dict[str, Any] = {"patient": identity_json(step.identity)}
        earlier = None if kept is None else await self._earlier(list(kept.runs))
        named = (request.study, request.continues, request.repeats, request.same_position_as)
        if earlier is not None and not any(named):
            told["study"] = earlier
        if request.administration is None and (kept is None or await self._desk.record(kept) is None):
            known = pieces(step, {} if kept is None else kept.record)
            told["administration"] = None if missing(known) else known
        return request.model_copy(update=told)

    async def lacking(self, request: Prepare) -> str:
        """Return what the administration record of an entry still needs, empty where it is whole, or nothing is."""
        if request.entry is None:
            return ""
        step = await self._desk.step(request.entry)
        kept = self._desk.known.get(request.entry)
        if kept is not None and await self._desk.record(kept) is not None:
            return ""
        return ", ".join(missing(pieces(step, {} if kept is None else kept.record)))

    async def begun(
        self, request: Prepare, run: str, protocol: AcquisitionProtocol, last: int, actor: Actor,
        parts: Parts | None = None,
    ) -> None:  # fmt: skip
        """Note that an acquisition is prepared for an entry. `last`: the last session; `parts`: views of this one."""
        entry = self._entry_of(request)
        if entry is None:
            return
        await self._desk.kept(entry, actor.user)
        note = {
            "run": run, "protocol": protocol.id, "session": request.session, "last": request.session >= last,
            "at_utc": utc_now(), "by": actor.user, "confirmed": request.identity_confirmed or "",
            "parts": {name: list(steps) for name, steps in (parts or {}).items()},
        }  # fmt: skip
        self._preparing.add(run)
        await self._desk.note("run", entry, actor.user, run=note)

    async def dropped(self, request: Prepare, run: str) -> None:
        """Forget an acquisition that could not be prepared after all."""
        self._preparing.discard(run)
        entry = self._entry_of(request)
        if entry is None or run not in getattr(self._desk.known.get(entry), "runs", {}):
            return
        try:
            await self._desk.note("dropped", entry, DAEMON.user, run=run)
        except ScandaqError as why:
            _LOG.error("%s is not taken off its entry: %s", run, why)

    def _entry_of(self, request: Prepare) -> str | None:
        """Return the entry that is prepared: the one named, else the one whose acquisition is repeated or added to.

        An identity that is reconciled or corrected later then reaches repeated and further views as well.
        """
        if request.entry is not None:
            return request.entry
        linked = {request.study, request.continues, request.repeats}
        found = (kept.key for kept in self._desk.known.values() if kept.other is None and linked & kept.runs.keys())
        return next(found, None)

    async def run(self) -> None:
        """Follow what the station does, until cancelled."""
        await self._identities.bring_all()
        with self._bus.listening(self._hear, replay=True):
            await self._look()
            while True:
                await self._news.wait()
                self._news.clear()
                try:
                    await self._look()
                except ScandaqError as why:
                    _LOG.error("the status of an entry is not noted: %s", why)
                    await asyncio.sleep(_AGAIN_S)
                    self._news.set()

    def look_again(self) -> None:
        """Look at the views anew: a person found one good, of which no status of the station speaks."""
        self._news.set()

    def _hear(self, said: Announcement) -> None:
        if isinstance(said, StationStatus):
            self._news.set()

    async def _look(self) -> None:
        now, state = self._under_way()
        for kept in list(self._desk.known.values()):
            for note in list(kept.runs.values()):
                if kept.other is not None or (note.run != now and (note.outcome or note.run in self._preparing)):
                    continue
                self._preparing.discard(note.run)
                await self._look_at_views(kept, note)
                if note.outcome or note.run not in kept.runs:  # given to another entry meanwhile
                    continue
                if note.run == now and state not in IDLE:
                    if state in RECORDING and not note.acquiring:
                        await self._desk.note("acquiring", kept.key, DAEMON.user, run=note.run)
                    continue
                ended = str(state) if note.run == now and state is not State.READY else "interrupted"
                await self._desk.note("ended", kept.key, DAEMON.user, run=note.run, outcome=ended)
                await self._identities.bring_all()

    async def _look_at_views(self, kept: Kept, note: RunNote) -> None:
        """Note which views are there, when there is one more: also one that a person found good after the end."""
        if not note.parts:
            return
        steps = await asyncio.to_thread(self._desk.around.acquisitions.steps_done, note.run)
        there = {*note.done, *whole(note.parts, steps)}
        done = [name for name in note.parts if name in there]
        if done != note.done and note.run in kept.runs:
            await self._desk.note("views", kept.key, DAEMON.user, run=note.run, done=done)

    async def _earlier(self, runs: list[str]) -> str | None:
        """Return the newest acquisition of an entry that was recorded: what follows belongs to its study."""
        for run in reversed(runs):
            if await asyncio.to_thread(self._desk.around.acquisitions.there, run):
                return run
        return None
