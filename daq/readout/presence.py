"""Who speaks: sources that fall silent while others go on, and boards that say nothing of themselves any more."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daq.model.events import NO_SOURCE
from daq.model.packets import Flag, Packets
from daq.readout.plan import Plan

STALLED_S = 1.5
"""A source that has said nothing for so long is called stalled; heartbeats come every 100 ms."""
SERVICE_S = 2.0
"""So long a board's service events may stay away, of which one comes each second."""
SERVICE = "service"
"""Text of the marks about them, and the kind of event in the layout."""
_SOURCES = 1 << 16
_MOST_NAMED = 64
_PERIOD_S = 0.1
_SPEAKS_NS = 500_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """A source fell `silent` for so many seconds or is `heard` again; `what`: nothing for all it sends, `service`."""

    source: int
    kind: str
    silent_s: float
    what: str = ""
    behind_s: float = 0.0
    """For how long others have gone on without it: so long before its mark, in the detector's time, it was heard."""
    others: bool = True
    """Whether others go on."""

    def sentence(self, where: str) -> str:
        """Return what it means; `where` is the address of the source, if it has one of its own."""
        name = f"source {self.source}{where and f' ({where})'}"
        if self.what == SERVICE:
            return f"{name} has sent no service event for {self.silent_s:.1f} s: what it says of itself is not known"
        return f"{name} has sent nothing for {self.silent_s:.1f} s{self.others * ', while others go on'}"


class Presence:
    """Asked by the processing thread alone."""

    def __init__(self, plan: Plan) -> None:
        self._where = [str(address) for address in plan.sources] if len(plan.sources) > 1 else []
        self._heard_ns = np.zeros(_SOURCES, np.int64)
        self._silent: set[int] = set()
        self._services: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._served_s: dict[int, float] = {}
        self._unserved: set[int] = set()
        self._waits_for_service = SERVICE in plan.layout.kinds
        self._told_to_serve = plan.front_end is not None and plan.front_end.board is not None
        """Boards that were set up say something each second, from their start on."""
        self._next_s = 0.0
        self.silences = 0
        """How often a source fell silent, or its service events stayed away."""

    def due(self) -> bool:
        """Tell ten times a second."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + _PERIOD_S
        return True

    def begin(self) -> None:
        """Expect all sources that have an address of their own."""
        self._heard_ns[: len(self._where)] = time.monotonic_ns()

    def saw(self, packets: Packets) -> None:
        """Note who was heard. Who has ended is expected no more."""
        self._heard_ns[packets.source] = packets.arrival_ns
        ended = packets.flags & np.uint8(Flag.END) != 0
        if ended.any():
            gone = packets.source[ended]
            self._heard_ns[gone] = 0
            for source in gone.tolist():
                self._silent.discard(source)
                self._unserved.discard(source)
                self._served_s.pop(source, None)

    def counted(self, counts: npt.NDArray[np.int64], counters: Sequence[str]) -> None:
        """Note whose service events came. `counts` int64 [sources, counters] are the decoder's."""
        if not self._waits_for_service:
            return
        now_s = time.monotonic()
        services = counts[:, list(counters).index(SERVICE)]
        before = np.zeros(len(services), np.int64)
        before[: len(self._services)] = self._services
        for source in np.flatnonzero((services > before) & (self._heard_ns[: len(services)] > 0)).tolist():
            self._served_s[source] = now_s
        if self._told_to_serve:
            for source in np.flatnonzero(self._heard_ns[: len(services)] > 0).tolist():
                self._served_s.setdefault(source, now_s)
        self._services = services.copy()

    def silent(self) -> list[int]:
        """Return the sources that were heard before, or have an address, and not of late; the first 64."""
        heard = self._heard_ns[:NO_SOURCE]
        late_ns = time.monotonic_ns() - int(STALLED_S * 1e9)
        silent: list[int] = np.flatnonzero((heard > 0) & (heard < late_ns))[:_MOST_NAMED].tolist()
        return silent

    def without_service(self) -> list[int]:
        """Return the sources whose service events stay away."""
        return sorted(self._unserved)

    def changes(self) -> list[Change]:
        """Return who fell silent since the last call, or speaks again.

        While all are silent none is told apart, but for boards, which would say something whatever they see.
        """
        now_silent = set(self.silent())
        heard = self._heard_ns[:NO_SOURCE]
        others = not now_silent or len(now_silent) < int(np.count_nonzero(heard))
        if not (others or self._told_to_serve):
            return []
        now_ns, newest_ns = time.monotonic_ns(), int(heard.max())
        fell = []
        for source in sorted(now_silent - self._silent):
            silent_s, behind_s = ((at_ns - int(heard[source])) / 1e9 for at_ns in (now_ns, newest_ns))
            fell.append(Change(source, "silent", round(silent_s, 3), "", round(behind_s, 3), others))
        back = [Change(source, "heard", 0.0) for source in sorted(self._silent - now_silent)]
        for change in back:
            if change.source in self._served_s:
                self._served_s[change.source] = now_ns / 1e9
        self._silent = now_silent
        found = [*back, *fell, *self._service_changes()]
        self.silences += sum(change.kind == "silent" for change in found)
        return found

    def _service_changes(self) -> list[Change]:
        """Return whose service events stay away, of those that are heard at all, or come again."""
        now_s = time.monotonic()
        away = {source: now_s - at_s for source, at_s in self._served_s.items()}
        missing = {source for source, away_s in away.items() if away_s >= SERVICE_S}
        since_ns = time.monotonic_ns() - _SPEAKS_NS  # who does not speak at all is silent soon, which says enough
        speaks = {source for source in missing if self._heard_ns[source] >= since_ns}
        fell, back = speaks - self._unserved - self._silent, self._unserved - missing
        self._unserved = (self._unserved | fell) & missing
        return [
            *(Change(source, "heard", 0.0, SERVICE) for source in sorted(back)),
            *(Change(source, "silent", round(away[source], 3), SERVICE) for source in sorted(fell)),
        ]

    def sentence(self, change: Change) -> str:
        """Return what a change to silence means."""
        return change.sentence(self._where[change.source] if change.source < len(self._where) else "")

    def figures(self, lost: Mapping[int, str]) -> dict[str, object]:
        """Return what the status says of sources."""
        return {
            "lost_sources": {str(number): why for number, why in lost.items()},
            "sources_without_service": self.without_service(), "silences": self.silences,
        }  # fmt: skip
