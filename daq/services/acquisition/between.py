"""What is asked and done between two views: the acquisition as it stands, accepting a view, taking views again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from daq.errors import DeadlineError, RefusedError
from daq.model.arguments import Arguments
from daq.model.console.acquire_verbs import AcceptView, TakeViews
from daq.model.station import Actor, payload, utc_now
from daq.model.verbs import Prepare
from daq.services.acquisition.machine import Machine
from daq.services.acquisition.run import Run
from daq.services.acquisition.telling import told
from daq.state.acquisition import ENDING, IDLE, State

_END_S = 60.0
_LOOK_S = 0.1
_KEPT = ("draft_reason", "overrides", "session", "patient_orientation", "label")
"""Arguments of `prepare` that hold for further views of the same patient, too."""
_REPEATS = "repeats"

Command = Callable[[str, dict[str, object], Actor], Awaitable[dict[str, object]]]


def asked_again(request: Prepare, redacted: Callable[[str], str] = str) -> dict[str, Any]:
    """Return the arguments of `prepare` that hold for further views of the same patient, and what it `repeats`.

    `redacted` hides who it is.
    """
    told = request.model_dump(include={*_KEPT, _REPEATS}, exclude_defaults=True)
    for name in {"draft_reason", "label"} & told.keys():
        told[name] = redacted(told[name])
    if "overrides" in told:
        told["overrides"] = {name: redacted(why) for name, why in told["overrides"].items()}
    return told


class Asked(Protocol):
    """What the station knows of the newest acquisition."""

    run: Run | None
    request: Prepare | None
    """With which arguments it was prepared; None where another daemon did so."""

    async def command(self, verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
        """Carry out a verb."""
        ...


class Between:
    """Answers and acts for whoever sits at the console. `station` gives what there is now."""

    def __init__(
        self, station: Callable[[], Asked], machine: Machine, bed: Callable[[], Mapping[str, Any]],
        lies: Callable[[str], str | None], changed: Callable[[], None],
    ) -> None:  # fmt: skip
        """`bed`: what is known of it. `lies`: how the patient of an acquisition lies; None where that is not known.

        `changed` hears that asking again gives something new.
        """
        self._station, self._machine, self._bed, self._changed = station, machine, bed, changed
        self._lies = lies

    @property
    def handlers(self) -> dict[str, Callable[[Any, Actor], Awaitable[dict[str, Any]]]]:
        """Return who carries out which verb."""
        return {"acquisition": self._acquisition, "accept-view": self._accept, "take-views": self._take}

    async def _acquisition(self, _: Arguments, __: Actor) -> dict[str, Any]:
        run, entry = self._run(), self._machine.entry
        status, bed = payload(self._machine.status()), dict(self._bed())
        if run is None:
            return {"status": status, "bed": bed, "acquisition": None}
        said = told(run, self._machine.state, entry.step, set(entry.accepted))
        request = self._station().request
        lies = self._lies(run.identity)
        said["patient_orientation"] = None if lies is None else str(lies)
        said["repeats"] = entry.asked.get(_REPEATS) if request is None else request.repeats
        for step in said["steps"]:
            step["before"] = entry.before.get(step["name"])
        return {"status": status, "bed": bed, "acquisition": said}

    async def _accept(self, request: AcceptView, actor: Actor) -> dict[str, Any]:
        run = self._named(request.run)
        if request.step > len(run.protocol.steps):
            raise RefusedError(f"{request.run} has {len(run.protocol.steps)} views; there is no view {request.step}")
        if run.last_status.get("step", 0) < request.step or (
            request.step == self._machine.entry.step and not self._over(run)
        ):
            raise RefusedError(
                f"{run.protocol.steps[request.step - 1].name!r} has not ended: it cannot be accepted yet"
            )
        if self._machine.state not in IDLE | ENDING:
            await run.mark(f"{actor.user}: view {request.step} ({run.protocol.steps[request.step - 1].name}) accepted")
        self._machine.keep(accepted=sorted({*self._machine.entry.accepted, request.step}))
        self._changed()
        return await self._acquisition(request, actor)

    async def _take(self, request: TakeViews, actor: Actor) -> dict[str, Any]:
        run, before = self._named(request.run), self._station().request
        state = self._machine.state
        if state not in IDLE | ENDING | {State.WAITING}:
            raise RefusedError(f"views cannot be prepared while {state}: stop, or wait for the end of the view")
        if request.continues:
            self._require_still(run, request.views)
        had = self._had(run, request.views) if request.continues else {}
        run.protocol.of_views([name for name in request.views if not self._left_out(run, name)])
        if state is State.WAITING:
            await self._station().command("stop", {"reason": request.reason or "further views are taken"}, actor)
        await self._ended()
        kept = dict(self._machine.entry.asked if before is None else asked_again(before))
        kept.pop(_REPEATS, None)  # that is of those views alone
        link = "continues" if request.continues else "repeats" if request.repeats else "study"
        asked = {**kept, "protocol": self._machine.entry.protocol_id, "views": request.views, link: run.identity}
        if run.protocol.changed:
            asked["windows"] = [each.edges.model_dump() for each in run.protocol.changed]
        if request.continues:
            asked["same_position_as"] = run.identity
        answer = await self._station().command("prepare", asked, actor)
        if had:
            self._machine.keep(before=had)
            self._changed()
        return answer

    def _require_still(self, run: Run, views: list[str]) -> None:
        """Refuse to continue views of a patient who may have moved, or that cannot be continued."""
        if run.protocol.of_patient and not self._bed()["patient"]:
            raise RefusedError(
                "the patient has left the bed since: a view is continued only while the patient has not moved; "
                "repeat it, or add another view"
            )
        moving = [step.name for step in run.protocol.steps if step.name in views and not step.continuable]
        if moving:
            raise RefusedError(f"{', '.join(moving)}: what moves or has frames is not continued; repeat it")

    def _had(self, run: Run, views: list[str]) -> dict[str, Any]:
        """Return what views had when they ended, by name: the gap until they go on begins there."""
        steps = told(run, self._machine.state, self._machine.entry.step, set())["steps"]
        ended_utc = utc_now() if self._machine.state not in IDLE else self._machine.entry.since_utc
        return {
            step["name"]: {
                "counted": step["counted"], "took_s": step["took_s"], "live_s": step["live_s"], "ended_utc": ended_utc,
                "run": run.identity,
            }
            for step in steps if step["name"] in views and step["begin_s"] is not None
        }  # fmt: skip

    def _left_out(self, run: Run, name: str) -> bool:
        """Return True for a step that the protocol has, though this run was prepared without it."""
        return name not in [step.name for step in run.protocol.steps]

    async def _ended(self) -> None:
        until_s = asyncio.get_running_loop().time() + _END_S
        while self._machine.state not in IDLE:
            if asyncio.get_running_loop().time() > until_s:
                raise DeadlineError(
                    f"the acquisition before has not ended within {_END_S:g} s; it is {self._machine.state}"
                )
            await asyncio.sleep(_LOOK_S)

    def _over(self, run: Run) -> bool:
        return run.steps.between or self._machine.state in IDLE | ENDING

    def _run(self) -> Run | None:
        run = self._station().run
        return run if run is not None and self._machine.entry.run == run.identity else None

    def _named(self, identity: str) -> Run:
        """Return the run of this name; refuse one that is not the newest: a page that is old asks for such."""
        run = self._run()
        if run is None or run.identity != identity:
            there = "none is under way" if run is None else f"the present one is {run.identity}"
            raise RefusedError(
                f"{identity} is not the acquisition that the station has now: {there}; load the page again"
            )
        return run
