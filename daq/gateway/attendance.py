"""Who is signed in at the consoles, for whoever looks after them; and the end of a session that somebody left open."""

from __future__ import annotations

from typing import Any

from daq.errors import MissingError, RefusedError
from daq.gateway.control import Control
from daq.gateway.sessions import Session, Sessions
from daq.model.arguments import Arguments
from daq.model.console.service_verbs import ConsoleSessionEnd
from daq.model.station import Actor


class Attendance:
    """Answers the verbs `console-sessions` and `console-session-end`. For the loop's thread only."""

    def __init__(self, sessions: Sessions, control: Control) -> None:
        self._sessions, self._control = sessions, control

    async def told(self, _: Arguments, __: Actor) -> dict[str, Any]:
        """Return the sessions that go on, those that look at a console first, then by when they began."""
        going_on = sorted(self._sessions.going_on(), key=lambda each: (not each.watching, each.begun_utc))
        return {"sessions": [self._plain(each) for each in going_on]}

    async def end(self, asked: ConsoleSessionEnd, actor: Actor) -> dict[str, Any]:
        """End a session. Raise `MissingError` where it does not go on, `RefusedError` with a patient on the bed."""
        session = self._sessions.of_number(asked.session)
        if session is None:
            raise MissingError("that session has ended already")
        if self._control.holder == session.number and await self._control.patient_on_bed():
            raise RefusedError(f"{session.user} holds control and a patient is on the bed: ask for control first")
        self._sessions.finish(session, f"{actor.user} has ended it: {asked.reason}")
        return {"ended": session.number, "user": session.user}

    def _plain(self, session: Session) -> dict[str, Any]:
        return {
            "session": session.number, "user": session.user, "role": session.role.name.lower(),
            "since_utc": session.begun_utc, "pages": session.watching,
            "in_control": self._control.holder == session.number,
            "idle_s": round(self._sessions.clock() - session.acted_s),
        }  # fmt: skip
