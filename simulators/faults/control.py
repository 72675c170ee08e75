"""The socket by which faults are changed while a simulator serves: a JSON object per line, a line of answer each."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_LINE_BYTES = 64 * 1024
_POLL_S = 0.1
_CLIENT_DEADLINE_S = 5.0
_MAX_PATH_BYTES = 100
"""A path of a Unix socket has 108 bytes at most."""

Handler = Callable[[Any], dict[str, Any]]


class FaultControl:
    """Serves one client after the other in a thread of its own, in a folder that nobody else can enter."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._stopping = threading.Event()
        self._folder = _folder()
        self.path = self._folder / "faults"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(str(self.path))
            self._socket.listen(8)
        except OSError:
            self._socket.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._socket.settimeout(_POLL_S)
        self._thread = threading.Thread(target=self._serve, name="faults", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and remove the socket and its folder."""
        self._stopping.set()
        self._thread.join(2 * _CLIENT_DEADLINE_S)
        self._socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._socket.accept()
                with client, contextlib.suppress(OSError):  # it hung up or dawdled: its loss
                    self._one_client(client)

    def _one_client(self, client: socket.socket) -> None:
        client.settimeout(_POLL_S)
        kept = b""
        silent_s = 0.0
        while not self._stopping.is_set() and silent_s < _CLIENT_DEADLINE_S:
            try:
                chunk = client.recv(4096)
            except TimeoutError:
                silent_s += _POLL_S
                continue
            silent_s = 0.0
            *lines, kept = (kept + chunk).split(b"\n")
            if not chunk or len(kept) > MAX_LINE_BYTES:
                lines += [kept] if kept else []
            for line in lines:
                client.sendall(json.dumps(self._answer(line)).encode() + b"\n")
            if not chunk or len(kept) > MAX_LINE_BYTES:
                return

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return {"error": "not one JSON object on one line"}
        return self._handle(request)


def _folder() -> Path:
    """Make a private folder whose path is short enough for a socket's."""
    folder = Path(tempfile.mkdtemp(prefix="simulator-"))
    if len(bytes(folder)) > _MAX_PATH_BYTES - len("/faults"):
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="simulator-", dir="/tmp"))
    return folder
