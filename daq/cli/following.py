"""Follow what a station says across restarts of its daemon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from daq.errors import BusyError, DeadlineError, UnreachableError, VerificationError
from daq.transports.localclient import LocalClient

_KINDS = ("status", "progress", "alarm")
_FIRST_S = 0.2
_LONGEST_S = 2.0
OVER = frozenset({"completed", "interrupted", "aborted", "fault"})

Event = dict[str, Any]


class Following:
    """Events of the daemon at `path`; connects again when it goes away, for up to `patience_s` each time.

    `note` hears in words when it goes and when it is back.
    """

    def __init__(self, path: Path, *, patience_s: float, note: Callable[[str], None]) -> None:
        self._path = path
        self._patience_s = patience_s
        self._note = note

    def events(self) -> Iterator[Event]:
        """Yield events for ever. Raise `UnreachableError` where there is no daemon, or none again in time."""
        client = LocalClient(self._path)
        while True:
            why = "it ends"
            try:
                with client:
                    yield from client.watch(*_KINDS)
            except (UnreachableError, DeadlineError, BusyError) as gone:
                why = str(gone)
            self._note(f"the daemon is gone ({why}); a recording goes on by itself; trying again")
            client = self._again()
            self._note("the daemon is back")

    def _again(self) -> LocalClient:
        deadline_s = time.monotonic() + self._patience_s
        pause_s = _FIRST_S
        while True:
            time.sleep(pause_s)
            with suppress(UnreachableError):
                return LocalClient(self._path)
            if time.monotonic() > deadline_s:
                raise UnreachableError(
                    f"no daemon has answered at {self._path} for {self._patience_s:g} s; what was recorded is safe: "
                    "start the daemon, then `daq acquire status`"
                )
            pause_s = min(2 * pause_s, _LONGEST_S)


class Follower:
    """Follows one run, or the first one that is heard of, or whichever there is (`any_run`)."""

    def __init__(
        self,
        events: Iterator[Event],
        show: Callable[[Event], None],
        *,
        run: str | None = None,
        any_run: bool = False,
        on_status: Callable[[Event], None] = lambda _: None,
        within_s: float | None = None,
    ) -> None:
        self._events = events
        self._show = show
        self._run = run
        self._any_run = any_run
        self._on_status = on_status
        self._deadline_s = None if within_s is None else time.monotonic() + within_s
        self._within_s = within_s

    def follow(self, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the status at which `until` was True.

        Raise `VerificationError` where the run is over and how it ended was not heard, `DeadlineError` after
        `within_s`.
        """
        for event in self._events:
            self._show(event)
            if event["event"] == "status":
                status = event["data"]
                self._check_run(status)
                if until(status):
                    return dict(status)
                self._on_status(status)
            if self._deadline_s is not None and time.monotonic() > self._deadline_s:
                raise DeadlineError(f"not there after {self._within_s:g} s; the acquisition goes on")
        raise UnreachableError("the events ended")

    def _check_run(self, status: dict[str, Any]) -> None:
        if self._run is None or self._any_run:
            self._run = status["run"]
        elif status["run"] != self._run:
            raise VerificationError(
                f"{self._run} is over, and how it ended was not heard: the station is {status['state']} with "
                f"{status['run'] or 'no acquisition'}"
            )
