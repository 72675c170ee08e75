"""Where readouts are found again: a runtime directory each, below one folder of the user.

    $XDG_RUNTIME_DIR/scandaq    or, without one that is ours, /tmp/scandaq-<uid>; mode 0700
        abcd1234/
            plan.json           what the readout is told
            control             its socket
            readout.log         what it says
            last-status.json    what it said last of all
            lock                held (flock) as long as it runs; one line of JSON: acquisition_id, directory, pid
            followed            held (flock, shared) by everybody who wants to hear its end

Whether a readout lives is told by its lock, not by its process id, which may belong to somebody else meanwhile. Whoever
starts a readout takes the lock and lets the process inherit it: there is no moment at which it runs without.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from daq.errors import MissingError, RefusedError
from daq.readout.locks import EXCLUSIVE, SHARED, is_at, lock_soon, open_for_locking, try_lock
from daq.readout.plan import CONTROL, LAST_STATUS, LOG, PLAN

LOCK = "lock"
FOLLOWED = "followed"
_FILES = (PLAN, CONTROL, LOG, LAST_STATUS, LOCK, FOLLOWED)
_NAME_BYTES = 8
_MOST_SOCKET_PATH_BYTES = 107
"""What Linux takes as the path of a socket."""
_KEPT_S = 7 * 86_400.0
"""How long what a readout left behind that ended badly is kept."""


@dataclass(frozen=True, slots=True)
class Found:
    """A runtime directory. What its readout did not get to say is None."""

    runtime: Path
    alive: bool
    pid: int | None
    acquisition_id: str | None
    directory: str | None

    def __str__(self) -> str:
        """Return a sentence."""
        who = "a readout" if self.pid is None else f"the readout (process {self.pid})"
        what = f"{self.acquisition_id or 'something'} in {self.directory or 'a directory it did not get to name'}"
        if self.alive:
            return f"{who} records {what}; it answers at {self.runtime / CONTROL}"
        return f"{who}, which was to record {what}, is gone; what it left is in {self.runtime}"


def runtime_directory() -> Path:
    """Return a fresh runtime directory; raise `RefusedError` where its place is not ours alone.

    What dead readouts left behind a week ago or earlier goes.
    """
    sweep(_KEPT_S)
    place = _base()
    try:
        return Path(tempfile.mkdtemp(prefix="", dir=place))
    except OSError as why:
        raise RefusedError(f"no runtime directory can be made in {place}: {why.strerror}") from None


def running() -> list[Found]:
    """Return the readouts of this user that live, the oldest first."""
    return [found for found in _all() if found.alive]


def stale() -> list[Found]:
    """Return what is left of readouts that do not live, the oldest first."""
    return [found for found in _all() if not found.alive]


def find(runtime: Path) -> Found:
    """Return what is known of the readout of a runtime directory; raise `MissingError` or `RefusedError`."""
    require_ours(runtime)
    told: dict[str, object] = {}
    with contextlib.suppress(OSError, ValueError, RecursionError):  # not there yet, or not written to the end
        said = json.loads((runtime / LOCK).read_bytes().partition(b"\n")[0])
        told = said if isinstance(said, dict) else {}
    pid, identity, directory = told.get("pid"), told.get("acquisition_id"), told.get("directory")
    return Found(
        runtime,
        alive=held(runtime),
        pid=pid if isinstance(pid, int) else None,
        acquisition_id=identity if isinstance(identity, str) else None,
        directory=directory if isinstance(directory, str) else None,
    )


def held(runtime: Path) -> bool:
    """Return True as long as a readout holds the lock of its runtime directory."""
    try:
        with (runtime / LOCK).open("rb") as lock:
            return not try_lock(lock, SHARED)
    except OSError:
        return False


def watch(runtime: Path) -> BinaryIO | None:
    """Return the lock of a runtime directory, to be asked with `is_held` even when the directory is gone; or None."""
    try:
        return (runtime / LOCK).open("rb", buffering=0)
    except OSError:
        return None


def take(runtime: Path) -> BinaryIO:
    """Return the lock of a runtime directory, held until it is closed by all who inherit it.

    Raise `RefusedError` when another readout holds it.
    """
    lock = open_for_locking(runtime / LOCK, os.O_CREAT)
    if not lock_soon(lock, EXCLUSIVE):  # who asks whether it is held holds it for a moment
        lock.close()
        raise RefusedError(f"{runtime} belongs to a readout that is running")
    open_for_locking(runtime / FOLLOWED, os.O_CREAT).close()
    return lock


def sign(lock: BinaryIO, *, pid: int | None, acquisition_id: str, directory: str) -> None:
    """Write into the lock who holds it and what is recorded."""
    told = {"acquisition_id": acquisition_id, "directory": directory, "pid": pid}
    line = json.dumps(told).encode() + b"\n"
    os.pwrite(lock.fileno(), line, 0)
    os.ftruncate(lock.fileno(), len(line))


def hold(runtime: Path, *, acquisition_id: str, directory: str, inherited: int | None = None) -> BinaryIO:
    """Return the lock of this process's own runtime directory, signed, to be kept open as long as it lives.

    `inherited` is the descriptor of the lock where the parent took it. Raise `RefusedError` when another readout holds
    it, or when the descriptor is something else.
    """
    if inherited is None:
        lock = take(runtime)
    else:
        lock = os.fdopen(inherited, "r+b", buffering=0)
        os.set_inheritable(inherited, False)  # noqa: FBT003 - processes that this one starts do not keep it alive
        if not is_at(lock, runtime / LOCK):
            lock.close()
            raise RefusedError(f"descriptor {inherited} is not the lock of {runtime}")
    sign(lock, pid=os.getpid(), acquisition_id=acquisition_id, directory=directory)
    return lock


def follow(runtime: Path) -> BinaryIO:
    """Return a file that keeps the directory from being removed when the readout ends, until it is closed.

    Raise `MissingError` when there is no such directory, or no more, and `RefusedError` when it is not ours.
    """
    require_ours(runtime)
    with contextlib.suppress(MissingError):
        follower = open_for_locking(runtime / FOLLOWED)
        if lock_soon(follower, SHARED) and is_at(follower, runtime / FOLLOWED):
            return follower
        follower.close()
    raise MissingError(f"{runtime}: no readout was started there, or it has ended and left nothing behind")


def tidy(runtime: Path) -> bool:
    """Remove the directory of a readout that has ended or is about to, unless somebody follows it.

    Return True when it is gone. What we did not put there stays.
    """
    try:
        with open_for_locking(runtime / FOLLOWED) as followed:
            return try_lock(followed, EXCLUSIVE) and _removed(runtime)
    except MissingError:  # nobody can follow it any more, or could ever
        return _removed(runtime)


def _removed(runtime: Path) -> bool:
    try:
        for name in _FILES:  # `followed` is the last: who finds it and can lock it finds the others, too
            (runtime / name).unlink(missing_ok=True)
        runtime.rmdir()
    except OSError:
        return not runtime.exists()
    return True


def sweep(older_than_s: float) -> list[Path]:
    """Remove what dead readouts left behind, last changed longer ago than that; return the directories removed."""
    before_s = time.time() - older_than_s
    return [found.runtime for found in stale() if _changed_s(found.runtime) < before_s and tidy(found.runtime)]


def require_ours(directory: Path) -> None:
    """Raise `MissingError` when it is not there, `RefusedError` when somebody else may have a hand in it."""
    try:
        status = directory.lstat()
    except OSError as why:
        raise MissingError(f"{directory}: {why.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise RefusedError(f"{directory}: not a directory, or a symbolic link")
    if os.geteuid() not in (status.st_uid, 0):
        raise RefusedError(f"{directory}: belongs to user {status.st_uid}, not to {os.geteuid()}")
    if status.st_mode & 0o077:
        raise RefusedError(f"{directory}: mode {stat.S_IMODE(status.st_mode):04o} lets others in; it must be 0700")


def _places() -> list[Path]:
    """Return the folders in which readouts of this user may be, the ones for new readouts first."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    session = Path(f"/run/user/{os.geteuid()}")  # those of a session are found from outside of it, too
    places = [Path(given) / "scandaq"] if given.startswith("/") and _usable(Path(given)) else []
    places.append(Path(f"/tmp/scandaq-{os.geteuid()}"))  # noqa: S108 - looked at before it is trusted
    return list(dict.fromkeys([*places, *([session / "scandaq"] if _usable(session) else [])]))


def _usable(parent: Path) -> bool:
    """Return True for a folder of ours in which sockets can have a name."""
    longest = parent / "scandaq" / ("x" * _NAME_BYTES) / CONTROL
    try:
        return parent.stat().st_uid == os.geteuid() and len(bytes(longest)) <= _MOST_SOCKET_PATH_BYTES
    except OSError:
        return False


def _base() -> Path:
    """Return the folder for new runtime directories, made if need be, ours alone; raise `RefusedError` otherwise."""
    reason = ""
    for place in _places():
        try:
            place.mkdir(mode=0o700, exist_ok=True)
        except OSError as why:  # not writable, full, or something else has the name
            reason = reason or f"{place}: {why.strerror}"
            continue
        require_ours(place)
        return place
    raise RefusedError(f"no folder for runtime directories can be made: {reason}")


def _all() -> list[Found]:
    directories: list[tuple[float, Path]] = []
    for place in _places():
        with contextlib.suppress(OSError, MissingError, RefusedError):  # not there, or not ours: not of ours in it
            require_ours(place)
            directories += [(_changed_s(entry), entry) for entry in place.iterdir()]
    found = []
    for _, directory in sorted(directories):
        with contextlib.suppress(MissingError, RefusedError):  # gone meanwhile, or put there by somebody else
            found.append(find(directory))
    return found


def _changed_s(runtime: Path) -> float:
    """Return when the directory or a file of it was changed last, in seconds since 1970; now for one that is gone."""
    try:
        return max(path.lstat().st_mtime for path in (runtime, *runtime.iterdir()))
    except OSError:
        return time.time()
