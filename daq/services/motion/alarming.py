"""What people are told when motion goes wrong, and what they should do about it."""

from __future__ import annotations

from typing import Any, Protocol

from daq.model.station import Priority
from daq.services.motion.switch import DEVICE

_LOST = "motion-lost"
_NOT_HALTED = "not-halted"
_TOO_FAR = "overtravel"


class Alarming(Protocol):
    """What keeps the station's alarms."""

    def raise_(
        self, device: str, name: str, *, priority: Priority, text: str, guidance: str, latched: bool = True,
        details: str = "",
    ) -> Any:  # fmt: skip
        """Say that there is cause for an alarm."""

    def clear(self, device: str, name: str) -> None:
        """Say that the cause is gone."""


class MotionAlarms:
    """The three alarms of motion."""

    def __init__(self, alarms: Alarming) -> None:
        self._alarms = alarms

    def lost(self, why: str) -> None:
        """Say that positions are not to be trusted."""
        self._alarms.raise_(
            DEVICE, _LOST, priority="high", text=f"motion lost: {why}",
            guidance="look after the patient; retreat by hand control, home the axes, confirm identity and position",
        )  # fmt: skip

    def clear_lost(self) -> None:
        """Say that positions were confirmed again."""
        self._alarms.clear(DEVICE, _LOST)

    def not_halted(self, axis: str, why: str) -> None:
        """Say that an axis may still move."""
        self._alarms.raise_(
            axis, _NOT_HALTED, priority="high", text=why,
            guidance="press the emergency stop: it is not known whether the axis stands",
        )  # fmt: skip

    def clear_not_halted(self, axis: str) -> None:
        """Say that it was read back: the axis stands."""
        self._alarms.clear(axis, _NOT_HALTED)

    def too_far(self, axis: str, why: str) -> None:
        """Say that an axis took too long a way to stand; over at once, and to be seen."""
        self._alarms.raise_(
            axis, _TOO_FAR, priority="medium", text=why,
            guidance="do not use this axis with a patient before its brake was looked at",
        )  # fmt: skip
        self._alarms.clear(axis, _TOO_FAR)
