"""What a station says about itself: state, progress, readings, alarms, documents; and who asks it for something.

Every record is a frozen value. `payload()` gives its JSON form, the same on MQTT, on the local socket and in the
console; keys carry their units. No record has a place for a patient's name or number.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Literal


class Role(IntEnum):
    """What a user may do; each one includes those before it, except that a technologist may not do QC."""

    VIEWER = 0
    TECHNOLOGIST = 1
    QC = 2
    PHYSICIST = 3
    SERVICE = 4


Origin = Literal["local", "mqtt", "console", "daemon"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a user of this host, of the broker, of the console; or the daemon itself.

    `certificate` is the fingerprint or subject where one was shown, `uid` and `pid` where the kernel vouches for them.
    """

    user: str
    origin: Origin
    role: Role = Role.VIEWER
    uid: int | None = None
    pid: int | None = None
    certificate: str = ""
    second: str = ""
    """Another person who signed in beside them for this one request."""


DAEMON = Actor("daemon", "daemon", Role.SERVICE)


def utc_now() -> str:
    """Return the time of this host as RFC 3339 with milliseconds, e.g. `2026-11-22T14:05:07.123Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class StationStatus:
    """The state of the station. `since_utc`: when it was entered; `possible`: what a person may ask for now.

    `detail` says in words why it is so. `step` counts from 1; 0 before the first.
    """

    state: str
    since_utc: str
    run: str | None = None
    protocol: str | None = None
    step: int = 0
    steps: int = 0
    step_name: str = ""
    detail: str = ""
    possible: tuple[str, ...] = ()
    moving: bool = False
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. Counts are those of the current step; `recorded_events` are durable, of the whole run.

    `fraction` of the step is None where its stop condition cannot say; `dead_time_pct` where nothing measures it;
    `randoms_fraction`, delayeds over prompts of the last moments, where there are no delayeds. `rates_cps` are those of
    singles, prompts and delayeds, where they come. `frames_wait`: the time of the step has not begun, because the count
    rate or trigger that its frames begin with has not come; `frames_wait_for` says which of them, `frames_wait_cps` the
    rate now and `frames_begin_cps` that at which frames begin, null where they wait for no rate. `elapsed_s` is of the
    run, `step_s` of the current step, its pauses left out.
    """

    run: str
    elapsed_s: float
    step: int
    steps: int
    counts: dict[str, int] = field(default_factory=dict)
    recorded_events: int = 0
    rate_cps: float = 0.0
    dead_time_pct: float | None = None
    missing_words: int = 0
    dropped: int = 0
    file_bytes: int = 0
    fraction: float | None = None
    remaining_s: float | None = None
    rates_cps: dict[str, float] = field(default_factory=dict)
    randoms_fraction: float | None = None
    frames_wait: bool = False
    frames_wait_for: Literal["", "trigger", "count_rate"] = ""
    frames_wait_cps: float | None = None
    frames_begin_cps: float | None = None
    step_s: float = 0.0


Quality = Literal["good", "stale", "out_of_limits", "comm_fail"]
Level = Literal["", "warning", "alarm"]


@dataclass(frozen=True, slots=True)
class Reading:
    """The last value read from a device. One that is not fresh is `stale`, never the last good value unmarked.

    `level`: which of its limits it is beyond; beyond a warning limit alone its quality is good still.
    """

    device: str
    name: str
    value: float | int | str | bool | None
    unit: str
    quality: Quality
    read_utc: str
    limits: dict[str, float] = field(default_factory=dict)
    level: Level = ""


Priority = Literal["high", "medium", "low"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person should know. `active`: the cause is still there. A latched one stays until acknowledged.

    `text` and `guidance` say what is wrong and what to do, to whoever works with the station; `details`, for whoever
    mends it, where things lie and which command does it by hand. Empty where there is nothing more to know.
    """

    device: str
    name: str
    priority: Priority
    text: str
    guidance: str
    since_utc: str
    active: bool = True
    latched: bool = True
    acknowledged_by: str | None = None
    details: str = ""

    @property
    def shown(self) -> bool:
        """Return True until it is over: no longer active, and acknowledged where it latches."""
        return self.active or (self.latched and self.acknowledged_by is None)


@dataclass(frozen=True, slots=True)
class RunLedger:
    """The ledger of a run, as in its manifest."""

    run: str
    ledger: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunDocument:
    """A document of the Bluesky event model: `name` is start, descriptor, event, stream_resource ... or stop."""

    run: str
    name: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Description:
    """What there is: instruments, devices, readings with units and limits, versions."""

    station: str
    scanner: str
    versions: dict[str, str]
    instruments: dict[str, Any] = field(default_factory=dict)
    devices: dict[str, Any] = field(default_factory=dict)
    simulated: bool = False
    controllers: dict[str, Any] = field(default_factory=dict)


QcState = Literal["valid", "due", "overdue", "failed", "never", "after-service"]


@dataclass(frozen=True, slots=True)
class QcStatus:
    """Where a test of quality control stands. `level` is that of its newest result, empty before the first.

    `blocking`: while it is overdue or failed, no patient is acquired but by name and reason. `text` says it all in a
    sentence; `result` is the id of the newest result, null before the first, `due_utc` null for a test on demand.
    """

    test: str
    title: str
    state: QcState
    level: str
    performed_utc: str | None
    due_utc: str | None
    result: str | None
    blocking: bool
    text: str


Announcement = StationStatus | Progress | Reading | Alarm | RunLedger | RunDocument | Description | QcStatus


def payload(announcement: Announcement) -> dict[str, Any]:
    """Return the record as a JSON object; tuples become lists."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(announcement).items()}
