"""Hears the station and tells every browser: of each subject the newest, a few times a second."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from daq.composition.fronts import Offer
from daq.gateway.live.gallery import Gallery
from daq.model.localapi import kind_of
from daq.model.station import Announcement, payload
from daq.services.bus import subject_of


class Mailbox:
    """What one browser has not been told yet: of each subject the newest. Documents are not told."""

    def __init__(self, offer: Offer) -> None:
        self._newest: dict[tuple[str, ...], Announcement] = {}
        self._revisions: dict[str, int] = {}
        self._stack = ExitStack()
        self._stack.enter_context(offer.bus.listening(self._heard, replay=True))
        self._stack.enter_context(offer.revisions.listening(self._revised))

    def _heard(self, announcement: Announcement) -> None:
        subject = subject_of(announcement)
        if subject is not None:
            self._newest[subject] = announcement

    def _revised(self, of: str, number: int) -> None:
        self._revisions[of] = number

    def take(self) -> list[dict[str, Any]]:
        """Return what is new, as messages, and forget it."""
        taken, self._newest = self._newest, {}
        revised, self._revisions = self._revisions, {}
        told = [{"event": kind_of(each), "data": payload(each)} for each in taken.values()]
        return told + [{"event": "revision", "data": {"of": of, "revision": n}} for of, n in revised.items()]

    def close(self) -> None:
        """Hear no more."""
        self._stack.close()


class Hub:
    """What browsers are told from."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self.gallery = Gallery(offer)

    def mailbox(self) -> Mailbox:
        """Return the mailbox of one browser."""
        return Mailbox(self._offer)
