"""Entries that are made here: somebody who is not on the worklist, a phantom, somebody who cannot wait."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from daq.errors import RefusedError, UsageError
from daq.model.console.procedures import EMERGENCY
from daq.model.console.worklist import Origin, ScheduledStep
from daq.model.console.worklist_verbs import WorklistAdd, WorklistDiscontinue, WorklistEmergency
from daq.model.patient import PatientIdentity
from daq.model.station import Actor
from daq.services.acquisition.papers import identity_of
from daq.services.worklist.desk import Desk, Handler
from daq.services.worklist.store import Store

_FAR = timedelta(days=366)
_NUMBER = 4
_MOST_WAITING = 1000


class Entering:
    """Makes entries. `simulated`: numbers begin with SIM, as those of all that is simulated do."""

    def __init__(self, desk: Desk, *, simulated: bool) -> None:
        self._desk, self._before = desk, "SIM-" if simulated else ""

    @property
    def handlers(self) -> dict[str, Handler]:
        """Return who carries out which verb."""
        return {
            "worklist-add": self._add, "worklist-emergency": self._emergency, "worklist-discontinue": self._discontinue,
        }  # fmt: skip

    async def _add(self, request: WorklistAdd, actor: Actor) -> dict[str, Any]:
        origin: Origin = "manual" if request.kind == "patient" else "phantom"
        identity = self._phantom() if request.patient is None else typed_identity(request.patient)
        step = ScheduledStep(
            key=Store.new_key(), start=self._start(request.start), identity=identity, origin=origin,
            modality=self._modality(), procedure=request.procedure, protocol=request.protocol,
            reason=identity.redact(request.reason),
        )  # fmt: skip
        return await self._entered(step, actor)

    async def _emergency(self, request: WorklistEmergency, actor: Actor) -> dict[str, Any]:
        now = self._desk.around.clock()
        number = f"{self._before}EMERG-{now:%Y%m%d-%H%M%S}-{_random()}"
        identity = PatientIdentity(
            name=f"EMERGENCY^{now.astimezone(self._desk.around.zone):%H:%M}", patient_id=number, issuer="temporary",
            sex=request.sex, temporary=True,
        )  # fmt: skip
        step = ScheduledStep(
            key=Store.new_key(), start=now, identity=identity, origin="emergency", modality=self._modality(),
            procedure=EMERGENCY.capitalize(), protocol=request.protocol, reason="emergency",
        )  # fmt: skip
        return await self._entered(step, actor)

    async def _entered(self, step: ScheduledStep, actor: Actor) -> dict[str, Any]:
        if sum(kept.step.origin != "scheduled" and not kept.runs for kept in self._desk.known.values()) > _MOST_WAITING:
            raise RefusedError(f"more than {_MOST_WAITING} entries that were made here wait: discontinue some of them")
        await self._desk.enter(step, actor.user)
        proposal = await self._desk.proposal(step)
        return {"entry": step.key, "protocol": proposal.protocol, "proposal": proposal.words}

    async def _discontinue(self, request: WorklistDiscontinue, actor: Actor) -> dict[str, Any]:
        kept = await self._desk.kept(request.entry, actor.user)
        if kept.status in ("in preparation", "acquiring"):
            raise RefusedError(f"it is {kept.status}: stop the acquisition first")
        if kept.discontinued:
            raise RefusedError("it has been discontinued already")
        reason = kept.now.identity.redact(request.reason)
        await self._desk.note("discontinued", request.entry, actor.user, reason=reason)
        return {"entry": request.entry, "status": kept.status}

    def _phantom(self) -> PatientIdentity:
        now = self._desk.around.clock()
        number = f"{self._before}PHANTOM-{now:%Y%m%d-%H%M%S}-{_random()}"
        return PatientIdentity(name="PHANTOM", patient_id=number, issuer="phantom", sex="other")

    def _start(self, text: str | None) -> datetime:
        now = self._desk.around.clock()
        if text is None:
            return now
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise UsageError(f"start = {text!r}: no date and time, such as 2026-01-31T09:30") from None
        found = found if found.tzinfo is not None else found.replace(tzinfo=self._desk.around.zone)
        if abs(found - now) > _FAR:
            raise UsageError(f"start = {text!r}: more than a year from now")
        return found

    def _modality(self) -> str:
        return min(self._desk.around.modalities, default="NM")


def typed_identity(told: dict[str, Any]) -> PatientIdentity:
    """Return an identity that a person typed. Raise `RefusedError` that names the field and shows nothing of it."""
    if told.get("temporary"):
        raise RefusedError("patient temporary: an emergency has a verb of its own")
    return identity_of(told)


def _random() -> str:
    return secrets.token_hex(_NUMBER // 2).upper()
