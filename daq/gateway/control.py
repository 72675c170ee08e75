"""Control of the scanner among the consoles: who holds it, who wants it; each change is a line of the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daq.composition.fronts import Offer
from daq.errors import AccessError, ControlHeldError, MissingError, RefusedError, UsageError
from daq.gateway.sessions import Session, Sessions
from daq.model.arguments import Text
from daq.model.station import DAEMON, Actor, Role, utc_now
from daq.state.consolecontrol import Change, Console, ConsoleControl

LEAST = Role.TECHNOLOGIST
_PATIENT = (
    "a patient is on the bed: hand control over to a colleague, state that the bed is empty once it is, or give "
    "a reason"
)


class ControlRequest(BaseModel):
    """What is done with control. `to`: whom it is handed over to, a user's name or the number of a session."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    action: Literal["take", "withdraw", "release", "hand-over"]
    reason: Text = ""
    to: Annotated[str, Field(max_length=64)] = ""


class Control:
    """Who holds it. For the loop's thread only."""

    def __init__(self, offer: Offer, sessions: Sessions) -> None:
        self._offer, self._sessions = offer, sessions
        self._state = ConsoleControl()
        self._since_utc = ""
        self.changes = 0
        """Grows with every change; who shows it asks again."""
        sessions.on_end = self._session_ended

    @property
    def holder(self) -> str | None:
        """Return the number of the session that holds it."""
        return self._state.holder.session if self._state.holder else None

    def restore(self, number: str | None) -> None:
        """Give it back to the session that held it before the daemon was restarted."""
        session = self._sessions.of_number(number) if number else None
        if session is not None and session.role >= LEAST:
            self._state = ConsoleControl(_console(session))
            self._since_utc = utc_now()
            self.changes += 1

    def claim(self, verb: str, session: Session) -> None:
        """Need it for a command: taken where it is free. Raise `ControlHeldError`, with a line in the audit log."""
        try:
            self._happened(self._state.claim(_console(session), gone_s=self._gone_s()), _actor(session))
        except ControlHeldError as why:
            self._offer.audit.note(_actor(session), verb, "", result="refused", error=str(why))
            raise

    async def act(self, request: ControlRequest, session: Session) -> dict[str, Any]:
        """Do what is asked, and return how it is then. Raise `AccessError`, `ControlHeldError` or `RefusedError`."""
        if session.role < LEAST:
            raise AccessError(
                f"{session.user} ({session.role.name.lower()}) may not hold control: that needs {LEAST.name.lower()}"
            )
        who = _console(session)
        match request.action:
            case "take":
                change = self._state.take(who, request.reason, self._sessions.clock(), gone_s=self._gone_s())
            case "withdraw":
                change = self._state.withdraw(who)
            case "hand-over":
                change = self._state.hand_over(who, self._receiver(request.to, session), request.reason)
            case "release":
                if self.holder == session.number and not request.reason and await self.patient_on_bed():
                    raise RefusedError(_PATIENT)
                change = self._state.release(who, request.reason)
        self._happened(change, _actor(session))
        return self.told()

    async def require_sign_out(self, session: Session) -> None:
        """Raise `RefusedError` where a session holds control with a patient on the bed: nobody is to be forgotten."""
        if self.holder == session.number and await self.patient_on_bed():
            raise RefusedError("you hold control and a patient is on the bed: hand control over, or state that the "
                               "bed is empty once it is; then sign out")  # fmt: skip

    async def patient_on_bed(self) -> bool:
        """Return whether a patient is on the bed: one was prepared, and nobody has stated since that it is empty."""
        status = await self._offer.command("status", {}, DAEMON)
        bed = status.get("bed")
        return isinstance(bed, dict) and bool(bed.get("patient"))

    def moved(self, old: Session, new: Session) -> None:
        """Let control follow a user who signs in again at the same browser."""
        if self.holder == old.number and new.role >= LEAST:
            self._happened(self._state.hand_over(_console(old), _console(new), "signed in again"), _actor(new))

    def role_changed(self, session: Session) -> None:
        """Take it from somebody who may no longer hold it."""
        if session.role < LEAST:
            self._happened(self._state.ended(session.number, "the role was changed"), DAEMON)

    def tick(self) -> None:
        """Let time pass."""
        wish = self._state.wish
        there = wish is not None and self._is_there(wish.by.session)
        self._happened(self._state.tick(self._sessions.clock(), there=there), DAEMON)

    @contextmanager
    def watching(self, session: Session) -> Iterator[None]:
        """Know that a browser of this session is there."""
        session.watching += 1
        try:
            yield
        finally:
            session.watching -= 1
            session.heard_s = self._sessions.clock()

    def told(self) -> dict[str, Any]:
        """Return who holds it and who wants it, as plain data. `left_s`: until it passes over."""
        holder, wish = self._state.holder, self._state.wish
        left_s = self._state.left_s(self._sessions.clock())
        return {
            "holder": None if holder is None else {**_plain(holder), "since_utc": self._since_utc},
            "request": None if wish is None else {**_plain(wish.by), "reason": wish.reason, "left_s": left_s},
        }

    def others(self, session: Session) -> list[dict[str, Any]]:
        """Return to whom it can be handed over: who is signed in, looks at a console and may hold it."""
        may = [each for each in self._sessions.going_on() if self._may_receive(each) and each is not session]
        return [{**_plain(_console(each)), "role": each.role.name.lower()} for each in may]

    # Parts

    def _receiver(self, to: str, session: Session) -> Console:
        found = [each for each in self._sessions.going_on() if to in (each.number, each.user) and each is not session]
        able = [each for each in found if self._may_receive(each)]
        if not able:
            why = "may not hold control, or looks at no console now" if found else "is not signed in at another console"
            raise MissingError(f"{to or 'nobody'} {why}")
        return _console(max(able, key=lambda each: each.acted_s))

    @staticmethod
    def _may_receive(session: Session) -> bool:
        return session.role >= LEAST and session.watching > 0

    def _is_there(self, number: str) -> bool:
        session = self._sessions.of_number(number)
        return session is not None and self._gone(session) < _STALE_S

    def _gone_s(self) -> float:
        session = self._sessions.of_number(self.holder or "")
        return float("inf") if session is None else self._gone(session)

    def _gone(self, session: Session) -> float:
        return 0.0 if session.watching else self._sessions.clock() - session.heard_s

    def _session_ended(self, session: Session) -> None:
        self._happened(self._state.ended(session.number, session.ended), DAEMON)

    def _happened(self, change: Change | None, by: Actor) -> None:
        if change is None:
            return
        self.changes += 1
        if change.new != change.old or not self._since_utc:
            self._since_utc = utc_now()
        old, new = (None if each is None else f"{each.user} ({each.session})" for each in (change.old, change.new))
        self._offer.audit.note(
            by, "control", change.what, result="asked" if change.what == "requested" else "done",
            old=old, new=new, reason=change.reason,
        )  # fmt: skip


_STALE_S = 30.0
"""Whoever asked for control and was not heard for so long does not get it."""


def control_request(body: dict[str, Any]) -> ControlRequest:
    """Return what is asked; raise `UsageError` for what is not understood."""
    try:
        return ControlRequest.model_validate(body)
    except ValidationError as why:
        first = why.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"control: {place + ': ' if place else ''}{first['msg']}") from None


def _console(session: Session) -> Console:
    return Console(session.number, session.user)


def _plain(console: Console) -> dict[str, Any]:
    return {"user": console.user, "session": console.session}


def _actor(session: Session) -> Actor:
    return Actor(session.user, "console", session.role, uid=session.uid)
