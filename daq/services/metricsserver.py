"""Serves `/metrics` over HTTP on loopback, from threads of its own: bounded connections, each with a deadline."""

from __future__ import annotations

import logging
import socketserver
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from daq.errors import RefusedError

_LOG = logging.getLogger(__name__)
_HOST = "127.0.0.1"
_MOST_CONNECTIONS = 8
_IDLE_S = 5.0
_LONGEST_S = 10.0
_BOTH_WAYS = 2

Render = Callable[[str], tuple[bytes, str]]
"""Returns the page and its content type, given what the client accepts."""


class MetricsServer(socketserver.ThreadingMixIn, HTTPServer):
    """Listens at once; serves from `start` until `stop`. `port` is the real one, `refused` counts connections too many.

    Raise `RefusedError` where the port cannot be had.
    """

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, port: int, render: Render) -> None:
        self.render = render
        self.refused = 0
        self._open: dict[Any, float] = {}
        self._lock = threading.Lock()
        try:
            super().__init__((_HOST, port), _Handler)
        except OSError as why:
            reason = why.strerror or str(why)
            raise RefusedError(f"metrics cannot be served at {_HOST}:{port}: {reason}; set metrics.port") from None
        self._thread = threading.Thread(target=self.serve_forever, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """Return the port it listens at."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Serve, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no more. Takes up to half a second; requests under way end by themselves."""
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()

    def server_bind(self) -> None:
        """Bind without asking a name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = _HOST, self.port

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread, or close it where too many are open."""
        with self._lock:
            full = len(self._open) >= _MOST_CONNECTIONS
            if not full:
                self._open[request] = time.monotonic()
        if full:
            self.refused += 1
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Hang up on who takes too long. Called twice a second."""
        oldest_s = time.monotonic() - _LONGEST_S
        with self._lock:
            slow = [request for request, since_s in self._open.items() if since_s < oldest_s]
        for request in slow:
            try:
                request.shutdown(_BOTH_WAYS)  # its thread wakes up and closes it
            except OSError:
                _LOG.debug("a client of the metrics had gone")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a client that went away; anything else is a fault of ours."""
        del request
        _LOG.warning("metrics for %s", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    timeout = _IDLE_S
    server_version = "scandaq"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the figures."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer without them."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        if self.path.partition("?")[0] not in ("/", "/metrics"):
            self.send_error(HTTPStatus.NOT_FOUND, "only /metrics is here")
            return
        page, content_type = self.server.render(self.headers.get("Accept", ""))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if with_body:
            self.wfile.write(page)

    def handle(self) -> None:
        """Serve a request; a client that hangs up has what it wants."""
        try:
            super().handle()
        except ConnectionError:
            _LOG.debug("a client of the metrics hung up")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the library gave it
        """Log nothing per request."""
