"""Makes the frames that browsers are sent: of each publication of the readout once, however many want it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daq.errors import ScandaqError
from daq.gateway.live.parts import NEEDED, Given, Made, made, study_part
from daq.gateway.live.viewer import Viewer
from daq.gateway.live.wants import Want, What
from daq.wire.liveframe import BINNED, SCALED, SIMULATED, encode

_LOG = logging.getLogger(__name__)
MOST_KEPT = 16
"""Frames that are kept of one publication: as many kinds of browsers, by what they want."""
Version = tuple[int, int]
"""Which snapshot, and which publication in it."""
Seen = Mapping[What, Version]


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame: its number, its bytes, and the version of each part that it brings."""

    number: int
    data: bytes
    brings: dict[What, Version]


class Frames:
    """Makes frames. What is common to browsers is made once: figures are read once, and equal wants share a frame."""

    def __init__(self, viewer: Viewer) -> None:
        """Make frames of what `viewer` sees."""
        self._viewer = viewer
        self._lock = asyncio.Lock()
        self._number = 0
        self._versions: dict[str, Version] = {}
        self._kept: dict[Any, Sent] = {}
        self._read: tuple[frozenset[What], Given | None, dict[str, Any] | None] | None = None
        self.wanted: dict[object, Want] = {}
        """What each browser wants now: figures are read for all of them at once."""
        self.made = 0

    def versions(self, want: Want, fresh: Mapping[str, Mapping[str, Any]]) -> dict[What, Version]:
        """Return which publication each wanted part would be of now."""
        number = self._viewer.number
        return {
            what: (number, fresh["study" if what == "study" else "looks"]["sequence"])
            for what in want.what
            if fresh["study" if what == "study" else "looks"]["sequence"]
        }  # fmt: skip

    async def frame(self, want: Want, seen: Seen, *, anyway: bool) -> Sent | None:
        """Return a frame with the parts that are newer than `seen`; None where none is, unless `anyway`."""
        async with self._lock:
            fresh = self._viewer.fresh()
            now = self.versions(want, fresh)
            newer = {what: version for what, version in now.items() if seen.get(what) != version}
            if not newer and not anyway:
                return None
            current = {group: (self._viewer.number, each["sequence"]) for group, each in fresh.items()}
            if current != self._versions:
                self._versions, self._kept, self._read = current, {}, None
            key = (want.model_copy(update={"hz": 20.0}), tuple(sorted(newer)))
            found = self._kept.get(key) if newer else None
            if found is None:
                self._number += 1
                number = self._viewer.number
                found = await asyncio.to_thread(self._make, want, newer, fresh)
                if self._viewer.number != number:  # half of it may be of another patient
                    self._read = None
                    return None
                self._keep(key, found)
            return found

    def _keep(self, key: Any, made: Sent) -> None:
        """Keep a frame for others who want it; not one without parts, and not more than a few."""
        if made.brings:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = made

    def _make(self, want: Want, newer: dict[What, Version], fresh: Mapping[str, Mapping[str, Any]]) -> Sent:
        self.made += 1
        parts: dict[str, Made | None] = {}
        try:
            given, study = self._figures(frozenset(newer))
            heads = self._viewer.heads
            for what in newer:
                if what == "study":
                    parts[what] = study_part(want, study, heads) if study is not None and heads is not None else None
                else:
                    parts[what] = made(what, want, given) if given is not None else None
        except ScandaqError as why:
            _LOG.warning("no live frame: %s", why)
            newer, parts = {}, {}
        there = {name: part for name, part in parts.items() if part is not None}
        heads = self._viewer.heads
        flags = SCALED | (BINNED if any(part.is_binned for part in there.values()) else 0)
        flags |= SIMULATED if heads is not None and heads.simulated else 0
        about = {
            "run": self._viewer.run, "problem": self._viewer.problem,
            "fresh": {group: dict(each) for group, each in fresh.items()},
            "parts": {name: None if part is None else part.about for name, part in parts.items()},
        }  # fmt: skip
        arrays = [array for part in there.values() for array in part.arrays]
        data = encode(arrays, number=self._number, time_s=time.time(), about=about, flags=flags)
        return Sent(self._number & 0xFFFFFFFF, data, newer)

    def _figures(self, whats: frozenset[What]) -> tuple[Given | None, dict[str, Any] | None]:
        """Return the figures of this publication, read once for all who want any."""
        if self._read is None or not whats <= self._read[0]:
            wanted = whats | {what for want in list(self.wanted.values()) for what in want.what}
            given, study = self._viewer.read(wanted & NEEDED.keys(), study="study" in wanted)
            self._read = (wanted, given, study)
        return self._read[1], self._read[2]
