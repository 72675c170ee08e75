"""Asks devices what they measure, each by a task of its own, and announces it with its quality.

A device that does not answer in time is *stale* as soon as its last value is too old; one that answers with an error,
or hung up, is *comm_fail* at once, without a value. The last good value is never announced as if it were new: a value
is as old as the question it answers, also where the device hands on what it read for somebody else.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from daq.devices.abilities import Device, Quantity, Timed, TimedDevice, Value
from daq.devices.calls import Calls
from daq.errors import DeadlineError, ScandaqError
from daq.model.station import Level, Quality, Reading, utc_now
from daq.services.bus import Bus
from daq.services.metrics import Asked
from daq.services.readinglevel import level_of, quality_of

_LOG = logging.getLogger(__name__)
_REPLY_S = 1.0
_LEAST_S = 0.01
_AGE_S = 0.25


@dataclass(slots=True)
class _Kept:
    """What is known of one quantity: when it is to be read next, what was read last, what was said last."""

    quantity: Quantity
    due_s: float
    began_s: float
    value: Value = None
    read_s: float | None = None
    read_utc: str = ""
    level: Level = ""
    said: Reading | None = None
    said_s: float = -math.inf


class Readings:
    """Polls every quantity of every device at its own cadence.

    `repeat_s`: after so long a value is announced again though it has not left its deadband. `missed` counts answers
    that did not come in `reply_s` (or the device's own, where it knows one), `failed` those that were errors, `old`
    those that were too old when they came.
    """

    def __init__(
        self,
        devices: Mapping[str, Device],
        bus: Bus,
        *,
        reply_s: float = _REPLY_S,
        repeat_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._devices = dict(devices)
        self._timed = {name: device for name, device in devices.items() if isinstance(device, TimedDevice)}
        self._bus = bus
        self._reply_s = reply_s
        self._repeat_s = repeat_s
        self._clock = clock
        self._kept: dict[str, list[_Kept]] = {}
        self.missed = self.failed = self.old = 0

    async def run(self) -> None:
        """Poll until cancelled."""
        now_s = self._clock()
        self._kept = {
            name: [_Kept(each, now_s, now_s) for each in device.quantities] for name, device in self._devices.items()
        }
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._grow_old(), name="age of readings")
            for name, device in self._devices.items():
                if self._kept[name]:
                    tasks.create_task(self._poll(name, device, self._kept[name]), name=f"readings of {name}")

    def age_s(self, device: str, quantity: str) -> float | None:
        """Return how long ago a quantity was asked for that was answered; None where it never was, or not lately.

        A value that stays within its deadband is announced seldom: what was announced last may look older.
        """
        for each in self._kept.get(device, ()):
            if each.quantity.name == quantity and each.read_s is not None:
                return self._clock() - each.read_s
        return None

    def figures(self) -> list[Asked]:
        """Return how many answers were no readings, to be asked for at every scrape."""
        texts = {
            "missed": "Answers of devices that did not come in time.",
            "failed": "Answers of devices that were errors, or no numbers.",
            "old": "Values that were too old when they came, or older than the last one.",
        }
        return [
            Asked(f"scandaq_readings_{name}", text, partial(getattr, self, name), is_counter=True)
            for name, text in texts.items()
        ]

    async def _grow_old(self) -> None:
        """Look at the age of everything, also while a device that is slow to answer is waited for."""
        while True:
            await asyncio.sleep(_AGE_S)
            for name, quantities in self._kept.items():
                for each in quantities:
                    self._look_at_age(name, each)

    async def _poll(self, name: str, device: Device, kept: list[_Kept]) -> None:
        """Read what is due, one quantity after the other, for ever."""
        calls = Calls(name)
        while True:
            next_one = min(kept, key=lambda each: each.due_s)
            await asyncio.sleep(max(_LEAST_S, next_one.due_s - self._clock()))
            next_one.due_s = max(self._clock(), next_one.due_s) + next_one.quantity.poll_s
            await self._read(name, device, calls, next_one)

    async def _read(self, name: str, device: Device, calls: Calls, kept: _Kept) -> None:
        what = kept.quantity.name
        within_s = max(self._reply_s, self._timed[name].reply_s) if name in self._timed else self._reply_s
        within_s = min(within_s, kept.quantity.stale_s)
        try:
            timed = await calls.within(self._asked(name, device, what), within_s, f"read {what}")
        except DeadlineError as why:
            self.missed += 1
            _LOG.debug("%s", why)
        except ScandaqError as why:
            self._fail(name, kept, str(why))
        except Exception as why:  # noqa: BLE001 - a fault of one driver is none of the others
            self._fail(name, kept, f"unexpected {type(why).__name__}: {why}")
        else:
            self._take(name, kept, timed)

    async def _asked(self, name: str, device: Device, what: str) -> Timed:
        """Return a value with the time it was asked for: now, unless the device knows better."""
        asked_s = self._clock()
        if name in self._timed:
            return await self._timed[name].read_timed(what)
        return Timed(await device.read(what), asked_s)

    def _take(self, name: str, kept: _Kept, timed: Timed) -> None:
        value, age_s = timed.value, max(0.0, self._clock() - timed.asked_s)
        if isinstance(value, float) and not math.isfinite(value):
            self._fail(name, kept, f"{value} is no number")
            return
        if kept.read_s is not None and timed.asked_s < kept.read_s:
            self.old += 1
            return
        kept.value, kept.read_s, kept.read_utc = value, timed.asked_s, _ago(age_s)
        if age_s > kept.quantity.stale_s:
            self.old += 1
            self._say(name, kept, "stale")
            return
        kept.level = level_of(value, kept.quantity, kept.level)
        self._say(name, kept, quality_of(kept.level))

    def _fail(self, name: str, kept: _Kept, why: str) -> None:
        self.failed += 1
        if kept.said is None or kept.said.quality != "comm_fail":
            _LOG.warning("%s, %s: %s", name, kept.quantity.name, why)
        kept.value, kept.read_s, kept.read_utc = None, None, utc_now()
        kept.level = ""
        self._say(name, kept, "comm_fail")

    def _look_at_age(self, name: str, kept: _Kept) -> None:
        """Say that a value has become too old, or never came."""
        if kept.said is not None and kept.said.quality in ("stale", "comm_fail"):
            return
        since_s = kept.began_s if kept.read_s is None else kept.read_s
        if self._clock() - since_s > kept.quantity.stale_s:
            kept.read_utc = kept.read_utc or utc_now()
            self._say(name, kept, "stale")

    def _say(self, name: str, kept: _Kept, quality: Quality) -> None:
        """Announce what has changed, or was said too long ago."""
        said, now_s = kept.said, self._clock()
        same = (
            said is not None
            and (said.quality, said.level) == (quality, kept.level)
            and _same(said.value, kept.value, kept.quantity.deadband)
        )
        if same and now_s - kept.said_s < self._repeat_s:
            return
        quantity = kept.quantity
        kept.said = Reading(
            name, quantity.name, kept.value, quantity.unit, quality, kept.read_utc, dict(quantity.limits), kept.level
        )
        kept.said_s = now_s
        self._bus.announce(kept.said)


def _ago(age_s: float) -> str:
    """Return the time of this host so long ago, as `utc_now` says it."""
    moment = datetime.now(UTC) - timedelta(seconds=age_s)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _same(before: Value, now: Value, deadband: float) -> bool:
    """Return True where the difference is none worth telling; also between values that are no numbers."""
    if isinstance(before, int | float) and isinstance(now, int | float) and deadband > 0:
        return abs(before - now) <= deadband
    return before == now and type(before) is type(now)
