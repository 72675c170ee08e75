"""Sessions that survive a restart of the daemon: a technologist is not thrown out in mid-exam, nor loses control.

Only hashes of cookies are kept. Times are kept by the clock of the host, for the daemon's own begins anew with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daq.errors import FormatError
from daq.gateway.privatefile import read_private, write_private
from daq.gateway.sessions import Session, Sessions
from daq.model.station import Role

SCHEMA = "console-sessions/0"
SESSIONS_FILE = "console-sessions.json"


def content_of(sessions: Sessions, holder: str | None, *, wall: Callable[[], float] = time.time) -> dict[str, Any]:
    """Return what is kept: who is signed in, and the number of the session that holds control."""
    now_s, now_wall_s = sessions.clock(), wall()
    return {
        "schema": SCHEMA, "holder": holder,
        "sessions": {
            key: {
                "number": each.number, "user": each.user, "role": each.role.name.lower(), "proof": each.proof,
                "uid": each.uid, "begun_utc": each.begun_utc,
                "acted_wall_s": round(now_wall_s - (now_s - each.acted_s), 3),
            }
            for key, each in sessions.kept().items()
        },
    }  # fmt: skip


def save(path: Path, content: dict[str, Any]) -> None:
    """Write it and wait for the disk. Raise `StorageFailedError`."""
    write_private(path, content)


def restore(path: Path, sessions: Sessions, *, wall: Callable[[], float] = time.time) -> str | None:
    """Take up the sessions of the daemon before; return who held control. Raise `RefusedError` or `FormatError`."""
    found = read_private(path, SCHEMA)
    if found is None:
        return None
    now_s, now_wall_s = sessions.clock(), wall()
    try:
        for key, told in dict(found["sessions"]).items():
            idle_s = max(0.0, now_wall_s - float(told["acted_wall_s"]))
            role = Role[str(told["role"]).upper()]
            sessions.put(
                str(key),
                Session(
                    str(told["number"]), str(told["user"]), role, now_s - idle_s, now_s, str(told["proof"]),
                    told["uid"], begun_utc=str(told.get("begun_utc", "")),
                ),
            )  # fmt: skip
        holder = found["holder"]
    except (KeyError, TypeError, ValueError) as why:
        raise FormatError(f"{path} has an entry that is no session: {type(why).__name__}") from None
    return None if holder is None else str(holder)
