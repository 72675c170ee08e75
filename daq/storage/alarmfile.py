"""The file that keeps a station's alarms over a restart: `alarms/1`, one JSON object, replaced by rename."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from daq.model.cleantext import clean_text
from daq.model.station import Alarm, Priority, payload

SCHEMA = "alarms/1"
_MOST_BYTES = 8 << 20
_MOST_TEXT = 500
_MOST_DETAILS = 1000
_TEXTS = ("device", "name", "text", "guidance", "since_utc")


def dump_alarms(alarms: Sequence[Alarm]) -> bytes:
    """Return the file's bytes."""
    content = {"schema": SCHEMA, "alarms": [payload(alarm) for alarm in alarms]}
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"


def load_alarms(path: Path, most: int) -> tuple[list[Alarm], int]:
    """Return the alarms of the file, at most `most`, and how many entries were none.

    Raise `ValueError` for a file that is not ours at all, `OSError`.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES} bytes")
    try:
        content = json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA or not isinstance(content.get("alarms"), list):
        raise ValueError(f"not {SCHEMA}")
    entries = content["alarms"][:most]
    alarms = [alarm for alarm in map(_alarm, entries) if alarm is not None]
    return alarms, len(content["alarms"]) - len(alarms)


def _alarm(entry: Any) -> Alarm | None:
    """Return the alarm of an entry, None where it is not one."""
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in _TEXTS):
        return None
    who = entry.get("acknowledged_by")
    priority: Priority | None = next((known for known in get_args(Priority) if known == entry.get("priority")), None)
    if priority is None or not (who is None or isinstance(who, str)):
        return None
    if not all(isinstance(entry.get(key), bool) for key in ("active", "latched")):
        return None
    details = entry.get("details", "")
    if not isinstance(details, str):
        return None
    texts = {key: clean_text(entry[key], _MOST_TEXT) for key in _TEXTS}
    return Alarm(
        priority=priority, active=entry["active"], latched=entry["latched"], acknowledged_by=who,
        details=clean_text(details, _MOST_DETAILS), **texts,
    )  # fmt: skip
