"""A station's local socket from the other end, for programs without a loop. Every wait has a deadline."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from daq.errors import AccessError, BusyError, DeadlineError, UnreachableError, UsageError
from daq.model.refusal import error_of
from daq.wire.jsonlines import MOST_ANSWER_BYTES, MOST_REQUEST_BYTES, Lines, encode

SILENT_S = 10.0
"""A daemon that is watched says something every two seconds."""
_CONNECT_S = 2.0
_CHUNK_BYTES = 65_536
_AGAIN_S = 0.05


class LocalClient:
    """One connection to the daemon at `path`.

    Raises `AccessError` where this user may not. Every method raises `UnreachableError` where nobody answers there (any
    more), `DeadlineError` where it takes longer than it may, and what the daemon refuses with.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = Lines(MOST_ANSWER_BYTES)
        self._last_id = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connect(time.monotonic() + _CONNECT_S)
        except PermissionError:
            self._socket.close()
            raise AccessError(
                f"this user may not open {path}: that is for the daemon's user, and for the group that the site file "
                "names as access.socket_group"
            ) from None
        except OSError as why:
            self._socket.close()
            raise self._unreachable(_in_words(why)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up. What was asked for goes on."""
        self._socket.close()

    def ask(self, do: str, args: dict[str, Any] | None = None, *, within_s: float) -> dict[str, Any]:
        """Return the daemon's answer."""
        deadline_s = time.monotonic() + within_s
        asked = self._send(do, args or {}, deadline_s)
        while True:
            message = self._next(deadline_s, f"{do} was not answered within {within_s:.2g} s")
            if message.get("id") in (asked, None) and "error" in message:
                raise error_of(message)
            if message.get("id") == asked and isinstance(message.get("answer"), dict):
                return dict(message["answer"])

    def watch(self, *kinds: str) -> Iterator[dict[str, Any]]:
        """Yield events, `{"event", "data", "seq", "skipped"}`, beginning with what holds now.

        Ends when the daemon says that it ends, or hangs up, which raises `UnreachableError`. An event `alive` comes
        when there is nothing else.
        """
        self.ask("watch", {"kinds": list(kinds)} if kinds else {}, within_s=SILENT_S)
        while True:
            message = self._next(time.monotonic() + SILENT_S, f"nothing was said for {SILENT_S:g} s")
            if message.get("event") == "end":
                return
            if "event" in message:
                yield message

    def _connect(self, deadline_s: float) -> None:
        """Connect; while so many come at once that the kernel turns us away, try again."""
        while True:
            self._wait_until(deadline_s)
            try:
                self._socket.connect(str(self._path))
            except BlockingIOError:
                if time.monotonic() + _AGAIN_S > deadline_s:
                    raise
                time.sleep(_AGAIN_S)
            else:
                return

    def _send(self, do: str, args: dict[str, Any], deadline_s: float) -> int:
        self._last_id += 1
        line = encode({"id": self._last_id, "do": do, "args": args})
        if len(line) > MOST_REQUEST_BYTES:
            raise UsageError(f"{do}: {len(line)} bytes are asked with, at most {MOST_REQUEST_BYTES} are possible")
        try:
            self._wait_until(deadline_s)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # turned away: it was said why
                self._socket.sendall(line)
        except OSError as why:
            raise self._unreachable(_in_words(why)) from None
        return self._last_id

    def _next(self, deadline_s: float, late: str) -> dict[str, Any]:
        """Return the next message; raise `DeadlineError` with `late` where there is none in time."""
        try:
            while (line := self._lines.next()) is None:
                self._wait_until(deadline_s)
                data = self._socket.recv(_CHUNK_BYTES)
                if not data:
                    raise self._unreachable("it hung up")
                self._lines.feed(data)
            message = json.loads(line)
        except TimeoutError:
            raise DeadlineError(f"the daemon at {self._path}: {late}") from None
        except (OSError, ValueError, RecursionError, UsageError) as why:
            raise self._unreachable(_in_words(why)) from None
        if not isinstance(message, dict):
            raise self._unreachable("it does not speak our language")
        return message

    def _wait_until(self, deadline_s: float) -> None:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)

    def _unreachable(self, why: str) -> UnreachableError:
        return UnreachableError(f"no daemon answers at {self._path} ({why})")


def ask_once(path: Path, do: str, args: dict[str, Any] | None = None, *, within_s: float) -> dict[str, Any]:
    """Connect, ask, and hang up. One that is turned away because too many ask tries again until the deadline."""
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            with LocalClient(path) as client:
                return client.ask(do, args, within_s=max(deadline_s - time.monotonic(), _AGAIN_S))
        except BusyError:
            if time.monotonic() + _AGAIN_S > deadline_s:
                raise
            time.sleep(_AGAIN_S)


def _in_words(why: Exception) -> str:
    match why:
        case TimeoutError():
            return "it does not take connections"
        case BlockingIOError():
            return "too many are waiting for it already"
        case OSError(strerror=str(text)):
            return text
        case _:
            return str(why) or type(why).__name__
