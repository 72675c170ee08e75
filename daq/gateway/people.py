"""Who may use the console: sign-in by password, sessions that survive a restart, roles that change meanwhile."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from daq.composition.fronts import Offer
from daq.errors import AccessError, BusyError, RefusedError, ScandaqError
from daq.gateway import accounts, sessionfile
from daq.gateway.accounts import Account
from daq.gateway.control import Control
from daq.gateway.sessions import Session, Sessions
from daq.gateway.throttle import Throttle
from daq.model.station import DAEMON, Actor, Role
from daq.services.worker import Worker

_LOG = logging.getLogger(__name__)
LOOK_S = 0.5
"""How often the file of users is looked at."""
_TICK_S = 0.25
_DISK_S = 5.0
_KEEP_S = 60.0
_HASHING_S = 10.0
_WAITING = 8
"""Passwords that wait to be looked at; one is looked at at a time, so that the readout keeps its cores."""
_WRONG = "user and password do not belong together"


class People:
    """Signs people in, and keeps up with the file of users."""

    def __init__(self, offer: Offer, sessions: Sessions, control: Control) -> None:
        self._offer, self._sessions, self._control = offer, sessions, control
        folder = offer.site.state_folder
        self.users_file = offer.site.console.users or folder / accounts.USERS_FILE
        self._sessions_file: Path = folder / sessionfile.SESSIONS_FILE
        self._accounts: dict[str, Account] = {}
        self._seen: tuple[int, ...] | None = None
        self._told = ""
        self._throttle = Throttle()
        self._hashing = Worker("console-passwords", waiting=_WAITING)
        self._files = Worker("console-files")
        self._kept = (0, 0)

    async def begin(self) -> None:
        """Read who may sign in and who is signed in."""
        await self._look()
        try:
            holder = await self._files.call(sessionfile.restore, self._sessions_file, self._sessions)
        except ScandaqError as why:
            _LOG.error("nobody stays signed in: %s", why)
            holder = None
        self._follow_roles()
        self._control.restore(holder)

    async def tend(self) -> None:
        """Keep up until cancelled. A disk that hangs holds up no passing of control."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass_time(), name="console-time")
            tasks.create_task(self._keep_up(), name="console-files")

    async def _pass_time(self) -> None:
        while True:
            self._control.tick()
            self._sessions.tidy()
            await asyncio.sleep(_TICK_S)

    async def _keep_up(self) -> None:
        kept_s = 0.0
        while True:
            await self._look()
            now_s = asyncio.get_running_loop().time()
            if self._kept != self._changes() or now_s - kept_s > _KEEP_S:
                kept_s = now_s
                await self.keep()
            await asyncio.sleep(LOOK_S)

    async def keep(self) -> None:
        """Have sessions survive a restart; a disk that refuses costs that alone."""
        changes = self._changes()
        content = sessionfile.content_of(self._sessions, self._control.holder)
        try:
            await self._files.call_within(_DISK_S, sessionfile.save, self._sessions_file, content)
        except ScandaqError as why:
            self._tell(f"sessions of the console would not survive a restart: {why}")
        self._kept = changes

    async def by_password(self, user: str, password: str, address: str) -> str:
        """Return the cookie of a new session. Raise `AccessError` for what is wrong, `BusyError` for too many tries."""
        account = await self._account(user, password, address)
        return self._sessions.begin(user, account.role, proof=account.proof)

    async def vouched(self, user: str, password: str, address: str) -> Role:
        """Return the role of somebody who says their password. Raises what `by_password` does."""
        return (await self._account(user, password, address)).role

    def signed_beside(self, user: str, role: Role, session: Session, address: str) -> None:
        """Write into the audit log that a second person signed beside whoever is signed in."""
        self._offer.audit.note(Actor(user, "console", role), "sign-beside", address, result="done", new=session.user)

    async def _account(self, user: str, password: str, address: str) -> Account:
        account = self._accounts.get(user)
        named = user if account is not None else "somebody"  # else it may be a password, typed into the wrong field
        self._throttle.check(user, address)
        try:
            right = await self._hashing.call_within(_HASHING_S, accounts.right, account, password)
        except RefusedError:
            raise BusyError("too many people sign in at this moment: try again in a few seconds") from None
        if account is None or not right:
            self._throttle.wrong(user, address)
            self._offer.audit.note(Actor(named, "console"), "sign-in", address, result="refused", error=_WRONG)
            raise AccessError(f"{_WRONG}; look at the capital letters, or ask whoever manages the users")
        self._throttle.right(user, address)
        now = self._accounts.get(user)
        if now is None or now.proof != account.proof:  # while the password was looked at
            raise AccessError("the user was removed, or the password was changed, in this moment")
        return now

    def signed_in(self, session: Session, address: str) -> None:
        """Write into the audit log that somebody has signed in."""
        actor = Actor(session.user, "console", session.role, uid=session.uid)
        self._offer.audit.note(actor, "sign-in", address, result="done", new=session.number)

    def signed_out(self, session: Session) -> None:
        """Write into the audit log that somebody has signed out."""
        actor = Actor(session.user, "console", session.role, uid=session.uid)
        self._offer.audit.note(actor, "sign-out", "", result="done", old=session.number)

    # The file of users

    async def _look(self) -> None:
        try:
            found = await self._files.call_within(_DISK_S, self._changed)
        except ScandaqError as why:
            self._tell(f"the users of the console stay as they were: {why}")
            return
        if found is not None:
            self._tell_changes(found)
            self._accounts = found
            self._follow_roles()

    def _changed(self) -> dict[str, Account] | None:
        """Return who may sign in where the file is another one than before. In a thread."""
        try:
            at = self.users_file.stat()
            seen: tuple[int, ...] = (at.st_mtime_ns, at.st_size, at.st_ino)
        except OSError:
            seen = ()
        if seen == self._seen:
            return None
        found = accounts.load_accounts(self.users_file)
        self._seen = seen
        return found

    def _tell_changes(self, found: dict[str, Account]) -> None:
        """Have the audit log say who may sign in now."""
        for name in sorted(found.keys() | self._accounts.keys()):
            old, new = self._accounts.get(name), found.get(name)
            if old != new:
                roles = [None if each is None else each.role.name.lower() for each in (old, new)]
                self._offer.audit.note(DAEMON, "console-user", name, result="done", old=roles[0], new=roles[1])

    def _follow_roles(self) -> None:
        """Let every session have the role of its user as it is now, and end those of users who are gone."""
        for session in self._sessions.going_on():
            role = self._role_of(session)
            if role is None:
                self._sessions.finish(session, "the user was removed, or the password was changed")
            elif role is not session.role:
                session.role = role
                self._control.role_changed(session)
                self._sessions.changes += 1

    def _role_of(self, session: Session) -> Role | None:
        if session.uid is not None:
            return self._offer.role_of(session.user, session.uid)
        account = self._accounts.get(session.user)
        return account.role if account is not None and account.proof == session.proof else None

    def _changes(self) -> tuple[int, int]:
        return self._sessions.changes, self._control.changes

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            _LOG.error("%s", text)
