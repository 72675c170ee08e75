"""The control socket of a readout: one JSON object per line, one answer per line.

{"do": "status"}                         -> the status
{"do": "stop"}                           -> the status; reading stops, what is buffered is written, the file sealed
{"do": "mark", "text": "patient moved"}  -> the status; the mark is in the file
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daq.errors import DeadlineError, UnreachableError

_LOG = logging.getLogger(__name__)
MAX_LINE_BYTES = 64 * 1024
_CLIENT_DEADLINE_S = 2.0
_POLL_S = 0.2

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class ControlServer:
    """Serves one client after the other in a thread of its own; a client that dawdles is hung up on."""

    def __init__(self, path: Path, handle: Handler) -> None:
        self._path = path
        self._handle = handle
        self._stopping = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(str(path))
            path.chmod(0o600)
            self._socket.listen(8)
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(_POLL_S)
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and remove the socket."""
        self._stopping.set()
        self._thread.join(_CLIENT_DEADLINE_S + 1)
        self._path.unlink(missing_ok=True)  # before the socket: who is reset then sees that the readout has ended
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._socket.accept()
                with client:
                    self._one_client(client)

    def _one_client(self, client: socket.socket) -> None:
        client.settimeout(_CLIENT_DEADLINE_S)
        with contextlib.suppress(OSError):  # the client hung up or dawdled: its loss, the readout goes on
            answer = self._answer(_read_line(client, _CLIENT_DEADLINE_S))
            client.sendall(json.dumps(answer).encode() + b"\n")

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return {"error": "not one JSON object on one line"}
        if not isinstance(request, dict) or request.get("do") not in ("status", "stop", "mark"):
            return {"error": 'possible are {"do": "status"}, {"do": "stop"}, {"do": "mark", "text": "..."}'}
        try:
            return self._handle(request)
        except Exception as why:  # noqa: BLE001 - whoever asks must not end the thread by which the readout is stopped
            _LOG.exception("the request %s failed", request["do"])
            return {"error": f"{type(why).__name__}: {why}"}


def ask(path: Path, request: dict[str, Any], *, deadline_s: float = 5.0) -> dict[str, Any]:
    """Return the answer of the readout at `path`, or raise `UnreachableError` or `DeadlineError`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(deadline_s)
            client.connect(str(path))
            client.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(_read_line(client, deadline_s))
    except TimeoutError:
        raise DeadlineError(f"the readout at {path} did not answer within {deadline_s:g} s") from None
    except (OSError, ValueError) as why:
        raise UnreachableError(f"no readout answers at {path} ({why})") from None
    return dict(answer)


def _read_line(peer: socket.socket, within_s: float) -> bytes:
    """Return what comes up to the end of a line; raise `TimeoutError` when that takes longer than `within_s`."""
    line = b""
    deadline = time.monotonic() + within_s
    while not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES:
        peer.settimeout(max(deadline - time.monotonic(), 0.001))
        chunk = peer.recv(4096)
        if not chunk:
            break
        line += chunk
    return line
