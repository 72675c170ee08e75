"""The control socket of a readout: requests of `daq.readout.protocol`, one JSON object per line, one answer per line.

A connection may send many requests. Sixteen are served at once, each in a thread of its own, so that one that waits for
a front end keeps nobody from asking for the status or a stop. Who asks or listens too slowly is hung up on.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daq.errors import DeadlineError, RefusedError, ScandaqError, UnexpectedError, UnreachableError, UsageError
from daq.model.refusal import error_of, refusal
from daq.readout.protocol import MAX_LINE_BYTES, parse_request, refused

_LOG = logging.getLogger(__name__)
MOST_CLIENTS = 16
"""More than can wait for a front end at once (`exchange.py`), so that there is always a place left for a stop."""
_IDLE_S = 30.0
_CLIENT_DEADLINE_S = 2.0
_POLL_S = 0.2
_MOST_ANSWER_BYTES = 16 << 20
_CREDENTIALS = struct.Struct("=iII")

Handler = Callable[[dict[str, Any]], dict[str, Any]]
"""Answers a checked request; called by several threads at once.

A `ScandaqError` is a refusal in words. The key `fd` of an answer is a file descriptor to attach to it: the handler
gives it away (a duplicate of its own), and it is closed when the answer is sent or cannot be.
"""


class ControlServer:
    """Serves the control socket at `path` until it is closed."""

    def __init__(self, path: Path, handle: Handler) -> None:
        self._path = path
        self._handle = handle
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._clients: dict[socket.socket, threading.Thread] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(self._socket.fileno(), 0o600)  # before it has a name: nobody else can ever open it
            self._socket.bind(str(path))
            self._socket.listen(2 * MOST_CLIENTS)
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(_POLL_S)
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and remove the socket. Answers under way are given 3 s."""
        self._stopping.set()
        deadline = time.monotonic() + _CLIENT_DEADLINE_S + 1
        self._thread.join(_CLIENT_DEADLINE_S + 1)
        with self._lock:
            clients = dict(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):  # gone meanwhile
                client.shutdown(socket.SHUT_RD)  # no more requests; who waits for an answer still gets it
        for thread in clients.values():
            thread.join(max(deadline - time.monotonic(), 0.0))
        self._path.unlink(missing_ok=True)  # before the socket: who is reset then sees that the readout has ended
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._socket.accept()
            except TimeoutError:
                continue
            except OSError as why:  # out of descriptors, most likely: there may be some again
                _LOG.error("no connection can be taken: %s", why.strerror)
                self._stopping.wait(_POLL_S)
                continue
            try:
                self._admit(client)
            except ScandaqError as why:
                _turn_away(client, why)

    def _admit(self, client: socket.socket) -> None:
        """Serve the client in a thread of its own, or raise what keeps it out."""
        uid = peer_uid(client)
        if uid not in (os.geteuid(), 0):
            raise RefusedError(f"user {uid} may not control a readout of user {os.geteuid()}")
        with self._lock:
            if len(self._clients) >= MOST_CLIENTS:
                raise RefusedError(f"{MOST_CLIENTS} clients are connected, which is the limit; try again")
            thread = threading.Thread(target=self._converse, args=(client,), name="control-client", daemon=True)
            self._clients[client] = thread
            try:
                thread.start()
            except RuntimeError as why:  # the system gives no more threads
                del self._clients[client]
                raise RefusedError(f"not served: {why}") from None

    def _converse(self, client: socket.socket) -> None:
        lines = _Lines(client, MAX_LINE_BYTES)
        try:
            with contextlib.suppress(OSError):  # the client hung up or dawdled: its loss, the readout goes on
                while not self._stopping.is_set() and (line := lines.next(_IDLE_S, _CLIENT_DEADLINE_S)):
                    self._reply(client, line)
        except UsageError as why:  # where the next request begins is not known
            _turn_away(client, why)
        finally:
            with self._lock:
                del self._clients[client]
            client.close()

    def _reply(self, client: socket.socket, request: bytes) -> None:
        """Send the answer within the client's deadline, and the descriptor in its key `fd`, which is closed."""
        answer = self._answer(request)
        fd = answer.get("fd")
        try:
            line = _line_of({key: value for key, value in answer.items() if key != "fd"})
            client.settimeout(_CLIENT_DEADLINE_S)
            sent = socket.send_fds(client, [line], [fd]) if fd is not None else 0
        finally:
            if fd is not None:
                os.close(fd)
        client.sendall(line[sent:])

    def _answer(self, request: bytes) -> dict[str, Any]:
        try:
            answer = self._handle(parse_request(request))
            return {"exit_code": RefusedError.exit_code, **answer} if refused(answer) else answer
        except ScandaqError as why:
            return refusal(why)
        except Exception as why:  # noqa: BLE001 - whoever asks must not end what the readout is stopped by
            _LOG.exception("the request %.200r failed", request)
            return refusal(UnexpectedError(f"unexpected {type(why).__name__} in the readout: {why}"))


def ask(path: Path, request: dict[str, Any], *, deadline_s: float = 5.0) -> dict[str, Any]:
    """Return the answer of the readout at `path`.

    Raise `UnreachableError` or `DeadlineError` when there is none, and what the readout raised when it refuses.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(deadline_s)
            client.connect(str(path))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # turned away: it was said why
                client.sendall(_encoded(request))
            line = _Lines(client, _MOST_ANSWER_BYTES).next(deadline_s)
            answer = json.loads(line) if line else None
    except BlockingIOError:
        raise DeadlineError(f"the readout at {path} does not answer: too many are waiting for it already") from None
    except TimeoutError:
        raise DeadlineError(f"the readout at {path} did not answer within {deadline_s:g} s") from None
    except (OSError, ValueError, UsageError) as why:
        raise UnreachableError(f"no readout answers at {path} ({why})") from None
    if not isinstance(answer, dict):
        raise UnreachableError(
            f"no readout answers at {path} ({'its answer is no JSON object' if line else 'it hung up'})"
        )
    if refused(answer):
        raise error_of(answer)
    return answer


def peer_uid(client: socket.socket) -> int:
    """Return the user who is at the other end of a Unix socket."""
    credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


class _Lines:
    """The lines that come from a socket; what came beyond one is kept for the next."""

    def __init__(self, peer: socket.socket, most_bytes: int) -> None:
        self._peer = peer
        self._most_bytes = most_bytes
        self._kept = bytearray()

    def next(self, first_s: float, whole_s: float | None = None) -> bytes:
        """Return the next line with its end; what there is when the peer closes, perhaps nothing.

        Raise `TimeoutError` when that takes longer than `first_s`, or longer than `whole_s` after its first byte, and
        `UsageError` when the line is too long.
        """
        deadline = time.monotonic() + (first_s if whole_s is None or not self._kept else whole_s)
        while (end := self._kept.find(b"\n") + 1) == 0 and len(self._kept) < self._most_bytes:
            self._peer.settimeout(max(deadline - time.monotonic(), 0.001))
            chunk = self._peer.recv(65_536)
            if not chunk:
                end = len(self._kept)
                break
            if whole_s is not None and not self._kept:
                deadline = time.monotonic() + whole_s
            self._kept += chunk
        if end > self._most_bytes or (end == 0 and self._kept):
            raise UsageError(f"a line has at most {self._most_bytes} bytes")
        line = bytes(self._kept[:end])
        del self._kept[:end]
        return line


def _turn_away(client: socket.socket, why: ScandaqError) -> None:
    """Say why, in one line and without waiting, and hang up."""
    with contextlib.suppress(OSError), client:
        client.settimeout(0.0)
        client.sendall(_encoded(refusal(why)))


def _line_of(answer: dict[str, Any]) -> bytes:
    """Return the answer as a line; a refusal where the handler answers what cannot be written as JSON."""
    try:
        return _encoded(answer)
    except (TypeError, ValueError) as why:
        _LOG.exception("an answer is no JSON")
        return _encoded(refusal(UnexpectedError(f"the readout's answer cannot be written as JSON: {why}")))


def _encoded(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
