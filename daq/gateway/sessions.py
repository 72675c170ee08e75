"""Who is signed in: sessions by cookie, and links that sign in once.

A link is made for somebody whom the kernel vouches for on the local socket (`daq console link`), and is good for one
sign-in within minutes. A session ends when somebody signs out, when nobody did anything for a shift, and at once when
its user may no longer sign in. A browser whose session has ended is told why, and may still stop what moves.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from daq.errors import AccessError, RefusedError
from daq.model.station import Role, utc_now

LINK_S = 600.0
IDLE_S = 12 * 3600.0
"""A shift: who commands nothing for so long signs in again."""
_REMEMBERED_S = 7 * 24 * 3600.0
"""A session that has ended is known so long, for browsers that were left open."""
_MOST = 200
_MOST_ENDED = 1000


@dataclass(slots=True)
class Session:
    """Somebody at a browser. Times are of the clock of `Sessions`."""

    number: str
    """Names the session in messages; says nothing about its cookie."""
    user: str
    role: Role
    acted_s: float
    """When something was last commanded, or somebody signed in."""
    heard_s: float
    """When its browser was last heard at all."""
    proof: str = ""
    """Of somebody who signed in by password: what changes with it. Empty where the kernel vouched for the user."""
    uid: int | None = None
    ended: str = ""
    """Why it has ended; empty while it has not."""
    begun_utc: str = ""
    """When somebody signed in."""
    watching: int = 0
    """WebSockets of this session that are open."""


class Sessions:
    """Who is signed in. Cookies and links are kept as hashes; `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._by_cookie: dict[str, Session] = {}
        self._links: dict[str, tuple[str, Role, int | None, float]] = {}
        self.on_end: Callable[[Session], None] = lambda _: None
        """Hears of every session that ends."""
        self.changes = 0
        """Grows with every session that begins or ends."""

    def link(self, user: str, role: Role, uid: int | None = None) -> str:
        """Return a token that signs `user` in, once, within ten minutes."""
        now_s = self.clock()
        self._links = {key: told for key, told in self._links.items() if told[3] > now_s}
        if len(self._links) >= _MOST:
            raise RefusedError(f"{_MOST} links are waiting to be used, which is the limit; use one, or wait")
        token = secrets.token_urlsafe(32)
        self._links[hashed(token)] = user, role, uid, now_s + LINK_S
        return token

    def by_link(self, token: str) -> str:
        """Return the cookie of a new session; raise `AccessError` for a link that is used up or too old."""
        user, role, uid, until_s = self._links.pop(hashed(token), ("", Role.VIEWER, None, 0.0))
        if self.clock() > until_s or not user:
            raise AccessError("the link has been used, or is older than ten minutes: ask for a new one")
        return self.begin(user, role, uid=uid)

    def begin(self, user: str, role: Role, *, proof: str = "", uid: int | None = None) -> str:
        """Return the cookie of a new session; the longest unused one ends where there are too many."""
        cookie, now_s = secrets.token_urlsafe(32), self.clock()
        going_on = self.going_on()
        if len(going_on) >= _MOST:
            self.finish(min(going_on, key=lambda each: each.heard_s), "too many others have signed in")
        session = Session(secrets.token_hex(4), user, role, now_s, now_s, proof, uid, begun_utc=utc_now())
        self.put(hashed(cookie), session)
        return cookie

    def put(self, key: str, session: Session) -> None:
        """Have a session by the hash of its cookie: one that begins, or was there before the daemon was restarted."""
        self._by_cookie[key] = session
        self.changes += 1

    def find(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie, None where nobody is signed in."""
        session = self.known(cookie)
        if session is None or session.ended:
            return None
        session.heard_s = self.clock()
        return session

    def known(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie, also one that has ended by itself; None where there was none."""
        session = self._by_cookie.get(hashed(cookie)) if cookie else None
        if session is not None:
            self._end_if_idle(session)
        return session

    def of_number(self, number: str) -> Session | None:
        """Return the session of a number, while it goes on."""
        return next((each for each in self.going_on() if each.number == number), None)

    def going_on(self) -> list[Session]:
        """Return who is signed in."""
        return [session for session in self._by_cookie.values() if not session.ended]

    def kept(self) -> dict[str, Session]:
        """Return who is signed in, by hash of the cookie: what survives a restart."""
        return {key: session for key, session in self._by_cookie.items() if not session.ended}

    def end(self, cookie: str | None) -> None:
        """Sign out."""
        if cookie and (session := self._by_cookie.pop(hashed(cookie), None)) is not None:
            self.finish(session, "signed out")

    def finish(self, session: Session, why: str) -> None:
        """End a session by itself; its browser is told why."""
        if not session.ended:
            session.ended = why
            self.changes += 1
            self.on_end(session)

    def tidy(self) -> None:
        """End what was idle for a shift, and forget what ended long ago."""
        for session in self.going_on():
            self._end_if_idle(session)
        ended = {key: each for key, each in self._by_cookie.items() if each.ended}
        for count, (key, session) in enumerate(reversed(ended.items())):
            if count >= _MOST_ENDED or self.clock() - session.heard_s > _REMEMBERED_S:
                del self._by_cookie[key]

    def _end_if_idle(self, session: Session) -> None:
        if not session.ended and self.clock() - session.acted_s > IDLE_S:
            self.finish(session, f"nothing was commanded for {IDLE_S / 3600:g} hours")


def hashed(secret: str) -> str:
    """Return what is kept of a cookie or link."""
    return hashlib.sha256(secret.encode()).hexdigest()
