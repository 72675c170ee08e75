"""Where a readout is elsewhere than the journal says: it did what it was told, and its answer was lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daq.services.acquisition.journal import Entry
from daq.state.acquisition import State, Trigger

_SURE = 3
"""A status may be older than what was done since; so many in a row, and nothing done between them, are not."""
_BEGUN_BY = {State.WAITING: Trigger.START, State.ACQUIRING: Trigger.NEXT_STEP, State.PAUSED: Trigger.RESUME}


class Astray:
    """Compares statuses with the journal. `reset` when the readout is told something."""

    def __init__(self) -> None:
        self._seen = 0

    def reset(self) -> None:
        """Begin anew."""
        self._seen = 0

    def look(self, entry: Entry, status: Mapping[str, Any], *, held: bool) -> Trigger | None:
        """Return what must have happened, once that is sure. `held`: no pause of the readout is to be expected."""
        trigger = _difference(entry, status, held=held)
        self._seen = self._seen + 1 if trigger is not None else 0
        return trigger if self._seen >= _SURE else None


def _difference(entry: Entry, status: Mapping[str, Any], *, held: bool) -> Trigger | None:
    if entry.state is State.ARMED:
        return Trigger.START
    if entry.state in _BEGUN_BY and int(status.get("step", 0)) > entry.step:
        return _BEGUN_BY[entry.state]
    if held or status.get("step_ended_by"):
        return None
    if entry.state is State.ACQUIRING and status.get("paused"):
        return Trigger.PAUSE
    if entry.state is State.PAUSED and not status.get("paused"):
        return Trigger.RESUME
    return None
