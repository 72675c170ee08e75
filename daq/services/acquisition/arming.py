"""How long an armed acquisition waits for its start."""

from __future__ import annotations

import time

from daq.services.acquisition.progress import DEVICE
from daq.services.alarms import Alarms

_WARNING_S = 120.0


class Arming:
    """Counts down; warns 2 minutes before the end. One press renews it (`renew`)."""

    def __init__(self, alarms: Alarms, lasts_s: float) -> None:
        self._alarms, self.lasts_s = alarms, lasts_s
        self._until_s = 0.0

    def renew(self, *, at_least_s: float = 0.0) -> None:
        """Begin to count anew; `at_least_s`: so long until a start that is due, and as long as ever after it."""
        self._until_s = time.monotonic() + at_least_s + self.lasts_s
        self._alarms.clear(DEVICE, "arming-expires")

    @property
    def left_s(self) -> float:
        """Return how long it still waits."""
        return max(0.0, self._until_s - time.monotonic())

    def expired(self) -> bool:
        """Return True once the time is over; warn before that."""
        left_s = self.left_s
        if 0 < left_s <= min(_WARNING_S, self.lasts_s / 2):
            self._alarms.raise_(
                DEVICE, "arming-expires", priority="low", text="the armed acquisition is about to expire",
                guidance="start it, or renew the arming", latched=False,
            )  # fmt: skip
        return left_s <= 0

    def over(self) -> None:
        """Warn no longer."""
        self._alarms.clear(DEVICE, "arming-expires")
