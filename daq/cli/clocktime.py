"""Times of day as people type them: 14:30, 14:30:05, or RFC 3339."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from daq.errors import UsageError

_OF_DAY = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?", re.ASCII)


def moment(text: str, now: datetime) -> datetime:
    """Return the time that `text` means, with its time zone. Without a day: the next such time of the host's clock.

    Raises `UsageError`. `now` has a time zone.
    """
    found = _OF_DAY.fullmatch(text.strip())
    if found is None:
        return _full(text)
    hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        today = now.astimezone().replace(tzinfo=None, hour=hour, minute=minute, second=second, microsecond=0)
    except ValueError:
        raise UsageError(f"{text!r} is no time of day, such as 14:30 or 14:30:05") from None
    here = today.astimezone()  # by the rules of that day: the night may change the clock
    return here if here > now else (today + timedelta(days=1)).astimezone()


def _full(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(f"{text!r} is no time: possible are 14:30, 14:30:05, 2026-11-23T14:30:05+01:00")
    return at
