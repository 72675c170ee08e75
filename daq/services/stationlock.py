"""One daemon per station: a lock in the state folder, held as long as the daemon lives, however it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from daq.errors import RefusedError
from daq.model.station import utc_now
from daq.readout.locks import EXCLUSIVE, is_at, lock_soon, open_for_locking

LOCK = "daemon.lock"
_MOST_BYTES = 1000


@contextmanager
def only_daemon(state: Path) -> Iterator[None]:
    """Be the daemon of the station whose state folder this is; raise `RefusedError` while another one is.

    The folder is made where it is missing. Processes that are started meanwhile do not inherit the lock.
    """
    try:
        state.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as why:
        raise RefusedError(f"the state folder {state} cannot be made: {why.strerror}") from None
    path = state / LOCK
    with open_for_locking(path, os.O_CREAT) as lock:
        if not lock_soon(lock, EXCLUSIVE) or not is_at(lock, path):
            raise RefusedError(f"this station has a daemon already{_holder(lock)}; its lock is {path}")
        line = json.dumps({"pid": os.getpid(), "since_utc": utc_now()}).encode() + b"\n"
        os.pwrite(lock.fileno(), line, 0)
        os.ftruncate(lock.fileno(), len(line))
        yield


def _holder(lock: BinaryIO) -> str:
    """Return who holds the lock, as far as it says so."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(os.pread(lock.fileno(), _MOST_BYTES, 0))
        return f" (process {int(told['pid'])}, since {told['since_utc']})"
    return ""
