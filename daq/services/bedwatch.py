"""Calls somebody where a patient lies on the bed and nothing is acquired: people were forgotten there for hours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from daq.model.station import Reading, utc_now
from daq.services.bus import Bus
from daq.services.motion.alarming import Alarming
from daq.state.acquisition import State

DEVICE, QUANTITY, ALARM = "patient", "on_bed", "patient-idle"
_LOOK_S = 2.0
_WORKS = frozenset({State.PREPARING, State.POSITIONING, State.ACQUIRING, State.COMPLETING})
"""States in which something is done with the patient."""
_GUIDANCE = "go to the patient: acquire, or say that the patient is off the bed"


class Occupied(Protocol):
    """What knows whether a patient lies there: `daq.services.qc.bed.Bed`."""

    @property
    def patient(self) -> bool:
        """Return True while one does."""
        ...


class BedWatch:
    """Looks every two seconds. `idle_s`: how long nothing may be acquired before somebody is called."""

    def __init__(
        self,
        bed: Occupied,
        state: Callable[[], State],
        bus: Bus,
        alarms: Alarming,
        *,
        idle_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bed, self._state, self._bus, self._alarms = bed, state, bus, alarms
        self._idle_s, self._clock = idle_s, clock
        self._since_s: float | None = None
        self._rings = False
        self._said: bool | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        """Say whether a patient lies there, and call somebody where nothing has been acquired for too long."""
        patient = self._bed.patient
        if patient is not self._said:
            self._said = patient
            self._bus.announce(Reading(DEVICE, QUANTITY, patient, "", "good", utc_now()))
        if not patient or self._state() in _WORKS:
            self._since_s = None
            self._end()
            return
        if self._since_s is None:
            self._since_s = self._clock()
        if (idle_s := self._clock() - self._since_s) >= self._idle_s:
            self._ring(idle_s)

    def _ring(self, idle_s: float) -> None:
        if self._rings:
            return
        self._rings = True
        self._alarms.raise_(
            DEVICE, ALARM, priority="medium", guidance=_GUIDANCE,
            text=f"a patient is on the bed, and nothing has been acquired for {idle_s / 60:.0f} minutes",
        )  # fmt: skip

    def _end(self) -> None:
        if self._rings:
            self._rings = False
            self._alarms.clear(DEVICE, ALARM)
