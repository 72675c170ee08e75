"""How much is served at a time. What stops something is counted nowhere and always served."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from daq.gateway.problems import problem
from daq.model.verbs import ALWAYS

_MOST = 64
_MOST_OF_ONE = 16
_STOPS = frozenset(f"/api/v1/commands/{verb}" for verb in ALWAYS)


class Limits:
    """Refuses what is too much at once: requests under way of all, and of one browser (by its cookies and address)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way: dict[tuple[str, bytes], int] = {}
        self._all = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or answer 429."""
        if scope["type"] != "http" or scope["path"] in _STOPS:
            await self._app(scope, receive, send)
            return
        whose = _whose(scope)
        mine = self._under_way.get(whose, 0)
        if self._all >= _MOST or mine >= _MOST_OF_ONE:
            text = (
                f"{mine if mine >= _MOST_OF_ONE else self._all} requests are under way, which is the limit; try again"
            )
            refused = problem(429, "Too many at once", text, kind="BusyError", exit_code=3)
            refused.headers["Retry-After"] = "1"
            await refused(scope, receive, send)
            return
        self._under_way[whose] = mine + 1
        self._all += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._all -= 1
            left = self._under_way.pop(whose) - 1
            if left:
                self._under_way[whose] = left


def _whose(scope: Scope) -> tuple[str, bytes]:
    cookies = b";".join(value for name, value in scope["headers"] if name == b"cookie")
    return (scope["client"] or ("", 0))[0], cookies
