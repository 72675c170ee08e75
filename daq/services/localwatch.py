"""One client's watch: what the station says, as lines; for a slow reader the newest of each subject.

A line is sent at once as long as the client takes them. Where it does not, what is said later about a subject replaces
what was said before, and `skipped` counts that. Documents are not replaced: of them the latest thousand wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Protocol

from daq.model.localapi import Kind, kind_of
from daq.model.station import Announcement, payload
from daq.services.bus import subject_of
from daq.wire.jsonlines import encode

_LOG = logging.getLogger(__name__)
_MOST_SUBJECTS = 2000
_MOST_DOCUMENTS = 1000
_ALIVE_S = 2.0
"""After so long without a line, one says that the daemon is alive."""


class Taker(Protocol):
    """Where lines go."""

    @property
    def congested(self) -> bool:
        """Return True while nothing more should be sent."""

    def send(self, line: bytes) -> None:
        """Send a line."""


class Watch:
    """Sends what it hears, as far as the client wants it and can take it."""

    def __init__(self, request_id: int | str | None, kinds: frozenset[Kind], client: Taker) -> None:
        self._id = request_id
        self._kinds = kinds
        self._client = client
        self._newest: dict[tuple[str, ...], Announcement] = {}
        self._documents: deque[Announcement] = deque()
        self._seq = 0
        self._said_s = 0.0
        self.skipped = 0

    def heard(self, announcement: Announcement) -> None:
        """Send it, or keep it until the client takes more."""
        if kind_of(announcement) not in self._kinds:
            return
        if self._client.congested:
            self._keep(announcement)
        else:
            self._say(announcement)

    def writable(self) -> None:
        """Send what was kept, as long as the client takes it: documents first, in their order."""
        while self._documents and not self._client.congested:
            self._say(self._documents.popleft())
        while self._newest and not self._client.congested:
            self._say(self._newest.pop(next(iter(self._newest))))

    def tick(self) -> None:
        """Say that the daemon is alive, where nothing else was said lately."""
        if not self._client.congested and asyncio.get_running_loop().time() - self._said_s > _ALIVE_S:
            self._send("alive", {})

    def end(self, why: str) -> None:
        """Say that nothing more comes."""
        if not self._client.congested:
            self._send("end", {"why": why})

    def _keep(self, announcement: Announcement) -> None:
        subject = subject_of(announcement)
        if subject is None:
            self._documents.append(announcement)
            if len(self._documents) > _MOST_DOCUMENTS:
                self._documents.popleft()
                self.skipped += 1
            return
        known = subject in self._newest
        if known or len(self._newest) >= _MOST_SUBJECTS:
            self.skipped += 1
        if known or len(self._newest) < _MOST_SUBJECTS:
            self._newest[subject] = announcement

    def _say(self, announcement: Announcement) -> None:
        self._send(kind_of(announcement), payload(announcement))

    def _send(self, event: str, data: dict[str, Any]) -> None:
        self._seq += 1
        self._said_s = asyncio.get_running_loop().time()
        line = {"id": self._id, "event": event, "data": data, "seq": self._seq, "skipped": self.skipped}
        try:
            self._client.send(encode(line))
        except (TypeError, ValueError):
            self.skipped += 1
            _LOG.exception("what is said of %s is no JSON", event)
