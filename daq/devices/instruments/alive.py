"""Whether the program of an instrument goes on. One that stands still answers as ever, with what was the case."""

from __future__ import annotations

from collections.abc import Callable

from daq.devices.abilities import Value
from daq.errors import VerificationError
from daq.model.controlroles import AliveRole


class Alive:
    """Looks at a number that an instrument changes for as long as its program runs, where its profile names one.

    One for all who read the instrument: what one has seen change, all know of.
    """

    def __init__(self, name: str, role: AliveRole | None, clock: Callable[[], float]) -> None:
        self._name, self._role, self._clock = name, role, clock
        self._last: Value = None
        self._changed_s = 0.0

    @property
    def wanted(self) -> list[tuple[str, str]]:
        """Return what is to be read beside all that it shall stand for; nothing where no number is named."""
        return [] if self._role is None else [(self._role.value, "")]

    def look(self, found: Value) -> None:
        """Take what was just read of it. Raises `VerificationError` where it has not changed for too long."""
        role = self._role
        if role is None:
            return
        now_s = self._clock()
        if found != self._last or self._last is None:
            self._last, self._changed_s = found, now_s
        elif now_s - self._changed_s > role.within_s:
            raise VerificationError(
                f"{self._name}: its program stands still: {role.value} has read {self._last} for"
                f" {now_s - self._changed_s:.3g} s, {role.within_s:g} s is usual; nothing it says is current"
            )
