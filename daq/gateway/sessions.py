"""Who is signed in: sessions by cookie, and links that sign in once.

A link is made for somebody whom the kernel vouches for on the local socket (`daq console link`), and is good for one
sign-in within minutes.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from daq.errors import AccessError, RefusedError
from daq.model.station import Role

LINK_S = 600.0
IDLE_S = 12 * 3600.0
"""A shift: who does nothing for so long signs in again."""
_MOST = 200


@dataclass(slots=True)
class Session:
    """Somebody at a browser."""

    number: str
    """Names the session in messages; says nothing about its cookie."""
    user: str
    role: Role
    seen_s: float


class Sessions:
    """Who is signed in. Cookies and links are kept as hashes; `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._links: dict[str, tuple[str, Role, float]] = {}

    def link(self, user: str, role: Role) -> str:
        """Return a token that signs `user` in, once, within ten minutes."""
        now_s = self._clock()
        self._links = {key: told for key, told in self._links.items() if told[2] > now_s}
        if len(self._links) >= _MOST:
            raise RefusedError(f"{_MOST} links are waiting to be used, which is the limit; use one, or wait")
        token = secrets.token_urlsafe(32)
        self._links[_hashed(token)] = user, role, now_s + LINK_S
        return token

    def by_link(self, token: str) -> str:
        """Return the cookie of a new session; raise `AccessError` for a link that is used up or too old."""
        user, role, until_s = self._links.pop(_hashed(token), ("", Role.VIEWER, 0.0))
        if self._clock() > until_s or not user:
            raise AccessError("the link has been used, or is older than ten minutes: ask for a new one")
        return self.begin(user, role)

    def begin(self, user: str, role: Role) -> str:
        """Return the cookie of a new session; the longest unused one ends where there are too many."""
        cookie = secrets.token_urlsafe(32)
        if len(self._sessions) >= _MOST:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].seen_s)]
        self._sessions[_hashed(cookie)] = Session(secrets.token_hex(4), user, role, self._clock())
        return cookie

    def find(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie, None where nobody is signed in."""
        session = self._sessions.get(_hashed(cookie)) if cookie else None
        if session is None or self._clock() - session.seen_s > IDLE_S:
            return None
        session.seen_s = self._clock()
        return session

    def end(self, cookie: str | None) -> None:
        """Sign out."""
        if cookie:
            self._sessions.pop(_hashed(cookie), None)


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
