"""A worklist that lies in a file of this host, read again whenever it has changed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path

from daq.model.console.worklist import ScheduledStep, WorklistEntry
from daq.model.station import utc_now
from daq.services.worklist.jsonfile import MOST_BYTES, Reading, read_text
from daq.services.worklist.source import Found, Query

_LOG = logging.getLogger(__name__)
LOOK_S = 1.0
_KEY_BYTES = 16


class FileSource:
    """Steps of a JSON file. `secret` makes the keys, which stay the same and tell nothing; `changed` hears of news.

    What cannot be read leaves what was read before in use, and `problems` say so.
    """

    def __init__(self, path: Path, secret: bytes, zone: tzinfo, changed: Callable[[], None] = lambda: None) -> None:
        self._path, self._secret, self._zone, self._changed = path, secret, zone, changed
        self._stamp: tuple[int, int, int] | str | None = None
        self._steps: dict[str, ScheduledStep] = {}
        self._problems: tuple[str, ...] = ()
        self._read_utc = ""
        self._revision = 0
        self._reading = asyncio.Lock()

    async def query(self, query: Query) -> Found:
        """Return the steps that fit, of the file as it is now."""
        await self._look()
        fitting = await asyncio.to_thread(self._fitting, self._steps, query)
        return Found(fitting, self._problems, self._read_utc, self._revision)

    async def find(self, key: str) -> ScheduledStep | None:
        """Return the step of a key."""
        await self._look()
        return self._steps.get(key)

    async def run(self) -> None:
        """Look at the file every second, until cancelled, so that a change is told to whoever watches."""
        while True:
            await self._look()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        async with self._reading:
            if await asyncio.to_thread(self._read_if_new):
                self._revision += 1
                self._changed()

    def _fitting(self, steps: dict[str, ScheduledStep], query: Query) -> list[ScheduledStep]:
        """Return the steps that fit; `steps` is replaced, never changed, so that a thread may go through it."""
        return [step for step in steps.values() if query.fits(step, step.start.astimezone(self._zone).date())]

    def _read_if_new(self) -> bool:
        """Read the file where it is another one than the last time; return whether anything is new."""
        try:
            told = self._path.stat()
            stamp: tuple[int, int, int] | str = told.st_mtime_ns, told.st_size, told.st_ino
            if stamp == self._stamp:
                return False
            text = self._text(told.st_size)
        except FileNotFoundError:
            stamp, text = "missing", "there is no such file"
        except (OSError, ValueError) as why:
            stamp = text = getattr(why, "strerror", None) or str(why)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        if isinstance(stamp, str):
            self._unread(f"{self._path.name}: {text}")
        else:
            self._take(read_text(text, self._key_of, self._zone))
        return True

    def _text(self, size: int) -> str:
        if size > MOST_BYTES:
            raise ValueError(f"{size} bytes, at most {MOST_BYTES}")
        try:
            return self._path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as why:
            raise ValueError(f"byte {why.start} is no UTF-8") from None

    def _take(self, read: Reading) -> None:
        name = self._path.name
        kept = {key: step for key, step in self._steps.items() if key not in read.steps} if read.broken else {}
        self._problems = tuple(f"{name}, {problem}" for problem in read.problems)
        if kept:
            self._problems += (f"{name}: {len(kept)} entries are shown as they were read at {self._read_utc}",)
        else:
            self._read_utc = utc_now()
        self._steps = dict(sorted({**read.steps, **kept}.items(), key=lambda each: each[1].start))
        _LOG.info("the worklist has %d entries and %d problems", len(self._steps), len(read.problems))

    def _unread(self, why: str) -> None:
        since = f"; its entries are shown as they were read at {self._read_utc}" if self._read_utc else ""
        self._problems = (why + since,)
        _LOG.warning("the worklist cannot be read")

    def _key_of(self, entry: WorklistEntry) -> str:
        """Return the key of an entry: by the numbers of its order, else by patient and time."""
        order = (entry.accession_number, entry.scheduled_procedure_step_id)
        told = (
            order if any(order) else (entry.patient_id, entry.scheduled_procedure_step_start, entry.study_instance_uid)
        )
        digest = hmac.digest(self._secret, "\x00".join(told).encode(), hashlib.sha256)
        return "w-" + base64.b32encode(digest[:_KEY_BYTES]).decode().rstrip("=").lower()
