"""Which announcement goes to which topic, and the bytes of each message.

Every message but `online` and `offline` is a JSON object that begins with `seq` (counts every message of this start of
the daemon, so that a late one can be told), `ts` (when it was said) and `boot` (which start of the daemon said it).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from daq.errors import RefusedError
from daq.model import topics as tree
from daq.model.station import (
    Alarm,
    Announcement,
    Description,
    Progress,
    QcStatus,
    Reading,
    RunDocument,
    RunLedger,
    StationStatus,
    payload,
)
from daq.model.topics import Topics
from daq.services.status_mqtt.outbox import Lane, Outgoing

_HALF_S = 0.5


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of announcement is published. `every_s`: at most one of a topic in that time."""

    name: str
    address: str
    record: type[Announcement]
    summary: str
    retain: bool = True
    lane: Lane = Lane.NORMAL
    every_s: float = 0.0


KINDS: dict[type[Announcement], Kind] = {
    kind.record: kind
    for kind in (
        Kind(
            "state", tree.STATE, StationStatus, "What the station does, and what may be asked of it", lane=Lane.URGENT
        ),
        Kind("describe", tree.DESCRIBE, Description, "What there is: instruments, devices, versions", lane=Lane.URGENT),
        Kind("alarm", tree.ALARM, Alarm, "An alarm; an empty message when it is over", lane=Lane.URGENT),
        Kind("qc", tree.QC, QcStatus, "Where a test of quality control stands"),
        Kind("reading", tree.READING, Reading, "The last value read from a device", every_s=_HALF_S),
        Kind("progress", tree.PROGRESS, Progress, "How far a run is", retain=False, every_s=_HALF_S),
        Kind("ledger", tree.LEDGER, RunLedger, "Where every word of a run went", every_s=_HALF_S),
        Kind("document", tree.DOCUMENT, RunDocument, "A document of the run", retain=False, lane=Lane.DOCUMENT),
    )
}


def topic_of(topics: Topics, said: Announcement) -> str:  # noqa: C901, PLR0911 - one for each kind
    """Return where an announcement is published; raise `RefusedError` for a name that no topic can bear."""
    match said:
        case StationStatus():
            return topics.state
        case Progress(run=run):
            return topics.progress(run)
        case Reading(device=device, name=name):
            return topics.reading(device, name)
        case Alarm(device=device, name=name):
            return topics.alarm(device, name)
        case QcStatus(test=test):
            return topics.qc(test)
        case RunLedger(run=run):
            return topics.ledger(run)
        case RunDocument(run=run):
            return topics.document(run)
        case Description():
            return topics.describe


def outgoing(topics: Topics, said: Announcement, seq: int, at_ns: int) -> Outgoing:
    """Return the message of an announcement; that of an alarm which is over is empty."""
    kind = KINDS[type(said)]
    over = isinstance(said, Alarm) and not said.shown
    content: Announcement | bytes = b"" if over else said
    return Outgoing(topic_of(topics, said), content, seq, at_ns, kind.retain, kind.lane, kind.every_s)


def encoded(message: Outgoing, boot: str) -> bytes:
    """Return the bytes of a message; raise `RefusedError` for content that is no JSON."""
    content = message.content
    if isinstance(content, bytes):
        return content
    if callable(content):
        return content()
    try:
        said = payload(content)
    except (TypeError, ValueError, RecursionError) as why:
        raise RefusedError(f"what goes to {message.topic} cannot be written as JSON: {why}") from None
    return as_json({**stamp(message.seq, message.at_ns, boot), **said}, message.topic)


def stamp(seq: int, at_ns: int, boot: str) -> dict[str, Any]:
    """Return what every message begins with."""
    at = datetime.fromtimestamp(at_ns // 1_000_000 / 1000, UTC).isoformat(timespec="milliseconds")
    return {"seq": seq, "ts": at.replace("+00:00", "Z"), "boot": boot}


def as_json(value: dict[str, Any], topic: str) -> bytes:
    """Return compact JSON. Numbers that JSON cannot write are null. Raise `RefusedError` for what is no data."""
    try:
        try:
            text = json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain)
        except ValueError:
            text = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError, RecursionError) as why:
        raise RefusedError(f"what goes to {topic} cannot be written as JSON: {why}") from None
    return text.encode()


def _plain(value: object) -> object:
    """Return the Python number of a numpy one."""
    item = getattr(value, "item", None)
    if item is None:
        raise TypeError(f"{type(value).__name__} is no JSON")
    return item()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(below) for below in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
