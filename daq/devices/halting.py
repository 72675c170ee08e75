"""Bringing an axis to rest: halts that are sent until it stands, and two read-backs that prove it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from daq.devices.abilities import Halt, Sample
from daq.devices.calls import Calls
from daq.devices.drive import Drive, Timing
from daq.devices.limits import AxisLimits
from daq.errors import DeadlineError, MotionError, ScandaqError, UnreachableError, WireError

_LOG = logging.getLogger(__name__)

_MOST_STOPS = 256


class Halting:
    """The stops of one axis. Several may be under way: each sends its own halts.

    `last`: how it came to rest after its last stop; None where that was not confirmed, or before the first. `doubtful`:
    a stop is not confirmed, and none was since; `unconfirmed`: and its time is over. `sample` reads where the axis is.
    """

    def __init__(
        self, name: str, limits: AxisLimits, drive: Drive, timing: Timing, clock: Callable[[], float],
        sample: Callable[[], Awaitable[Sample]],
    ) -> None:  # fmt: skip
        self.last: Halt | None = None
        self.doubtful = self.unconfirmed = False
        self._name, self._limits, self._drive, self._timing = name, limits, drive, timing
        self._clock, self._sample = clock, sample
        self._calls = Calls(name, most=_MOST_STOPS)

    async def halt(self, known: Sample | None) -> Halt:
        """Send halts and read back until it stands; `known` is the newest sample before. Raises `MotionError`."""
        began_s = self._clock()
        at_command = self._expected(known, began_s)
        self.last, self.doubtful = None, True
        wire_s: float | None = None
        before: Sample | None = None
        why, seen, refused, again = "it does not answer", "", "", False
        while (left_s := began_s + self._timing.halt_s - self._clock()) > 0:
            try:
                if wire_s is None or again or (before is not None and before.moving):
                    refused = await self._refused(min(self._timing.wire_s, left_s))
                    wire_s = self._clock() - began_s if wire_s is None and not refused else wire_s
                sample = await self._sample_within(left_s)
            except (DeadlineError, UnreachableError, WireError, TimeoutError) as trouble:  # its controller has an alarm
                _LOG.debug("%s: %s", self._name, trouble)
                again = isinstance(trouble, UnreachableError)
                await asyncio.sleep(self._timing.again_s)
                continue
            except Exception as trouble:  # noqa: BLE001 - whatever a driver raises, the stop goes on
                why = str(trouble) or type(trouble).__name__
                await asyncio.sleep(self._timing.again_s)
                continue
            if before is not None and self._stands(before, sample):
                return self._report(sample, began_s, wire_s, at_command)
            at_command = sample.position if at_command is None else at_command
            before, again, seen = sample, False, f"it still moves at {sample.position:g} {self._limits.unit}{refused}"
            await asyncio.sleep(min(self._timing.poll_s, left_s))
        self.unconfirmed = True
        doubt = f"is not confirmed to stand {self._timing.halt_s:g} s after a stop"
        raise MotionError(f"{self._name} {doubt}: {seen or why}")

    async def _refused(self, within_s: float) -> str:
        """Send a halt; return what its controller says against it: whether it stands is read all the same."""
        try:
            await self._calls.within(self._drive.halt(), within_s, "halt")
        except (DeadlineError, UnreachableError, WireError):
            raise
        except ScandaqError as why:
            return f"; {why}"
        return ""

    async def _sample_within(self, left_s: float) -> Sample:
        async with asyncio.timeout(left_s):
            return await self._sample()

    def _stands(self, before: Sample, now: Sample) -> bool:
        return not now.moving and abs(now.position - before.position) <= self._limits.in_position / 4

    def _report(self, sample: Sample, began_s: float, wire_s: float | None, at_command: float | None) -> Halt:
        overtravel = 0.0 if at_command is None else abs(sample.position - at_command)
        halted_s = self._clock() - began_s
        self.doubtful = self.unconfirmed = False
        self.last = Halt(
            self._name, self._limits.unit, wire_s, halted_s, sample.position, overtravel, self._limits.max_overtravel
        )
        return self.last

    def _expected(self, last: Sample | None, now_s: float) -> float | None:
        """Return where it should be now by its last sample; None where that is too long ago to tell."""
        if last is None or now_s - last.monotonic_s > self._timing.silent_s:
            return None
        return last.position + (last.velocity * (now_s - last.monotonic_s) if last.moving else 0.0)
