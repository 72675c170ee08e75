"""Alarms with a clock that stands still until told, and what they announced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daq.model.station import Actor, Alarm, Role
from daq.services.alarms import AlarmBounds, Alarms
from daq.services.bus import Bus

ANNA = Actor("anna", "local", Role.TECHNOLOGIST)
HOT = {"text": "21.4 degC, limit 20 degC", "guidance": "look at the cooling"}


class Station:
    """Alarms, a clock that stands still until told, and everything that was announced."""

    def __init__(self, file: Path | None = None, **bounds: Any) -> None:
        self.now_s = 1000.0
        self.bus = Bus()
        self.said: list[Alarm] = []
        self._listening = self.bus.listening(self._hear)
        self._listening.__enter__()
        self.alarms = Alarms(self.bus, file, bounds=AlarmBounds(**bounds), clock=lambda: self.now_s)

    def _hear(self, record: object) -> None:
        assert isinstance(record, Alarm)
        self.said.append(record)

    def hot(self, priority: Any = "medium", **other: Any) -> Alarm:
        return self.alarms.raise_("head-1", "temperature", priority=priority, **{**HOT, **other})

    def cold(self) -> None:
        self.alarms.clear("head-1", "temperature")

    def later(self, seconds: float) -> None:
        self.now_s += seconds
        self.alarms.flush()

    def shown(self) -> list[tuple[str, bool, str | None]]:
        return [(alarm.name, alarm.active, alarm.acknowledged_by) for alarm in self.alarms.active()]
