"""Whether the daemon is alive, and telling systemd so: as long as its loop turns and everybody it needs is heard of.

Each `Pulse` is beaten by whoever it stands for. The watchdog is fed from the loop, so a loop that hangs does not feed
it; and it is not fed while a pulse is late. systemd then ends the daemon and starts it again: the recording goes on
meanwhile, in the readout's own process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from daq.transports.sdnotify import Notify

_LOG = logging.getLogger(__name__)
_TICK_S = 0.25
_FEEDS = 4
"""Within the time that systemd gives."""
_UNWATCHED_S = 2.0

Check = Callable[[], str | None]
"""Returns None as long as all is well, else in words what is not."""


class Pulse:
    """Beaten regularly by something that lives; late when it was not for `most_s`."""

    def __init__(self, name: str, most_s: float) -> None:
        self._name = name
        self._most_s = most_s
        self._beaten_s = time.monotonic()
        self._held = False

    def beat(self) -> None:
        """Say that it lives."""
        self._beaten_s = time.monotonic()
        self._held = False

    def hold(self) -> None:
        """Say that nothing is to be heard until the next beat: it rests, on purpose."""
        self._held = True

    def __call__(self) -> str | None:
        """Return None, or how late it is."""
        silent_s = time.monotonic() - self._beaten_s
        return None if self._held or silent_s <= self._most_s else f"{self._name} silent for {silent_s:.1f} s"


class LoopTicker:
    """Measures how late the loop turns, in s: `lag_s` lately, `worst_lag_s` since `take_worst`."""

    def __init__(self) -> None:
        self.lag_s = 0.0
        self._worst_s = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self.lag_s = max(loop.time() - due_s, 0.0)
            self._worst_s = max(self._worst_s, self.lag_s)

    def take_worst(self) -> float:
        """Return the longest lag since this was last asked for."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s


class Watchdog:
    """Feeds systemd's watchdog while all checks hold, and says in the status which does not."""

    def __init__(self, notify: Notify, checks: Mapping[str, Check]) -> None:
        self._notify = notify
        self._checks = dict(checks)
        self.wrong: tuple[str, ...] = ()

    async def run(self) -> None:
        """Check and feed until cancelled; without systemd, check all the same, for the log and `wrong`."""
        pause_s = (self._notify.watchdog_s or _UNWATCHED_S) / _FEEDS
        while True:
            self.look()
            await asyncio.sleep(pause_s)

    def look(self) -> None:
        """Check, and feed where all is well."""
        found = tuple(why for name, check in self._checks.items() if (why := _judge(name, check)) is not None)
        if bool(found) != bool(self.wrong):
            if found:
                _LOG.error("the watchdog is not fed: %s", "; ".join(found))
                self._notify.status(f"not alive: {'; '.join(found)}")
            else:
                _LOG.warning("the watchdog is fed again")
                self._notify.status("alive again")
        self.wrong = found
        if not found:
            self._notify.alive()


def _judge(name: str, check: Check) -> str | None:
    try:
        return check()
    except Exception as why:  # noqa: BLE001 - a check that fails is a reason not to feed
        return f"{name} cannot be checked: {type(why).__name__}: {why}"
