"""What a run sent, as the truth file tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from simulators.plan import Show
from simulators.truth import Tally


@dataclass(slots=True)
class Outcome:
    """What a run sent so far; `trouble` says why it ended before its end."""

    transport: str
    peer: str
    tallies: dict[int, Tally]
    packets: dict[int, int] = field(default_factory=dict)
    heartbeats: dict[int, int] = field(default_factory=dict)
    lateness_ns: int | None = None
    complete: bool = False
    cut: bool = False
    trouble: str = ""
    faults: dict[str, Any] | None = None

    def described(self, show: Show) -> dict[str, Any]:
        """Return the run's part of the truth file."""
        sources = [
            {
                "source": source,
                **tally.summary(show.supply.clock),
                "packets": self.packets.get(source, 0) if self.transport == "udp" else None,
                "heartbeats": self.heartbeats.get(source, 0),
            }
            for source, tally in sorted(self.tallies.items())
        ]
        totals = {
            key: sum(int(s[key] or 0) for s in sources) for key in ("words", "events", "bytes", "packets", "heartbeats")
        }
        return {
            "transport": self.transport,
            "peer": self.peer,
            "complete": self.complete,
            "trouble": self.trouble or None,
            **totals,
            **({} if self.transport == "udp" else {"packets": None}),
            "lateness_ms": None if self.lateness_ns is None else self.lateness_ns / 1e6,
            **(self.faults or {"faults": [], "fault_seed": None, "injected": None, "expected": None}),
            "sources": sources,
        }
