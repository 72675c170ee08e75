"""What is under way, on disk: the daemon that comes after this one begins with it.

The file is replaced whole at every change, before anybody is told of the change. That outlives a kill at any moment;
for a power cut it is synced a moment later, in a thread, since a busy disk takes long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from daq.errors import StorageFailedError
from daq.model.station import utc_now
from daq.state.acquisition import State

_LOG = logging.getLogger(__name__)
_SYNC_S = 5.0
_AGAIN_S = 1.0
JOURNAL = "journal.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the daemon knows. `runtime` is the runtime directory of the readout, `step` counts from 1.

    `protocol` is the text of the protocol as it was when the run began, so that no later edit changes a run under way.
    """

    state: State = State.READY
    since_utc: str = ""
    boot: str = ""
    machine_boot: str = ""
    """What the kernel calls the time since the machine was switched on; empty where it does not say."""
    run: str | None = None
    directory: str | None = None
    runtime: str | None = None
    protocol_id: str | None = None
    protocol: str | None = None
    session: int = 1
    """Of the protocol: its steps are those of this session alone."""
    views: list[str] = field(default_factory=list)
    """Names of those steps of it that are taken; none: all."""
    windows: list[dict[str, Any]] = field(default_factory=list)
    """Energy windows that are others in this run than the protocol says: `daq.model.windowchange` as plain data."""
    step: int = 0
    steps: int = 0
    step_name: str = ""
    moving: bool = False
    """Axes move while this step records."""
    stood: dict[str, float] = field(default_factory=dict)
    """Where axes stood when the step began, by name, in mm or degrees; those that did not say are missing."""
    detail: str = ""
    collimator: str | None = ""
    """As noted when it was prepared; None: not known then; empty: written by a daemon that did not note it."""
    collimator_sensed: bool = True
    """Something sensed it; else it is what somebody's override means."""
    accepted: list[int] = field(default_factory=list)
    """Numbers of the steps that a person has looked at and found good."""
    counted: dict[str, dict[str, int]] = field(default_factory=dict)
    """What each step that has ended had counted then, by its number."""
    before: dict[str, Any] = field(default_factory=dict)
    """Of the views that it continues, by name: what they had before the gap, as plain data, and when they ended."""
    asked: dict[str, Any] = field(default_factory=dict)
    """Arguments of `prepare` that hold for further views of the same patient, too; nothing of who it is."""
    hand_overs: dict[str, Any] = field(default_factory=dict)
    """What was handed over in this run, by name: `daq.model.handover.Confirmed` as plain data."""
    qc_test: str = ""
    """The test of quality control that it is."""
    rehome: bool = False
    """Motion was lost: nothing moves before axes are homed and identity and position are confirmed."""
    patient_on_bed: bool = False
    """A patient was prepared, and nobody has said since that the patient is off the bed."""


def machine_boot() -> str:
    """Return what tells this time of the machine's running from any other; empty where the kernel does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


class Journal:
    """Keeps the newest entry on disk. `entry` is what holds now."""

    def __init__(self, folder: Path, *, boot: str, on_failure: Callable[[str | None], None]) -> None:
        """Read what the last daemon left; a file that cannot be read is kept aside, and `on_failure` told.

        `on_failure` hears of a disk that refuses, and None when it takes the journal again.
        """
        self._path = folder / JOURNAL
        self._on_failure = on_failure
        self.boot, self.machine_boot = boot, machine_boot()
        self._owed = False
        """The newest entry is not on disk."""
        self._dirty, self._closing = threading.Event(), threading.Event()
        self.entry = self._read()
        self._thread = threading.Thread(target=self._sync, name="journal", daemon=True)
        self._thread.start()

    def write(self, **changes: Any) -> Entry:
        """Change the entry, on disk first; return it. A disk that refuses is told to `on_failure`: the run goes on."""
        before = self.entry
        if changes.get("state", before.state) is not before.state:
            changes.setdefault("since_utc", utc_now())
        self.entry = replace(before, boot=self.boot, machine_boot=self.machine_boot, **changes)
        self._store()
        return self.entry

    async def run(self) -> None:
        """Write what a disk refused again and again, until cancelled."""
        while True:
            await asyncio.sleep(_AGAIN_S)
            if self._owed:
                self._store()

    def _store(self) -> None:
        before = self._owed
        try:
            beside = self._path.with_suffix(".new")
            beside.write_text(json.dumps(asdict(self.entry)), encoding="utf-8")
            beside.replace(self._path)
        except OSError as why:
            self._owed = True
            if not before:
                self._on_failure(f"{self._path}: {why.strerror}; a daemon that is started again would not know of this")
            return
        self._owed = False
        self._dirty.set()
        if before:
            self._on_failure(None)

    def close(self) -> None:
        """Sync what was written, within 5 s."""
        self._closing.set()
        self._dirty.set()
        self._thread.join(_SYNC_S)

    def _read(self) -> Entry:
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))
            known = {each.name for each in fields(Entry)}
            return Entry(**{**{k: v for k, v in told.items() if k in known}, "state": State(told["state"])})
        except FileNotFoundError:
            return Entry(since_utc=utc_now())
        except OSError as why:
            raise StorageFailedError(f"{self._path}: {why.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as why:
            aside = self._path.with_suffix(".damaged")
            with contextlib.suppress(OSError):
                self._path.replace(aside)
            self._on_failure(
                f"{self._path} was damaged ({why}) and is kept as {aside.name}; a run may be without a daemon"
            )
            return Entry(since_utc=utc_now())

    def _sync(self) -> None:
        while not self._closing.is_set() or self._dirty.is_set():
            self._dirty.wait()
            self._dirty.clear()
            try:
                for path, flags in ((self._path, os.O_RDONLY), (self._path.parent, os.O_RDONLY | os.O_DIRECTORY)):
                    descriptor = os.open(path, flags)
                    try:
                        os.fsync(descriptor)
                    finally:
                        os.close(descriptor)
            except FileNotFoundError:
                continue  # nothing written yet
            except OSError as why:
                _LOG.warning("%s cannot be synced: %s", self._path, why.strerror)
