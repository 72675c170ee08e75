"""Who watches over a readout, and what it does when nobody does any more. Times are of the host's monotonic clock.

A *lease* is renewed by whoever watches. When it runs out nobody does: who did is dead, or hangs. An axis that moves is
then taken for lost; everything else goes on, or waits to be found again, but never for ever. A readout that was never
attended has nobody to miss.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum, auto

_TICK_S = 0.05
_BLINK_S = 0.25


class Phase(Enum):
    """What a readout is at, as far as it matters when nobody watches."""

    ARMED = auto()
    """Nothing was recorded."""
    MOVING = auto()
    """In a step during which axes move."""
    STATIONARY = auto()
    """In a step during which nothing moves."""
    IDLE = auto()
    """Paused, or between two steps."""
    ENDING = auto()


class Deed(Enum):
    """What to do."""

    GO_ON = auto()
    LOSE_MOTION = auto()
    END = auto()


def deed_of(phase: Phase, *, waited_s: float, grace_s: float, step_s: float) -> Deed:
    """Return what to do when nobody has watched for `waited_s`, or since the phase began, if that is less.

    `grace_s`: how long to wait to be found; `step_s`: how long to go on with a stationary step.
    """
    if phase is Phase.MOVING:
        return Deed.LOSE_MOTION
    if phase is Phase.ENDING:
        return Deed.GO_ON
    return Deed.END if waited_s >= (step_s if phase is Phase.STATIONARY else grace_s) else Deed.GO_ON


class Lease:
    """A promise to say again, within a time, "I watch". Any thread may renew it, one looks at the clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until_s: float | None = None
        self._ticked_s: float | None = None
        self._forgiven = False
        self.ran_out_s: float | None = None
        """Since when nobody watches; None while somebody does, or never did."""
        self.lapses = 0
        """How often it has run out."""

    @property
    def attended(self) -> bool | None:
        """Return whether somebody watches; None when nobody ever has."""
        return None if self._until_s is None else self.ran_out_s is None

    def renew(self, now_s: float, within_s: float) -> None:
        """Begin anew: the last word counts."""
        with self._lock:
            self._until_s = now_s + within_s
            self._forgiven = False
            self.ran_out_s = None

    def tick(self, now_s: float) -> None:
        """Look whether it has run out; to be called every 50 ms.

        When that was impossible for long (this process was stopped, or the host stood still), nobody could be heard
        either: the time is not counted, once between two renewals.
        """
        with self._lock:
            late_s = now_s - self._ticked_s if self._ticked_s is not None else 0.0
            self._ticked_s = now_s
            if self._until_s is None or self.ran_out_s is not None:
                return
            if late_s > _BLINK_S and not self._forgiven:
                self._forgiven = True
                self._until_s += late_s
            if now_s >= self._until_s:
                self.ran_out_s = now_s
                self.lapses += 1


class Attendance:
    """The lease of a readout, watched by a thread of its own from the first word on, and the phases it is in."""

    def __init__(self, *, grace_s: float, step_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`grace_s` and `step_s` as in `Plan.unattended_s` and `Plan.unattended_step_s`."""
        self._grace_s = grace_s
        self._step_s = step_s
        self._clock = clock
        self.lease = Lease()
        self._phase = Phase.ARMED
        self._since_s = clock()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def attended(self) -> bool | None:
        """Return whether somebody watches; None when nobody ever has."""
        return self.lease.attended

    def attend(self, within_s: float) -> None:
        """Take it from somebody that the readout is watched, for so long. Any thread may call it, at any time."""
        self.lease.renew(self._clock(), within_s)
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._watch, name="attendance", daemon=True)
                self._thread.start()

    def deed(self, phase: Phase, *, promised_s: float = 0.0) -> Deed:
        """Return what to do now. One thread asks, every so often, so that it is seen when a phase begins.

        `promised_s`: a clock ends the step after so many seconds of its own; added to the time a step may take.
        """
        now_s = self._clock()
        if phase is not self._phase:
            self._phase, self._since_s = phase, now_s
        ran_out_s = self.lease.ran_out_s
        if ran_out_s is None:
            return Deed.GO_ON
        waited_s = now_s - max(ran_out_s, self._since_s)
        return deed_of(phase, waited_s=waited_s, grace_s=self._grace_s, step_s=self._step_s + promised_s)

    def close(self) -> None:
        """Watch no longer."""
        with self._lock:
            self._stopping.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def _watch(self) -> None:
        while not self._stopping.wait(_TICK_S):
            self.lease.tick(self._clock())
