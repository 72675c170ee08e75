"""What keeps foreign pages and programs out: headers of every answer, whose name and whose page a request is of.

Two attacks matter to what is served on loopback or in the network of a hospital. A foreign page in the same browser
sends requests here: its `Origin` gives it away. A foreign name is made to lead to this host (DNS rebinding): then
`Host` is not one of ours.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers as Sent
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daq.gateway.closing import closing_words
from daq.gateway.problems import problem

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}  # fmt: skip
TLS_HEADERS = {"Strict-Transport-Security": "max-age=31536000"}
_SAFE = ("GET", "HEAD")
_LOOPBACK_NAMES = frozenset({"localhost"})


class Headers:
    """Adds headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, with these headers on each answer that does not set them itself."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (HEADERS | TLS_HEADERS if scope["scheme"] == "https" else HEADERS).items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, sending)


class Door:
    """Lets requests in whose host is one of `names`, and whose page, where a browser tells it, is of this console."""

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = _LOOPBACK_NAMES | {name.lower().rstrip(".") for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or refuse."""
        why = self._against(scope) if scope["type"] in ("http", "websocket") else None
        if why is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": closing_words(why)})
        else:
            status, title = (421, "Not served here") if why.startswith("this console") else (403, "Not allowed")
            await problem(status, title, why, kind="AccessError", exit_code=3)(scope, receive, send)

    def _against(self, scope: Scope) -> str | None:
        sent = Sent(scope=scope)
        host = sent.get("host", "")
        if not self._is_ours(host):
            return f"this console is not served as {json.dumps(host[:100])}: names are listed in [console] of the site"
        if scope["type"] == "http" and scope["method"] in _SAFE:
            return None
        origin = sent.get("origin")
        if origin is not None and not _same(origin, host):
            return "the request comes from a page that is not of this console"
        if sent.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "the request comes from another site than this console"
        return None

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        if name is None:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True  # an address is no name that somebody could make lead here


def _name(host: str) -> str | None:
    """Return the name in a Host header, None where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "").rstrip(".") or None if parts.port is None or parts.port > 0 else None
    except ValueError:
        return None


def _same(origin: str, host: str) -> bool:
    """Return whether a page is of the host that it asks."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower() and bool(host)
