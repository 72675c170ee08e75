"""The documents of the run under way: composed from what the station announces, announced themselves, and filed.

The daemon has one `RunDocuments` per acquisition: `open()` when it starts, or `resume()` after a restart; `heard`
listens to the bus in between; `close()` ends the run. Only `resume`, `close` and `detach` wait for the disk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from daq.errors import DeadlineError, MissingError, RefusedError, StorageFailedError
from daq.model.datakey import key_name
from daq.model.handover import Confirmed
from daq.model.rundocument import ExitStatus, Named, RunComposer
from daq.model.runevents import (
    Happening,
    Pace,
    alarm_event,
    hand_over_event,
    progress_event,
    reading_event,
    status_event,
    step_event,
    window_event,
)
from daq.model.station import Alarm, Announcement, Progress, Reading, RunDocument, StationStatus
from daq.model.windowchange import WindowChange
from daq.services.bus import Bus
from daq.services.runfile import RunFile
from daq.services.worker import Worker
from daq.storage.manifest import Manifest
from daq.storage.runrecord import RUN_FILE, RunRecord, dump_line, read_run

_DISK_S = 10.0
_READ_BACK_S = 60.0
_LATE_S = 10.0


def _own_name(device: str, name: str) -> str:
    return f"{device}/{name}"


class RunDocuments:
    """Composes, announces and files the documents of one acquisition.

    `start_fields` go into the start document (`daq.model.rundocument.run_fields`). `describe` names the source of a
    reading, given device and name. `trouble` is called in the event loop with a text when the file cannot be written,
    and with None when it can again; the run goes on all the same. `dropped` counts events that found too much waiting
    already, or no run open.
    """

    def __init__(
        self,
        directory: Path,
        bus: Bus,
        acquisition_id: str,
        start_fields: Mapping[str, Any],
        *,
        trouble: Callable[[str | None], None],
        describe: Callable[[str, str], str] = _own_name,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._directory = directory
        self._fields = start_fields
        self._trouble = trouble
        self._describe = describe
        self._now = now
        self._boot = str(start_fields.get("boot", ""))
        self._composer = RunComposer(acquisition_id, boot=self._boot)
        self._pace = Pace()
        self._late = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.file = RunFile(directory / RUN_FILE, trouble=self._tell)
        self.dropped = 0

    @property
    def run_uid(self) -> str:
        """Return the uid of the run, which follows from the id of the acquisition."""
        return self._composer.run_uid

    @property
    def left_out(self) -> int:
        """Return how many events belonged to streams or subjects beyond the most that a run may have."""
        return self._composer.left_out + self._pace.left_out

    @property
    def _open(self) -> bool:
        """Return True between the beginning, or a resumption that did not fail, and the stop."""
        return self._loop is not None and not self._composer.finished

    def open(self) -> None:
        """Begin a run; the file appears when the recording does. Raise `RefusedError` where there is one already."""
        if self.file.path.exists():
            raise RefusedError(f"{self.file.path} exists: a run is not begun twice; resume it")
        self._begin()
        self._add([self._composer.start(self._fields, self._now())], sync=True)

    async def resume(self) -> RunRecord:
        """Go on with a run after a restart, under the same uids; return what its file holds.

        A run without a file, or whose file lost the start document, is started. To one that has ended nothing is
        added. Raise `DeadlineError` or `StorageFailedError` where the file cannot be read back.
        """
        record = await self._read_back()
        for name, document in record.documents:
            self._composer.restore(name, document)
        self._begin()
        if not any(name == "start" for name, _ in record.documents):
            self._add([self._composer.start(self._fields, self._now())], sync=True)
        return record

    def heard(self, announcement: Announcement) -> None:
        """Make events of what the station announces about this run. A listener of the bus."""
        if not self._open or isinstance(announcement, RunDocument):
            return
        self._offer(announcement)
        self._emit(self._pace.due(time.monotonic()))
        self._look_at_the_disk()

    def step(
        self, number: int, name: str, boundary: Literal["begin", "end"], *, ended_by: str = "", recorded_events: int = 0
    ) -> None:
        """Note that a step begins or ends. `number` counts from 1; `ended_by` is the limit or reason that ended it."""
        self._emit([step_event(number, name, boundary, ended_by, recorded_events)])

    def hand_over(self, made: Confirmed) -> None:
        """Note what was handed over."""
        self._emit([hand_over_event(made)])

    def window(self, change: WindowChange) -> None:
        """Note that an energy window is another in this exam."""
        self._emit([window_event(change)])

    def files(self, manifest: Manifest) -> None:
        """Name the segment files of the manifest that have not been named yet; meant for a sealed one."""
        first_row: dict[str, int] = {}
        for segment in manifest.segments if self._open else ():
            first = first_row.get(segment.stream, 0)
            first_row[segment.stream] = first + segment.rows
            parameters = {
                **segment.model_dump(mode="json", exclude={"schema_message"}, exclude_none=True),
                "first_row": first,
                "format": manifest.format,
                "profile_sha256": manifest.profile_sha256,
            }
            uri = (self._directory.absolute() / segment.file).as_uri()
            self._add(self._composer.file(f"listmode_{key_name(segment.stream)}", uri, parameters, self._now()))

    async def close(self, exit_status: ExitStatus, reason: str) -> str | None:
        """End the run; return the SHA-256 of its file, None where nothing was ever recorded or begun. Twice is once.

        Raise `DeadlineError` where the disk did not take it in time, `StorageFailedError` where it refused.
        """
        if self._open:
            self._emit(self._pace.due(float("inf")))
            self._add([self._composer.stop(exit_status, reason, self._now())], sync=True)
        return await self._end()

    async def detach(self) -> None:
        """Leave the run as it is, all that was heard on disk; whoever starts next resumes it. Raises as `close`."""
        self._emit(self._pace.due(float("inf")))
        await self._end()

    async def _end(self) -> str | None:
        if not await asyncio.to_thread(self.file.join, _DISK_S):
            raise DeadlineError(f"{self.file.path}: the disk did not take it within {_DISK_S:g} s")
        if self.file.begun and self.file.lost:
            raise StorageFailedError(f"{self.file.path}: {self.file.lost} documents could not be written")
        return self.file.sha256

    async def _read_back(self) -> RunRecord:
        reader = Worker("run-documents-reader")
        try:
            return await reader.call_within(_READ_BACK_S, read_run, self.file.path)
        except MissingError:
            return RunRecord()
        finally:
            reader.close()

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.file.start()

    def _offer(self, said: Announcement) -> None:
        match said:
            case Reading(device=device, name=name):
                last = self._pace.last("reading", device, name)
                self._pace.offer(reading_event(said, last, self._describe), "reading", device, name)
            case Alarm(device=device, name=name):
                self._pace.offer(alarm_event(said), "alarm", device, name)
            case Progress(run=self._composer.acquisition_id):
                self._pace.offer(progress_event(said, self._pace.last("progress")), "progress")
            case StationStatus(run=self._composer.acquisition_id):
                self._pace.offer(status_event(said, self._boot), "station")
            case _:
                pass

    def _emit(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            if self.file.pressed or not self._open:
                self.dropped += 1
                continue
            now_s = self._now()
            read_s = {} if happening.read_s is None else dict.fromkeys(happening.keys, happening.read_s)
            self._add(self._composer.event(happening.stream, happening.keys, happening.values, now_s, read_s))

    def _add(self, documents: Iterable[Named], *, sync: bool = False) -> None:
        """Hand documents to the file and to whoever listens."""
        for name, document in documents:
            self.file.append(dump_line(name, document), sync=sync)
            self._bus.announce(RunDocument(self._composer.acquisition_id, name, document))

    def _look_at_the_disk(self) -> None:
        """Say that the disk hangs, or no longer does. What it refuses says the file itself."""
        late = self.file.begun and self.file.waiting_s > _LATE_S
        if late != self._late:
            self._late = late
            self._trouble(f"{self.file.path}: the disk has taken nothing for {_LATE_S:g} s" if late else None)

    def _tell(self, trouble: str | None) -> None:
        """Carry what the file's thread says into the event loop."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended: nobody is left to be told
                self._loop.call_soon_threadsafe(self._trouble, trouble)
