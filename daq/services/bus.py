"""Who hears what the station says. Listeners are called at once, in the order they came, and must not wait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from daq.model.station import Alarm, Announcement, Description, Progress, QcStatus, Reading, RunLedger, StationStatus

_LOG = logging.getLogger(__name__)
_MOST_KEPT = 10_000

Listener = Callable[[Announcement], None]


class Bus:
    """Hands every announcement to every listener, and keeps the newest of each subject for those who come later.

    A listener that raises is a fault of that listener: it is logged and counted in `failures`, the others are served.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._newest: dict[tuple[str, ...], Announcement] = {}
        self.failures = 0

    def announce(self, announcement: Announcement) -> None:
        """Tell everybody."""
        subject = subject_of(announcement)
        if subject is not None:
            if isinstance(announcement, Alarm) and not announcement.shown:
                self._newest.pop(subject, None)
            elif subject in self._newest or len(self._newest) < _MOST_KEPT:
                self._newest[subject] = announcement
        for listener in tuple(self._listeners):
            try:
                listener(announcement)
            except Exception:  # noqa: BLE001 - a fault of one listener is none of the others
                self.failures += 1
                _LOG.exception("a listener failed on %s", type(announcement).__name__)

    @contextmanager
    def listening(self, listener: Listener, *, replay: bool = False) -> Iterator[None]:
        """Call `listener` with every announcement while the context lasts; `replay`: with what holds now, first."""
        if replay:
            for announcement in self.newest():
                listener(announcement)
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def newest(self) -> list[Announcement]:
        """Return what holds now: the newest announcement of each subject."""
        return list(self._newest.values())


def subject_of(announcement: Announcement) -> tuple[str, ...] | None:
    """Return what an announcement is about, where only the newest counts; None for a document, of which each does."""
    match announcement:
        case Reading(device=device, name=name):
            return "reading", device, name
        case Alarm(device=device, name=name):
            return "alarm", device, name
        case QcStatus(test=test):
            return "qc", test
        case StationStatus() | Progress() | RunLedger() | Description():
            return (type(announcement).__name__,)
        case _:
            return None
