"""Turns what devices say about themselves into alarms: silent, beyond a limit, tripped, warming up too fast.

Of a controller that is down there is one alarm, and not one for each reading of each device on it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from daq.devices.abilities import Quantity
from daq.model.station import Announcement, Priority, Reading
from daq.services.bus import Bus
from daq.services.controllerhealth import WIRE
from daq.services.motion.alarming import Alarming

_MOST_KEPT = 1000
_TEMPERATURE = "degC"
_TROUBLE = "trouble"
_WHY = {"stale": "does not answer", "comm_fail": "answers with errors"}
_BEYOND = "find out why before the next acquisition"
_NONE = Quantity("", "")
_LOOK_S = 0.5
_SETTLES_S = 5.0
"""By then it is known whether the controller of a silent device is down."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How fast a temperature may change: `per_h` degrees an hour, looked at over `over_s` seconds.

    A crystal of NaI cracks when it is warmed or cooled too fast; 3 to 5 degrees an hour are what is usually allowed.
    """

    per_h: float = 3.0
    over_s: float = 900.0


@dataclass(slots=True)
class _Course:
    """The last readings of a temperature, oldest first: seconds and degrees."""

    points: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_MOST_KEPT))

    def rate_per_h(self, now_s: float, value: float, over_s: float) -> float:
        """Take a value and return how fast it has changed over the last `over_s`; 0 until there is so much to tell."""
        self.points.append((now_s, value))
        while len(self.points) > 1 and self.points[1][0] <= now_s - over_s:
            self.points.popleft()
        since_s, before = self.points[0]
        return 0.0 if now_s - since_s < over_s else (value - before) / (now_s - since_s) * 3600.0


class DeviceAlarms:
    """Hears readings, and raises and clears their alarms. Interlocks that are open are low: people open covers.

    `quantities`: what each device can be asked for, whose guidance and priority its alarms have. `controller_of`: the
    controller of a device, of those that are on one.
    """

    def __init__(
        self, bus: Bus, alarms: Alarming, *, quantities: Mapping[str, Sequence[Quantity]] | None = None,
        controller_of: Mapping[str, str] | None = None, drift: Drift | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._alarms = alarms
        self._quantities = {(device, each.name): each for device, all_ in (quantities or {}).items() for each in all_}
        self._controller_of = dict(controller_of or {})
        self._down: set[str] = set()
        self._silent: dict[tuple[str, str], tuple[Reading, float]] = {}
        self._drift = drift or Drift()
        self._clock = clock
        self._courses: dict[tuple[str, str], _Course] = {}
        self._raised: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Listen until cancelled."""
        with self._bus.listening(self._hear, replay=True):
            while True:
                await asyncio.sleep(_LOOK_S)
                for reading, since_s in list(self._silent.values()):
                    is_new = (reading.device, f"{reading.name}-silent") not in self._raised
                    if is_new and self._clock() - since_s >= _SETTLES_S:
                        self._say_silent(reading)

    def _hear(self, said: Announcement) -> None:
        if not isinstance(said, Reading):
            return
        if said.name == WIRE and said.device in self._controller_of.values():
            self._wire(said)
            return
        self._silence(said)
        self._limits(said)
        if said.name == _TROUBLE and said.quality == "good":
            self._trouble(said)
        if said.unit == _TEMPERATURE and said.quality in ("good", "out_of_limits"):
            self._course(said)

    def _wire(self, said: Reading) -> None:
        """Take notice of a controller that is down, or is there again: its devices' silence is of that, or is not."""
        down = said.level == "alarm"
        on_it = [device for device, controller in self._controller_of.items() if controller == said.device]
        (self._down.add if down else self._down.discard)(said.device)
        text = f"controller {said.device}: {said.value}; nothing is known of {', '.join(on_it)}"
        self._set(
            said, "down", down, "medium", text,
            "look at its power and its cable; what it holds now is not known, and may be on", latched=False,
        )  # fmt: skip
        for reading, _ in [each for each in self._silent.values() if down and each[0].device in on_it]:
            self._say_silent(reading)

    def _silence(self, said: Reading) -> None:
        """Take notice of a reading that is not current; on a controller it will soon be known whether that is down."""
        key, silent = (said.device, said.name), said.quality in _WHY
        if not silent:
            self._silent.pop(key, None)
        elif said.device in self._controller_of:
            self._silent[key] = (said, self._silent[key][1] if key in self._silent else self._clock())
            return
        self._say_silent(said)

    def _say_silent(self, said: Reading) -> None:
        why = _WHY.get(said.quality)
        its_own = why is not None and self._controller_of.get(said.device) not in self._down
        self._set(
            said, "silent", its_own, "medium", f"{said.name} of {said.device}: the device {why}",
            "look at its power and its cable; what it holds now is not known", latched=False,
        )  # fmt: skip

    def _limits(self, said: Reading) -> None:
        if said.quality in _WHY:
            return
        beyond = said.quality == "out_of_limits"
        if isinstance(said.value, bool):
            self._set(
                said, "open", beyond, "low", f"{said.name} of {said.device} is open",
                "what it guards is refused until it is closed", latched=False,
            )  # fmt: skip
            return
        known = self._quantities.get((said.device, said.name), _NONE)
        bounds = ", ".join(f"{name.replace('_', ' ')} {limit:g}" for name, limit in said.limits.items())
        value = f"{said.value:.8g}" if isinstance(said.value, float) else str(said.value)
        unit = f" {said.unit}" if said.unit not in ("", "1") else ""
        text = f"{said.name} of {said.device} is {value}{unit} ({bounds})"
        self._set(said, "limits", beyond, known.priority, text, known.guidance or _BEYOND)
        self._set(said, "warning", said.level == "warning", "low", text, known.guidance or _BEYOND, latched=False)

    def _trouble(self, said: Reading) -> None:
        self._set(
            said, "trip", bool(said.value), "high", f"{said.device}: {said.value}",
            "its trip group goes down with it, others stay; find the cause, clear it, arm it and raise it again",
        )  # fmt: skip

    def _course(self, said: Reading) -> None:
        course = self._courses.setdefault((said.device, said.name), _Course())
        if not isinstance(said.value, int | float):
            return
        rate = course.rate_per_h(self._clock(), float(said.value), self._drift.over_s)
        most_per_h = self._quantities.get((said.device, said.name), _NONE).most_per_h
        most_per_h = self._drift.per_h if most_per_h is None else most_per_h
        self._set(
            said, "drift", abs(rate) > most_per_h, "medium",
            f"{said.name} of {said.device} changes by {rate:.1f} degrees an hour, {most_per_h:g} are allowed",
            "look at the air conditioning; a crystal that changes too fast cracks, and gain drifts",
        )  # fmt: skip

    def _set(
        self, said: Reading, what: str, active: bool, priority: Priority, text: str, guidance: str, *,  # noqa: FBT001
        latched: bool = True,
    ) -> None:  # fmt: skip
        name = f"{said.name}-{what}"
        if active:
            self._raised.add((said.device, name))
            self._alarms.raise_(said.device, name, priority=priority, text=text, guidance=guidance, latched=latched)
        elif (said.device, name) in self._raised:
            self._raised.discard((said.device, name))
            self._alarms.clear(said.device, name)
