"""Acquisitions that turn out to be of somebody else: two persons give them to another entry, both are kept for good.

What happened is noted first, with both identities; then the private file of each acquisition is changed. What cannot be
written now is told, and brought up to date when the daemon is started again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from daq.errors import RefusedError
from daq.model.console.worklist import ScheduledStep
from daq.model.patient import PatientIdentity
from daq.model.station import Actor
from daq.services.worklist.desk import Desk
from daq.services.worklist.entering import typed_identity
from daq.services.worklist.kept import Kept, RunNote, identity_json
from daq.services.worklist.store import Store

_LOG = logging.getLogger(__name__)


class Moving:
    """Gives acquisitions to other entries."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def entry_of(self, runs: Collection[str]) -> tuple[str | None, bool]:
        """Return the entry that has one of these acquisitions, and whether its identity is a temporary one."""
        for key, kept in list(self._desk.known.items()):
            if kept.other is None and any(run in kept.runs for run in runs):
                return key, kept.to_reconcile
        return None, False

    async def move(
        self, runs: Sequence[RunNote], other: str | None, patient: Mapping[str, Any] | None, why: str, actor: Actor
    ) -> dict[str, Any]:  # fmt: skip
        """Give acquisitions to an entry, or to somebody who is typed and gets one; return what became of it.

        Those that are of that patient already stay as they are. Of each the patient before is kept: a study that was
        given away in part has several.

        Raise `RefusedError` for one that is no person, or is who it is already; `MissingError`, `StorageFailedError`.
        """
        whose = {run.run: await asyncio.to_thread(self._desk.around.acquisitions.identity, run.run) for run in runs}
        if all(each is None for each in whose.values()):
            raise RefusedError(f"{runs[0].run} is of nobody, or nobody knows of whom: there is nothing to give away")
        target = await self._entry(other, actor) if other is not None else None
        identity = typed_identity(dict(patient or {})) if target is None else target.now.identity
        given = [(run, there) for run in runs if (there := whose[run.run]) and _person(there) != _person(identity)]
        if not given:
            raise RefusedError(
                "it is of that patient already: what is wrong in an identity is corrected on the worklist"
            )
        kept = target or await self._entered(identity, given[0][0], actor)
        befores = list(dict.fromkeys(there for _, there in given))
        reason = identity.redact(why)
        for before in befores:
            reason = before.redact(reason)
        for before in befores:
            runs_of = [{**asdict(run), **_kept(self._desk, run.run)} for run, there in given if there == before]
            await self._desk.note(
                "moved", kept.key, actor.user, runs=runs_of, before=identity_json(before),
                after=identity_json(identity), reason=reason or "given to another patient", second=actor.second,
            )  # fmt: skip
        names = [run.run for run, _ in given]
        self._desk.around.audited(actor, "study-reassign", f"{kept.key} {' '.join(names)} with {actor.second}")
        trouble = await give(self._desk, self._desk.known[kept.key], names)
        trouble += [f"{name}: nobody knows of whom it is" for name, there in whose.items() if there is None]
        return {"entry": kept.key, "acquisitions": names, "not_changed": trouble}

    async def _entry(self, key: str, actor: Actor) -> Kept:
        kept = await self._desk.kept(key, actor.user)
        if kept.other is not None:
            raise RefusedError("that temporary identity has been reconciled: choose the entry that it turned out to be")
        if kept.now.identity.temporary or kept.step.origin == "phantom":
            raise RefusedError("that entry has no real identity: nothing can be given to it")
        return kept

    async def _entered(self, identity: Any, run: RunNote, actor: Actor) -> Kept:
        around = self._desk.around
        step = ScheduledStep(
            key=Store.new_key(), start=around.clock(), identity=identity, origin="manual",
            modality=min(around.modalities, default="NM"), procedure="", protocol=run.protocol or None,
            reason="recorded under another identity",
        )  # fmt: skip
        await self._desk.enter(step, actor.user)
        return self._desk.known[step.key]


async def give(desk: Desk, kept: Kept, runs: Collection[str] | None = None) -> list[str]:
    """Give acquisitions to who they were moved to, by default all of an entry; return which are not, and why."""
    trouble = []
    for run, moved in list(kept.moved.items()):
        if runs is not None and run not in runs:
            continue
        why = await asyncio.to_thread(desk.around.acquisitions.give, run, kept.now.identity, moved)
        if why:
            _LOG.error("%s is not yet of who it was given to: %s", run, why)
            trouble.append(f"{run}: {why}")
    return trouble


def _person(identity: PatientIdentity) -> tuple[str, str]:
    """Return what tells one patient from another."""
    told = identity.reveal()
    return told["name"], told["patient_id"]


def _kept(desk: Desk, run: str) -> dict[str, Any]:
    """Return what the worklist knows of an acquisition, where it knows it."""
    notes = (kept.runs[run] for kept in list(desk.known.values()) if run in kept.runs)
    found = next(notes, None)
    return {} if found is None else asdict(found)
