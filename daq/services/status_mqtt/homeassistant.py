"""What Home Assistant is told about a station: one device whose components can be looked at, none that does anything.

Home Assistant takes any unit for any device class without a word, and then shows nonsense. So a class is given only
with a unit that it has (`homeassistant.components.sensor.const`, 2025.1); else there is the unit alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from daq.model import topics as tree
from daq.model.station import Announcement, Description, Reading
from daq.services.controllerhealth import WIRE
from daq.services.status_mqtt.announcer import Announcer
from daq.services.status_mqtt.messages import as_json
from daq.services.status_mqtt.outbox import Lane
from daq.state.acquisition import State

MOST_READINGS = 500
_PACE_S = 5.0
_URL = "https://example.org/scandaq"

UNITS_OF_CLASS: dict[str, frozenset[str]] = {
    "current": frozenset({"A", "mA"}),
    "data_size": frozenset({"B", "kB", "MB", "GB"}),
    "distance": frozenset({"mm", "cm", "m", "km"}),
    "duration": frozenset({"d", "h", "min", "s", "ms"}),
    "frequency": frozenset({"Hz", "kHz", "MHz", "GHz"}),
    "temperature": frozenset({"°C", "°F", "K"}),
    "voltage": frozenset({"V", "mV"}),
}
"""Device classes of sensors and the units Home Assistant knows for each; those that we use."""

_WRITTEN = {"degC": "°C", "deg": "°", "uA": "µA", "us": "µs", "um": "µm", "1": ""}
_NO_CLASS = frozenset({"K"})
"""Ours is a difference of temperatures, theirs a temperature."""

_FRESH = "{{ 'online' if value_json.quality in ['good', 'out_of_limits'] else 'offline' }}"


def written(unit: str) -> tuple[str, str | None]:
    """Return a unit of ours as Home Assistant writes it, and the device class it belongs to, if any."""
    theirs = _WRITTEN.get(unit, unit)
    if unit in _NO_CLASS:
        return theirs, None
    return theirs, next((name for name, units in UNITS_OF_CLASS.items() if theirs in units), None)


class HomeAssistant:
    """Keeps the discovery message up to date with what the station announces."""

    def __init__(self, announcer: Announcer, scanner: str) -> None:
        self._announcer = announcer
        self._scanner = scanner
        self._versions: dict[str, str] = {}
        self._readings: dict[tuple[str, str], tuple[str, str]] = {}
        self.object_id = object_id(scanner)
        self.topic = tree.home_assistant(self.object_id)

    def hear(self, said: Announcement) -> None:
        """Note readings that are new and what versions there are; called with every announcement."""
        if isinstance(said, Reading):
            shape = said.unit, _kind_of(said)
            known = self._readings.get((said.device, said.name))
            if shape != known and shape[1] and (known or len(self._readings) < MOST_READINGS):
                self._readings[said.device, said.name] = shape
                self.publish()
        elif isinstance(said, Description) and said.versions != self._versions:
            self._versions = dict(said.versions)
            self.publish()

    def publish(self) -> None:
        """Queue the discovery message as it will be when it is sent."""
        self._announcer.say(self.topic, self._bytes, retain=True, lane=Lane.NORMAL, every_s=_PACE_S)

    def config(self) -> dict[str, Any]:
        """Return the discovery message."""
        software = self._versions.get("scandaq", next(iter(self._versions.values()), ""))
        return {
            "device": {
                "identifiers": [self.object_id],
                "name": self._scanner,
                "manufacturer": "scandaq",
                **({"sw_version": software} if software else {}),
            },
            "origin": {"name": "scandaq", **({"sw_version": software} if software else {}), "support_url": _URL},
            "components": dict(self._components()),
            "qos": 1,
        }

    def _bytes(self) -> bytes:
        return as_json(self.config(), self.topic)

    def _components(self) -> Iterator[tuple[str, dict[str, Any]]]:
        topics = self._announcer.topics
        available = {"availability_topic": topics.availability}
        progress = tree.PROGRESS.format(scanner=topics.scanner, run="+")
        yield self._one("state", "State", "sensor", topics.state, "{{ value_json.state }}",
                        device_class="enum", options=[str(state) for state in State], **available)  # fmt: skip
        fault = "{{ 'ON' if value_json.state == 'fault' else 'OFF' }}"
        yield self._one("fault", "Fault", "binary_sensor", topics.state, fault, device_class="problem", **available)
        moving = "{{ 'ON' if value_json.moving else 'OFF' }}"
        yield self._one("moving", "Moving", "binary_sensor", topics.state, moving, device_class="moving", **available)
        number = {"state_class": "measurement", **available}
        rate = "{{ value_json.rate_cps }}"
        yield self._one("rate", "Count rate", "sensor", progress, rate, unit_of_measurement="cps", **number)
        size = {"unit_of_measurement": "B", "device_class": "data_size"}
        yield self._one("file_bytes", "Recorded", "sensor", progress, "{{ value_json.file_bytes }}", **size, **number)
        for (device, name), (unit, kind) in self._readings.items():
            yield self._reading(device, name, unit, kind)

    def _reading(self, device: str, name: str, unit: str, kind: str) -> tuple[str, dict[str, Any]]:
        topic = self._announcer.topics.reading(device, name)
        fresh: dict[str, Any] = {
            "availability": [
                {"topic": self._announcer.topics.availability},
                {"topic": topic, "value_template": _FRESH},
            ],
            "availability_mode": "all",
        }
        key = _key(f"reading {device} {name}")
        if name == WIRE or name.startswith(f"{WIRE}_"):
            fresh["entity_category"] = "diagnostic"
        if kind == "switch":
            template = "{{ 'ON' if value_json.value else 'OFF' }}"
            return self._one(key, f"{device} {name}", "binary_sensor", topic, template, **fresh)
        extra: dict[str, Any] = {}
        if kind == "number":
            theirs, device_class = written(unit)
            extra = {"state_class": "measurement"}
            extra |= {"unit_of_measurement": theirs} if theirs else {}
            extra |= {"device_class": device_class} if device_class else {}
        return self._one(key, f"{device} {name}", "sensor", topic, "{{ value_json.value }}", **extra, **fresh)

    def _one(
        self, key: str, name: str, platform: str, topic: str, template: str, **more: Any
    ) -> tuple[str, dict[str, Any]]:
        return key, {
            "platform": platform,
            "unique_id": f"{self.object_id}-{key}",
            "name": name,
            "state_topic": topic,
            "value_template": template,
            **more,
        }


def object_id(scanner: str) -> str:
    """Return the identifier of a scanner at Home Assistant: letters, digits, underscore, hyphen."""
    return _key(f"scandaq {scanner}")


def _key(text: str) -> str:
    return quote(text, safe=" ").replace(" ", "-").translate({ord("%"): "-", ord("."): "-", ord("~"): "-"})


def _kind_of(reading: Reading) -> str:
    """Return how a value is shown; empty while nothing says so."""
    if isinstance(reading.value, bool):
        return "switch"
    if isinstance(reading.value, int | float) or (reading.value is None and reading.unit):
        return "number"
    return "text" if isinstance(reading.value, str) else ""
