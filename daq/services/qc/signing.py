"""Signing results, striking them out, making one the reference: requests about results of the books.

A signature binds a name and a meaning to the hash of a result. Whose it is, the kernel says on the local socket, and at
the console who signed in there; over MQTT nobody signs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from daq.errors import AccessError, RefusedError, ScandaqError, UsageError
from daq.model.qc.documents import Document, DocumentKind, new_identity
from daq.model.qc.figures import Level
from daq.model.qc.known import ANALYSES
from daq.model.qc.verbs import QcReference, QcSign, QcStrike
from daq.model.station import DAEMON, Actor, Role, utc_now
from daq.qc.judging import against_itself
from daq.services.qc.abilities import Books, Kept
from daq.services.qc.handlers import Handlers

_NO_PERSONS = frozenset({DAEMON.user, "autoqc"})
"""Who performs tests without being anybody: such a result may be approved by whoever may approve."""
MEANINGS = ("performed", "reviewed", "approved")
_REFERENCES = (Level.IN_LIMITS, Level.NOT_JUDGED)


@dataclass(frozen=True, slots=True)
class Where:
    """What documents say of where they were made."""

    station: str = ""
    scanner: str = ""
    simulated: bool = False

    def document(
        self, kind: DocumentKind, actor: Actor, body: Mapping[str, Any], *, name: str = "", about: str = "",
        at_utc: str | None = None, after: Document | None = None,
    ) -> Document:  # fmt: skip
        """Return a new document; `name` becomes a part of its id.

        `after`: the one whose place it takes. The newest counts, so it is never dated before that one, though the
        clock may have been ahead then; such a date lies in the future, and is said to be doubtful.
        """
        now = utc_now() if after is None else max(utc_now(), _just_after(after))
        told = {**body, "by": actor.user, "about": about, "entered_utc": now}
        identity = new_identity(f"{kind}-{name}" if name else kind, at_utc or now, told)
        return Document(
            identity, kind, at_utc or now, now, actor.user, body, about, self.station, self.scanner, self.simulated
        )


class Signing:
    """Carries out requests about results. `alone`: whoever performed a test may approve it, too."""

    def __init__(self, books: Books, where: Where, *, alone: bool = False) -> None:
        self._books, self._where, self._alone = books, where, alone
        self._turn = asyncio.Lock()

    def handlers(self) -> Handlers:
        """Return who carries out which verb."""
        return {"qc-sign": self._sign, "qc-strike": self._strike, "qc-reference": self._reference}

    async def _sign(self, request: QcSign, actor: Actor) -> dict[str, Any]:
        _require_person(actor, "a signature")
        async with self._turn:  # two who sign at once: what the second may depends on the first
            kept = await self._books.result(request.result)
            self._require_signable(kept, request, actor)
            body = {
                "meaning": request.meaning, "sha256": kept.document.sha256, "comment": request.comment,
                "level": str(kept.result.level), "uid": actor.uid,
            }  # fmt: skip
            signature = self._where.document("signature", actor, body, about=kept.document.id)
            await self._books.put(signature)
        signed = [*kept.signatures, signature]
        return {
            "result": kept.document.id, "signature": signature.id, "sha256": kept.document.sha256,
            "meaning": request.meaning, "by": actor.user, "at_utc": signature.at_utc,
            "signatures": [[each.by, each.body["meaning"], each.at_utc] for each in signed],
        }  # fmt: skip

    def _require_signable(self, kept: Kept, request: QcSign, actor: Actor) -> None:
        first = kept.document
        if request.sha256 != first.sha256:
            raise RefusedError(
                f"{first.id}: what you read has the SHA-256 {request.sha256[:12]}..., the result has "
                f"{first.sha256[:12]}...: read it again, then sign"
            )
        _require_standing(kept)
        if any(each.by == actor.user for each in kept.signed(request.meaning)):
            raise RefusedError(f"{first.id}: {actor.user} has signed it as {request.meaning} before")
        if request.meaning == "approved" and actor.role < Role.PHYSICIST:
            raise AccessError(f"{actor.user} ({actor.role.name.lower()}) may not approve: that needs physicist")
        self._require_two(kept, request.meaning, actor.user)

    def _require_two(self, kept: Kept, meaning: str, user: str) -> None:
        """Demand that nobody approves what he performed, unless the site allows it."""
        performed = {kept.document.by, *(each.by for each in kept.signed("performed"))} - _NO_PERSONS
        approved = {each.by for each in kept.signed("approved")}
        wrong = user in performed if meaning == "approved" else meaning == "performed" and user in approved
        if wrong and not self._alone:
            raise RefusedError(
                f"{kept.document.id}: {user} cannot both perform and approve it; somebody else signs, or the site file "
                "allows it ([qc] one_person_may_approve)"
            )

    async def _strike(self, request: QcStrike, actor: Actor) -> dict[str, Any]:
        _require_person(actor, "a strike")
        if not request.reason.strip():
            raise UsageError("qc-strike: a reason is needed; it stays with the result")
        async with self._turn:
            kept = await self._books.result(request.result)
            _require_standing(kept)
            reference = await self._books.reference(kept.result.test)
            body = {"reason": request.reason, "sha256": kept.document.sha256, "test": kept.result.test}
            strike = self._where.document("strike", actor, body, about=kept.document.id)
            await self._books.put(strike)
        was = reference is not None and reference.document.id == kept.document.id
        return {"result": kept.document.id, "strike": strike.id, "by": actor.user, "was_reference": was}

    async def _reference(self, request: QcReference, actor: Actor) -> dict[str, Any]:
        _require_person(actor, "a reference")
        async with self._turn:
            kept = await self._books.result(request.result)
            first, before = kept.document, await self._require_reference(kept)
            body = {
                "test": kept.result.test, "sha256": first.sha256, "reason": request.reason,
                "before": before.document.id if before else None,
            }  # fmt: skip
            newest = await self._books.reference_entry(kept.result.test)
            made = self._where.document("reference", actor, body, name=kept.result.test, about=first.id, after=newest)
            await self._books.put(made)
        return {"result": first.id, "test": kept.result.test, "before": body["before"], "reference": made.id}

    async def against(self, kept: Kept, actor: Actor) -> dict[str, str]:
        """Return why somebody may not sign, strike out or make the reference: by what it is; empty where it may be."""
        first, told = kept.document, {}
        for meaning in MEANINGS:
            request = QcSign(result=first.id, sha256=first.sha256, meaning=meaning)
            least = Role.PHYSICIST if meaning == "approved" else Role.QC
            told[meaning] = _lacks(actor, least) or _why(partial(self._require_signable, kept, request, actor))
        told["strike"] = _lacks(actor, Role.PHYSICIST) or _why(partial(_require_standing, kept))
        told["reference"] = _lacks(actor, Role.PHYSICIST)
        if not told["reference"]:
            try:
                await self._require_reference(kept)
            except ScandaqError as why:
                told["reference"] = str(why)
        return {what: why.removeprefix(f"{first.id}: ") for what, why in told.items()}

    async def _require_reference(self, kept: Kept) -> Kept | None:
        """Demand that a result can be made the reference; return the one before it."""
        _require_standing(kept)
        first = kept.document
        if first.simulated and not self._where.simulated:
            raise RefusedError(f"{first.id}: it is simulated, and this is a real machine")
        if not kept.signed("approved"):
            raise RefusedError(f"{first.id}: nobody has approved it; a reference needs a signature as approved")
        before = await self._books.reference(kept.result.test)
        if kept.result.level not in _REFERENCES:
            await self._require_normal(kept, before)
        if before is not None and before.document.id == first.id:
            raise RefusedError(f"{first.id}: it is the reference of {kept.result.test} already")
        return before

    async def _require_normal(self, kept: Kept, before: Kept | None) -> None:
        """Demand that a reference alone keeps a result from being in limits: there is none, or another normal began."""
        first, level = kept.document, kept.result.level
        kind = ANALYSES.get(kept.result.analysis)
        alone = level if kind is None else against_itself(kept.result, kind)
        if alone not in _REFERENCES:
            raise RefusedError(
                f"{first.id}: a reference is in limits, or not judged; this result is {alone}, whatever it is compared "
                "with"
            )
        if level is Level.NOT_EVALUABLE or before is None:
            return
        since, until = before.document.at_utc, first.at_utc
        events = await self._books.events(kept.result.test, since_utc=since)
        if not any(since < each.at_utc <= until for each in events):
            raise RefusedError(
                f"{first.id}: it is beyond the {level} level against the reference, {before.document.id}, and no event "
                "lies between them: a change that nobody explains is no new normal (daq qc event)"
            )


def _lacks(actor: Actor, least: Role) -> str:
    return "" if actor.role >= least else f"that needs the role {least.name.lower()}"


def _why(demand: Callable[[], None]) -> str:
    """Return why something that is demanded does not hold; empty where it does."""
    try:
        demand()
    except ScandaqError as why:
        return str(why)
    return ""


def _just_after(document: Document) -> str:
    at = datetime.fromisoformat(max(document.at_utc, document.entered_utc)) + timedelta(milliseconds=1)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _require_person(actor: Actor, what: str) -> None:
    if actor.uid is None and actor.origin not in ("daemon", "console"):
        raise AccessError(
            f"{what} is taken on the station's own host alone, where the kernel says who asks, and at its console"
        )


def _require_standing(kept: Kept) -> None:
    if kept.struck is not None:
        reason = kept.struck.body.get("reason")
        raise RefusedError(f"{kept.document.id} was struck out by {kept.struck.by}, {kept.struck.at_utc}: {reason}")
