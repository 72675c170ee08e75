"""Commands that wait for the processing thread, which alone may change a recording. Each is answered or refused."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from daq.errors import DeadlineError, RefusedError, ScandaqError, UnexpectedError

_DEADLINE_S = 2.0
_MOST_WAITING = 64


@dataclass(slots=True, eq=False)
class _Command:
    run: Callable[[], Any]
    done: threading.Event = field(default_factory=threading.Event)
    answer: Any = None
    error: ScandaqError | None = None


class Commands:
    """Hands functions to the processing thread, which runs them between two slices."""

    def __init__(self) -> None:
        self._waiting: deque[_Command] = deque()
        self._lock = threading.Lock()
        self._closed: str | None = "the readout is not recording yet"

    def open(self) -> None:
        """Accept commands from here on."""
        with self._lock:
            self._closed = None

    def do(self, run: Callable[[], Any]) -> Any:
        """Return what `run` returns once the processing thread has run it; raise what it raises.

        Raise `RefusedError` when nothing is being recorded, `DeadlineError` after 2 s without a turn: the command may
        still be done then.
        """
        command = _Command(run)
        with self._lock:
            if self._closed is not None:
                raise RefusedError(self._closed)
            if len(self._waiting) >= _MOST_WAITING:
                raise RefusedError(f"{_MOST_WAITING} commands wait already")
            self._waiting.append(command)
        if not command.done.wait(_DEADLINE_S):
            raise DeadlineError(f"the readout is busy: the command was not done within {_DEADLINE_S:g} s")
        if command.error is not None:
            raise command.error
        return command.answer

    def serve(self) -> None:
        """Run what waits. Called by the processing thread between slices."""
        while self._waiting:
            with self._lock:
                command = self._waiting.popleft()
            try:
                command.answer = command.run()
            except ScandaqError as why:
                command.error = why
            except Exception as why:
                command.error = UnexpectedError(f"unexpected {type(why).__name__} in the readout: {why}")
                raise
            finally:
                command.done.set()

    def close(self, why: str) -> None:
        """Refuse further commands with `why`; run those that wait."""
        with self._lock:
            self._closed = why
        self.serve()
