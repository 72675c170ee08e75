"""How much is served at a time, and how fast. What stops something is counted nowhere and always served."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from daq.gateway.problems import problem
from daq.model.verbs import ALWAYS

MOST = 64
MOST_OF_ONE = 16
BURST, PER_S = 200.0, 40.0
"""Requests that one browser may send at once, and on and on; files of the page are not counted."""
_MOST_BROWSERS = 1000
_STOPS = frozenset(f"/api/v1/commands/{verb}" for verb in ALWAYS)


@dataclass(slots=True)
class _Browser:
    """What one browser has under way, and what it may still send."""

    at_s: float
    left: float = BURST
    under_way: int = 0


class Limits:
    """Refuses what is too much: requests under way of all and of one browser, and requests of one browser in a second.

    A browser is told from others by its address and its cookies.
    """

    def __init__(self, app: ASGIApp, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._clock = app, clock
        self._browsers: dict[tuple[str, bytes], _Browser] = {}
        self._all = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or answer 429."""
        if scope["type"] != "http" or scope["path"] in _STOPS:
            await self._app(scope, receive, send)
            return
        browser = self._browser(_whose(scope))
        why = self._against(browser, scope["path"])
        if why is not None:
            refused = problem(
                429, "Too many at once", f"{why}, which is the limit; try again", kind="BusyError", exit_code=3
            )
            refused.headers["Retry-After"] = "1"
            await refused(scope, receive, send)
            return
        browser.under_way += 1
        self._all += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._all -= 1
            browser.under_way -= 1

    def _against(self, browser: _Browser, path: str) -> str | None:
        if browser.left < 1.0:
            return f"this browser has sent more than {PER_S:g} requests in a second"
        browser.left -= not path.startswith("/static/")
        if browser.under_way >= MOST_OF_ONE:
            return f"{browser.under_way} requests of this browser are under way"
        return f"{self._all} requests are under way" if self._all >= MOST else None

    def _browser(self, whose: tuple[str, bytes]) -> _Browser:
        """Return what is known of a browser, with what it may send by now; the newest stand last."""
        now_s = self._clock()
        browser = self._browsers.pop(whose, None) or _Browser(now_s)
        browser.left = min(BURST, browser.left + (now_s - browser.at_s) * PER_S)
        browser.at_s = now_s
        self._browsers[whose] = browser
        while len(self._browsers) > _MOST_BROWSERS:
            del self._browsers[next(iter(self._browsers))]
        return browser


def _whose(scope: Scope) -> tuple[str, bytes]:
    cookies = b";".join(value for name, value in scope["headers"] if name == b"cookie")
    return (scope["client"] or ("", 0))[0], cookies
