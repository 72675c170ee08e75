"""Identities that turn out to be others: a temporary one is reconciled, a wrong one corrected, both countersigned.

Both identities, who, when and why are noted first; then every acquisition of the entry is given the new one. What
cannot be written now is told, and brought up to date when the daemon is started again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from daq.errors import RefusedError
from daq.model.console.worklist_verbs import WorklistCorrect, WorklistCountersign, WorklistReconcile
from daq.model.patient import PatientIdentity
from daq.model.station import Actor
from daq.services.worklist.desk import Desk, Handler
from daq.services.worklist.entering import typed_identity
from daq.services.worklist.kept import Change, Kept, identity_json
from daq.services.worklist.moving import give

_LOG = logging.getLogger(__name__)


class Identities:
    """Changes identities of entries and of what was acquired of them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def handlers(self) -> dict[str, Handler]:
        """Return who carries out which verb."""
        return {
            "worklist-reconcile": self._reconcile, "worklist-correct": self._correct,
            "worklist-countersign": self._countersign,
        }  # fmt: skip

    async def bring_all(self) -> list[str]:
        """Bring acquisitions up to date that were not there, or could not be written, when an identity was changed."""
        left = []
        for kept in list(self._desk.known.values()):
            left += await give(self._desk, kept)
            left += await self._bring(kept) if kept.changes else []
        return left

    async def _reconcile(self, request: WorklistReconcile, actor: Actor) -> dict[str, Any]:
        kept = await self._desk.kept(request.entry, actor.user)
        if not kept.to_reconcile:
            raise RefusedError("this entry has no temporary identity that waits for the real one")
        if request.other is None:
            identity = typed_identity(request.patient or {})
        else:
            other = await self._desk.kept(request.other, actor.user)
            if other.now.identity.temporary or request.other == request.entry:
                raise RefusedError("the other entry has no real identity either")
            identity = other.now.identity
        why = kept.now.identity.redact(request.reason) or "reconciled"
        await self._change(kept, "reconciliation", identity, why, actor)
        if request.other is not None:
            await self._desk.note("other", kept.key, actor.user, other=request.other)
        return await self._changed(kept, actor, "worklist-reconcile")

    async def _correct(self, request: WorklistCorrect, actor: Actor) -> dict[str, Any]:
        kept = await self._desk.kept(request.entry, actor.user)
        if kept.to_reconcile:
            raise RefusedError("this identity is temporary: it is reconciled, not corrected")
        identity = typed_identity(request.patient)
        if identity == kept.now.identity:
            raise RefusedError("the identity is that already")
        await self._change(kept, "correction", identity, request.reason, actor)
        return await self._changed(kept, actor, "worklist-correct")

    async def _countersign(self, request: WorklistCountersign, actor: Actor) -> dict[str, Any]:
        kept = await self._desk.kept(request.entry, actor.user)
        waiting = [change for change in kept.changes if change.countersigned_by is None]
        if not waiting:
            raise RefusedError("no identity of this entry waits for a second person")
        if any(change.by == actor.user for change in waiting):
            raise RefusedError(f"{actor.user} changed the identity: another person countersigns it")
        await self._desk.note("countersigned", kept.key, actor.user)
        return await self._changed(kept, actor, "worklist-countersign")

    async def _change(self, kept: Kept, kind: Change, identity: PatientIdentity, why: str, actor: Actor) -> None:
        before = kept.now.identity
        await self._desk.note(
            "identity", kept.key, actor.user, kind=kind, before=identity_json(before), after=identity_json(identity),
            reason=why,
        )  # fmt: skip
        if actor.second:
            await self._desk.note("countersigned", kept.key, actor.second)

    async def _changed(self, kept: Kept, actor: Actor, verb: str) -> dict[str, Any]:
        with_whom = (f"with {actor.second}",) if actor.second else ()
        self._desk.around.audited(actor, verb, " ".join((kept.key, *kept.runs, *with_whom)))
        trouble = await self._bring(kept)
        return {
            "entry": kept.other or kept.key, "acquisitions": list(kept.runs), "to_countersign": kept.to_countersign,
            "not_changed": trouble,
        }  # fmt: skip

    async def _bring(self, kept: Kept) -> list[str]:
        """Return which acquisitions do not have the identity yet, and why."""
        trouble = []
        for run in kept.runs:
            why = await asyncio.to_thread(
                self._desk.around.acquisitions.bring, run, kept.now.identity, tuple(kept.changes)
            )
            if why:
                _LOG.error("%s does not have the identity of its entry yet: %s", run, why)
                trouble.append(f"{run}: {why}")
        return trouble
