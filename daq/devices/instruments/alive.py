"""Whether the program of an instrument goes on. One that stands still answers as ever, with what was the case."""

from __future__ import annotations

from daq.devices.abilities import Value
from daq.devices.instruments.instrument import Instrument
from daq.errors import VerificationError


class Alive:
    """Looks at a number that the instrument changes for as long as its program runs, where its profile names one."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._role = instrument.profile.roles.alive
        self._last: Value = None
        self._changed_s = 0.0

    @property
    def wanted(self) -> list[tuple[str, str]]:
        """Return what is to be read, after everything that it shall stand for."""
        return [] if self._role is None else [(self._role.value, "")]

    def look(self, found: list[Value]) -> None:
        """Take what was read of `wanted`. Raises `VerificationError` where it has not changed for too long."""
        role = self._role
        if role is None:
            return
        now_s = self._instrument.session.clock()
        if found[-1] != self._last or self._last is None:
            self._last, self._changed_s = found[-1], now_s
        elif now_s - self._changed_s > role.within_s:
            raise VerificationError(
                f"{self._instrument.name}: its program stands still: {role.value} has read {self._last} for"
                f" {now_s - self._changed_s:.3g} s, {role.within_s:g} s is usual; nothing it says is current"
            )
