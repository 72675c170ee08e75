"""When a step may begin after the injection, in words: too early, too late, soon too late, or not known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from daq.model.protocol import Step
from daq.services.acquisition.progress import DEVICE
from daq.services.alarms import Alarms

_NAME = "after-injection"
_EVERY_S = 5.0
_WARN_S = 120.0
"""So long before it is too late, or an eighth of the window where that is shorter."""

Injected = Callable[[], datetime | None]
"""Returns when the tracer was injected, None where that is not known yet."""


class Remark(NamedTuple):
    """What there is to say. `off`: it is out of its time, not just soon to be."""

    text: str
    off: bool = True


class UptakeTime:
    """Holds the steps of one run against the time since the injection. It warns, never refuses: tracers decay."""

    def __init__(
        self, injected: Injected, alarms: Alarms, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._injected, self._alarms, self._now = injected, alarms, now
        self._looked: datetime | None = None

    def said(self, step: Step) -> str | None:
        """Return what is to be known before the step begins, None where it is in time or wants no time."""
        found = self._found(step)
        return None if found is None else found.text

    def look(self, step: Step | None) -> None:
        """Warn of a step that waits to begin, while it is so, every few seconds; None: nothing waits."""
        now = self._now()
        if step is not None and self._looked is not None and 0 <= (now - self._looked).total_seconds() < _EVERY_S:
            return
        self._looked = None if step is None else now
        text = None if step is None else self.said(step)
        if text is None:
            self._alarms.clear(DEVICE, _NAME)
        else:
            self._raise(text, latched=False)

    def begun(self, step: Step) -> None:
        """Say, until somebody has seen it, that a step began out of its time."""
        found = self._found(step)
        self._alarms.clear(DEVICE, _NAME)
        if found is not None and found.off:
            self._raise(found.text, latched=True)
            self._alarms.clear(DEVICE, _NAME)

    def _found(self, step: Step) -> Remark | None:
        window_s, at = step.after_injection_s, self._injected()
        if window_s is None:
            return None
        wanted = f"{step.name!r} is to begin {_span(window_s[0])} to {_span(window_s[1])} after the injection"
        if at is None:
            return Remark(f"{wanted}, whose time is not known: note it")
        return _judged(wanted, (self._now() - at).total_seconds(), window_s)

    def _raise(self, text: str, *, latched: bool) -> None:
        self._alarms.raise_(
            DEVICE, _NAME, priority="low", text=text, latched=latched,
            guidance="begin in time where that can be; the verdict will say when it began, and a physician decides",
        )  # fmt: skip


def _judged(wanted: str, since_s: float, window_s: tuple[float, float]) -> Remark | None:
    earliest_s, latest_s = window_s
    if since_s < 0:
        return Remark(f"{wanted}, which the record dates into the future: look at the clock of the dose calibrator")
    if since_s < earliest_s:
        return Remark(f"{wanted}; {_span(earliest_s - since_s)} to go")
    if since_s > latest_s:
        return Remark(f"{wanted}; that was {_span(since_s - latest_s)} ago")
    if latest_s - since_s < min(_WARN_S, (latest_s - earliest_s) / 8):
        return Remark(f"{wanted}; {_span(latest_s - since_s)} left", off=False)
    return None


def _span(seconds: float) -> str:
    """Return a time for people: 45 s, 10 min, 2 h 30 min."""
    whole = round(seconds)
    if whole < 2 * 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 2 * 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
