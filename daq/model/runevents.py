"""What becomes an event in the documents of a run: which announcements, with which keys, how often.

| stream | from | at most |
| --- | --- | --- |
| `<device>_<name>` | readings, on change | 1 Hz numbers, 10 Hz others and when the quality changes |
| `progress` | progress | 1 Hz |
| `station` | the state, on change | 10 Hz |
| `alarms` | alarms, on change | 10 Hz each |
| `steps` | beginning and end of steps | |
| `hand_overs` | what is confirmed in the run | |
| `energy_windows` | windows that are others in this exam | |

What comes too early waits for its turn, or for something newer that takes its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from daq.model.datakey import DataKey, Dtype, Value, dtype_of, key_name, limits_of
from daq.model.handover import Confirmed
from daq.model.station import Alarm, Progress, Reading, StationStatus
from daq.model.windowchange import WindowChange

NUMBERS_S = 0.9
"""Shortest time between two events of numbers: 1 Hz, with room for who is a little early."""
OTHERS_S = 0.1
_MOST_SUBJECTS = 5000


@dataclass(frozen=True, slots=True)
class Happening:
    """What makes an event: stream, keys, values; when they were read (Unix time); the least seconds between two."""

    stream: str
    keys: dict[str, DataKey]
    values: dict[str, Value]
    read_s: float | None = None
    every_s: float = OTHERS_S


@dataclass(slots=True)
class _Subject:
    written: Happening | None = None
    at_s: float = float("-inf")
    waiting: Happening | None = None


@dataclass(slots=True)
class Pace:
    """Lets through what says something new, not too often. Times are monotonic seconds.

    `left_out` counts what belonged to subjects beyond the most it keeps.
    """

    left_out: int = 0
    _subjects: dict[tuple[str, ...], _Subject] = field(default_factory=dict)
    _waiting: dict[tuple[str, ...], None] = field(default_factory=dict)

    def last(self, *subject: str) -> Happening | None:
        """Return what was let through last."""
        known = self._subjects.get(subject)
        return known.written if known else None

    def offer(self, happening: Happening, *subject: str) -> None:
        """Take in what happened to a subject."""
        known = self._subjects.get(subject)
        if known is None:
            if len(self._subjects) >= _MOST_SUBJECTS:
                self.left_out += 1
                return
            known = self._subjects[subject] = _Subject()
        if known.written is not None and known.written.values == happening.values:
            known.waiting = None
            self._waiting.pop(subject, None)
        else:
            known.waiting = happening
            self._waiting[subject] = None

    def due(self, now_s: float) -> Iterator[Happening]:
        """Yield what may be let through; with infinity, all that waits."""
        for subject in tuple(self._waiting):
            known = self._subjects[subject]
            happening = known.waiting
            if happening is not None and now_s - known.at_s >= happening.every_s:
                known.written, known.at_s, known.waiting = happening, now_s, None
                del self._waiting[subject]
                yield happening


def reading_event(said: Reading, last: Happening | None, describe: Callable[[str, str], str]) -> Happening:
    """Return the event of a reading: value and quality. A missing value keeps the type that the last one had."""
    key = key_name(said.device, said.name)
    dtype = dtype_of(said.value) or _type_before(last, key, said)
    units = said.unit or None
    keys = {
        key: DataKey(dtype, describe(said.device, said.name), said.device, units, limits_of(said.limits)),
        f"{key}_quality": DataKey("string", f"{said.device}/{said.name}", said.device),
    }
    values: dict[str, Value] = {key: said.value, f"{key}_quality": said.quality}
    same_quality = last is not None and last.values.get(f"{key}_quality") == said.quality
    every_s = NUMBERS_S if dtype == "number" and same_quality else OTHERS_S
    return Happening(key, keys, values, unix_time(said.read_utc), every_s)


def _type_before(last: Happening | None, key: str, said: Reading) -> Dtype:
    if last is not None and key in last.keys:
        return last.keys[key].dtype
    return "number" if said.unit else "string"


_PROGRESS_UNITS = {
    "elapsed_s": "s",
    "rate_cps": "cps",
    "file_bytes": "byte",
    "step": None,
    "recorded_events": None,
    "missing_words": None,
    "dropped": None,
}


def progress_event(said: Progress, last: Happening | None) -> Happening:
    """Return the event of a progress: durations, rates and counters, those of the step as `counts_<name>`."""
    values: dict[str, Value] = {name: getattr(said, name) for name in _PROGRESS_UNITS}
    units = dict(_PROGRESS_UNITS)
    if said.dead_time_pct is not None or (last is not None and "dead_time_pct" in last.values):
        values["dead_time_pct"], units["dead_time_pct"] = said.dead_time_pct, "%"
    for name, counts in said.counts.items():
        values[f"counts_{key_name(name)}"] = counts
    keys = {
        name: DataKey("number" if units.get(name) else "integer", "readout", "readout", units.get(name))
        for name in values
    }
    return Happening("progress", keys, values, every_s=NUMBERS_S)


def status_event(said: StationStatus, boot: str) -> Happening:
    """Return the event of a state of the station. `boot` names this start of the daemon."""
    return _of_texts("station", "station", {
        "state": said.state,
        "state_step": said.step,
        "state_step_name": said.step_name,
        "state_detail": said.detail,
        "moving": said.moving,
        "boot": boot,
    })  # fmt: skip


def alarm_event(said: Alarm) -> Happening:
    """Return the event of an alarm that came, went or was acknowledged."""
    return _of_texts("alarms", "alarms", {
        "alarm_device": said.device,
        "alarm_name": said.name,
        "alarm_priority": said.priority,
        "alarm_text": said.text,
        "alarm_active": said.active,
        "alarm_acknowledged_by": said.acknowledged_by or "",
    })  # fmt: skip


def step_event(number: int, name: str, boundary: str, ended_by: str, recorded_events: int) -> Happening:
    """Return the event of a boundary of a step."""
    return _of_texts("steps", "protocol", {
        "step_number": number,
        "step_name": name,
        "step_boundary": boundary,
        "step_ended_by": ended_by,
        "step_recorded_events": recorded_events,
    })  # fmt: skip


def hand_over_event(made: Confirmed) -> Happening:
    """Return the event of something that was handed over; the record as JSON."""
    return _of_texts("hand_overs", "protocol", {
        "hand_over_name": made.name,
        "hand_over_what": made.record.what,
        "hand_over_by": made.by,
        "hand_over_record": made.record.model_dump_json(),
    })  # fmt: skip


def window_event(change: WindowChange) -> Happening:
    """Return the event of an energy window that is another in this exam than its protocol says."""
    return _of_texts("energy_windows", "protocol", {
        "window_name": change.window,
        "window_by": change.by,
        "window_how": change.how,
        "window_change": json.dumps(change.to_json()),
    })  # fmt: skip


def _of_texts(stream: str, owner: str, values: dict[str, Value]) -> Happening:
    """Return an event of texts, truths and whole numbers."""
    keys = {
        name: DataKey("integer" if dtype_of(value) == "number" else dtype_of(value) or "string", owner, owner)
        for name, value in values.items()
    }
    return Happening(stream, keys, values)


def unix_time(utc: str) -> float | None:
    """Return an RFC 3339 time as Unix time in seconds; None where it is none."""
    try:
        return datetime.fromisoformat(utc).timestamp()
    except ValueError:
        return None
