"""Says how sound the conversation with each controller is, as readings of the controller itself.

`wire` is `sound`, or says in words why nothing that the controller says is believed now. The counters are of replies
that were lost, bytes that belonged to nothing, times that the conversation was made sure of again, and times that the
wire was opened. Nothing is asked for that: it is what the conversation knows anyway.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from daq.devices.instruments.instrument import Instrument
from daq.model.station import Level, Reading, utc_now
from daq.services.bus import Bus
from daq.services.metrics import Asked
from daq.services.readinglevel import quality_of

WIRE = "wire"
SOUND = "sound"
COUNTED = ("lost", "strays", "resyncs", "opened")
_LOOK_S = 0.5
_REPEAT_S = 30.0
_GRACE_S = 3.0
"""A wire that is in doubt for longer than this counts as down. One lost reply is over by then."""


@dataclass(slots=True)
class _Kept:
    """`doubt_s`: since when nothing is believed; `last_s`: when that was seen last; `why`: what was said then."""

    doubt_s: float | None = None
    last_s: float = 0.0
    why: str = ""
    said: dict[str, tuple[object, str]] = field(default_factory=dict)
    said_s: dict[str, float] = field(default_factory=dict)


class ControllerHealth:
    """Looks at every conversation twice a second, and announces what has changed."""

    def __init__(
        self, instruments: Mapping[str, Instrument], bus: Bus, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._instruments, self._bus, self._clock = dict(instruments), bus, clock
        self._kept = {name: _Kept() for name in self._instruments}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for name, instrument in self._instruments.items():
                self._look(name, instrument)
            await asyncio.sleep(_LOOK_S)

    def figures(self) -> list[Asked]:
        """Return the figures of all controllers, to be asked for at every scrape."""
        texts = {
            "exchanges": "Requests that were sent to a controller.",
            "lost": "Replies of a controller that did not come in time.",
            "strays": "Replies, echoes and bytes of a controller that belonged to nothing.",
            "resyncs": "How often the conversation with a controller was made sure of.",
            "opened": "How often the wire of a controller was opened.",
        }
        counters = [
            Asked(f"scandaq_controller_{key}", text, self._counter(key), "controller", is_counter=True)
            for key, text in texts.items()
        ]
        text = "1 while nothing that a controller says is in doubt."
        return [Asked("scandaq_controller_wire_sound", text, self._sound, "controller"), *counters]

    def _counter(self, key: str) -> Callable[[], Mapping[str, float]]:
        return lambda: {name: float(getattr(each.session.tally, key)) for name, each in self._instruments.items()}

    def _sound(self) -> Mapping[str, float]:
        return {name: float(kept.doubt_s is None) for name, kept in self._kept.items()}

    def _look(self, name: str, instrument: Instrument) -> None:
        kept, session, now_s = self._kept[name], instrument.session, self._clock()
        if session.suspect:
            kept.doubt_s = now_s if kept.doubt_s is None else kept.doubt_s
            kept.last_s, kept.why = now_s, session.suspect.removeprefix(f"{name}: ")
        elif session.spoke_s > kept.last_s and now_s - kept.last_s > _LOOK_S:  # not only about to be asked who it is
            kept.doubt_s = None
        down = kept.doubt_s is not None and now_s - kept.doubt_s >= _GRACE_S
        if down or kept.doubt_s is None:
            self._say(name, kept, WIRE, kept.why if down else SOUND, "alarm" if down else "")
        tally = asdict(session.tally)
        for counted in COUNTED:
            self._say(name, kept, f"wire_{counted}", tally[counted], "")

    def _say(self, name: str, kept: _Kept, what: str, value: str | int, level: Level) -> None:
        now_s = self._clock()
        if kept.said.get(what) == (value, level) and now_s - kept.said_s[what] < _REPEAT_S:
            return
        kept.said[what], kept.said_s[what] = (value, level), now_s
        unit = "" if what == WIRE else "1"
        self._bus.announce(Reading(name, what, value, unit, quality_of(level), utc_now(), {}, level))
