"""Watches the clock for the readout: silence, stall, the host's limit, when to flush, when to ask for health."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import Any

from daq.model.packets import Packets
from daq.readout.filling import Filler
from daq.readout.hostlimits import socket_buffer_verdict
from daq.readout.plan import Plan
from daq.readout.presence import STALLED_S, Presence
from daq.readout.sources import Datagrams
from daq.readout.streams import StreamSource
from daq.storage.hostcommands import source_noted
from daq.storage.recording import Recording

FLUSH_S = 0.5
_HEALTH_PERIOD_S = 0.5
_MOST_WARNINGS = 256
_LEAST_LIVE = 0.5
"""Below that more events are lost to dead time than are taken."""
_LOG = logging.getLogger(__name__)
_CLOCK_OF_A_THREAD = 6


class Watch:
    """What host time decides. Asked by the receiving and the processing thread."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._filler: Filler | None = None
        self._started_s = 0.0
        self._next_health_s = 0.0
        self._words_at_s = 0.0
        self._flushed = True
        self.presence = Presence(plan)
        self.warnings: list[str] = []
        self._beyond: set[int] = set()
        self.drained = 0
        self._host_s = plan.stop.host_s

    def armed(self, source: Datagrams | StreamSource) -> None:
        """Compare the socket's buffer with what the profile's rate needs; what does not suffice becomes a warning."""
        granted = source.health().get("socket_buffer_bytes")
        if granted is None:
            return
        verdict = socket_buffer_verdict(granted, self._plan.receive.rate_words_per_s, self._plan.layout.word_bytes)
        if verdict.verdict != "good":
            self.warnings.append(str(verdict))

    def started(self, filler: Filler, now_s: float) -> None:
        """Begin to watch."""
        self._filler = filler
        self._started_s = self._next_health_s = self._words_at_s = now_s
        filler.last_packet_s = now_s
        self.presence.begin()

    def saw(self, packets: Packets) -> None:
        """Note who was heard."""
        self.presence.saw(packets)
        if packets.length.any():
            self._words_at_s = time.monotonic()
            self._flushed = False

    def warn(self, sentence: str) -> None:
        """Say something in the status from now on, once; at most 256 of them."""
        if sentence not in self.warnings and len(self.warnings) < _MOST_WARNINGS:
            _LOG.warning("%s", sentence)
            self.warnings.append(sentence)

    def look_for(self, recording: Recording, source: Datagrams | StreamSource, counters: tuple[str, ...]) -> None:
        """Mark, and warn of, sources that fell silent, were lost, or have too high a rate; mark those that are back.

        `counters` are the names of what the decoder counts.
        """
        derivation = recording.derivation
        self.presence.counted(derivation.carry.counts, counters)
        for change in self.presence.changes():
            since_s = change.silent_s if change.what else change.behind_s
            recording.note(source_noted(derivation, change.kind, change.source, since_s, change.what))
            if change.kind == "silent":
                self.warn(self.presence.sentence(change))
        for number, share in recording.steps.live_shares.items():
            self.judge_rate(number, share)
        for why in (*source.lost.values(), *derivation.warnings):
            self.warn(why)

    def of_sources(self, recording: Recording | None, source: Datagrams | StreamSource | None) -> dict[str, Any]:
        """Return what the status says of single sources."""
        shares = recording.steps.live_shares if recording is not None else {}
        return {
            **self.presence.figures(source.lost if source is not None else {}),
            "live_shares": {str(number): round(share, 4) for number, share in shares.items()},
        }

    def judge_rate(self, source: int, live_share: float) -> None:
        """Warn, once for each source, of a rate beyond what its electronics convert."""
        if live_share < _LEAST_LIVE and source not in self._beyond:
            self._beyond.add(source)
            self.warn(
                f"source {source} could take events in {100 * live_share:.0f} % of the last second: the rate is beyond "
                "its electronics. What they did not convert is dead time, told in the recording"
            )

    def silence(self) -> str | None:
        """Return why to stop when nothing has come for too long. Ask after a read in vain only."""
        if self._filler is None:
            return None
        silent_s = time.monotonic() - self._filler.last_packet_s
        heard = self._filler.any_packet
        if silent_s > (self._plan.stall_s if heard else self._plan.connect_s):
            return "stalled" if heard else "silent"
        return None

    def flush_due(self, held_rows: int) -> bool:
        """Tell, once per silence, that no words have come for half a second while rows wait for their turn."""
        if not held_rows or self._flushed or time.monotonic() - self._words_at_s < FLUSH_S:
            return False
        self._flushed = True
        return True

    @staticmethod
    def cpu_s() -> dict[str, float]:
        """Return the CPU seconds of each thread that runs, by name."""
        seconds: dict[str, float] = {}
        for thread in threading.enumerate():
            if thread.native_id is None:
                continue
            # The clock by the kernel's number: pthread_getcpuclockid may crash on a thread that has just ended.
            with suppress(OSError):
                spent_s = time.clock_gettime(~thread.native_id << 3 | _CLOCK_OF_A_THREAD)
                seconds[thread.name] = round(seconds.get(thread.name, 0.0) + spent_s, 3)
        return seconds

    def health_due(self) -> bool:
        """Tell twice a second."""
        now_s = time.monotonic()
        if now_s < self._next_health_s:
            return False
        self._next_health_s = now_s + _HEALTH_PERIOD_S
        return True

    def host_limit_reached(self) -> bool:
        """Tell whether the host's clock ends the step."""
        return self._host_s is not None and time.monotonic() - self._started_s >= self._host_s

    def step(self, host_s: float | None) -> None:
        """Begin another step, with another limit."""
        self._started_s, self._host_s = time.monotonic(), host_s

    def figures(self, state: str) -> dict[str, Any]:
        """Return what the status says: silent for how long, stalled or not, and which sources."""
        if self._filler is None or state != "recording":
            return {"stalled": False, "silent_s": 0.0, "silent_sources": []}
        silent_s = time.monotonic() - self._filler.last_packet_s
        return {
            "stalled": silent_s > STALLED_S,
            "silent_s": round(silent_s, 3),
            "silent_sources": self.presence.silent(),
        }
