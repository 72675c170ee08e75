"""Keeps what interlocks say: read often while something moves, each source by itself, and old when it is not read."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from daq.devices.abilities import InterlockSource
from daq.devices.calls import Calls
from daq.errors import ScandaqError
from daq.model.station import Quality, Reading, utc_now
from daq.services.bus import Bus
from daq.state.interlock import Interlock, Kind, of_head

_LOG = logging.getLogger(__name__)
_CAUSES = frozenset({Kind.EMERGENCY_STOP, Kind.COLLISION_PAD})
"""Told before what follows from them, e.g. that the power of the drives is gone."""

Listener = Callable[[Interlock], None]


class Interlocks(Protocol):
    """What knows the interlocks of a station."""

    def current(self) -> Sequence[Interlock]:
        """Return all of them as last read."""

    def listen(self, listener: Listener) -> None:
        """Call `listener` at once with each interlock whose value has changed; it must not wait."""

    def hurry(self) -> AbstractContextManager[None]:
        """Read often while the context lasts, from now on."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a source is read, and after how long it counts as stale, in seconds: in a hurry, and otherwise.

    `reply_s`: how long a read may take.
    """

    poll_s: float = 0.1
    stale_s: float = 0.5
    idle_poll_s: float = 0.5
    idle_stale_s: float = 1.25
    reply_s: float = 0.3


class InterlockWatch:
    """Reads every source by a task of its own, so that one that hangs delays no other.

    `heads`: the detector head of a source, where it is of one. `failures` counts reads that failed or missed their
    deadline.
    """

    def __init__(
        self,
        sources: Mapping[str, InterlockSource],
        bus: Bus,
        *,
        heads: Mapping[str, str] | None = None,
        cadence: Cadence | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = dict(sources)
        self._heads = dict(heads or {})
        self._bus = bus
        self._cadence = cadence or Cadence()
        self._clock = clock
        self._listeners: list[Listener] = []
        self._calls = {name: Calls(name) for name in self._sources}
        self._said: dict[str, Quality] = {}
        self._hurried = 0
        self._woken = asyncio.Event()
        self.failures = 0
        self._known: dict[str, Interlock] = {
            f"{name}.{kind}": self._read_as(name, kind, None, clock())
            for name, source in self._sources.items()
            for kind in sorted(source.interlock_kinds)
        }

    def current(self) -> Sequence[Interlock]:
        """Return all of them as last read; those of a silent source grow old."""
        return tuple(self._known.values())

    def of_head(self, head: str | None) -> Sequence[Interlock]:
        """Return those that guard what belongs to a head, as last read."""
        return of_head(self._known.values(), head)

    def listen(self, listener: Listener) -> None:
        """Call `listener` at once with each interlock whose value has changed; it must not wait."""
        self._listeners.append(listener)

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Read often while the context lasts, from now on."""
        self._hurried += 1
        self._woken.set()
        try:
            yield
        finally:
            self._hurried -= 1
            if not self._hurried:
                self._woken.clear()

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name in self._sources:
                tasks.create_task(self._watch(name), name=f"interlocks of {name}")
            if not self._sources:
                await asyncio.Event().wait()

    async def refresh(self) -> None:
        """Read every source once, all at the same time; those that do not answer stay as they are."""
        async with asyncio.TaskGroup() as tasks:
            for name in self._sources:
                tasks.create_task(self._read(name), name=f"interlocks of {name}")

    async def _watch(self, name: str) -> None:
        while True:
            await self._read(name)
            await self._pause()

    async def _pause(self) -> None:
        """Wait until the next read is due; in idleness, until somebody is in a hurry."""
        if self._hurried:
            await asyncio.sleep(self._cadence.poll_s)
            return
        try:
            async with asyncio.timeout(self._cadence.idle_poll_s):
                await self._woken.wait()
        except TimeoutError:
            return

    @property
    def _stale_s(self) -> float:
        return self._cadence.stale_s if self._hurried else self._cadence.idle_stale_s

    async def _read(self, name: str) -> None:
        asked_s = self._clock()
        try:
            values = await self._calls[name].within(
                self._sources[name].interlocks(), self._cadence.reply_s, "interlocks"
            )
        except ScandaqError as why:
            self._failed(name, str(why))
        except Exception as why:  # noqa: BLE001 - a fault of one driver is none of the others
            self._failed(name, f"unexpected {type(why).__name__}: {why}")
        else:
            for kind, value in sorted(values.items(), key=lambda read: read[0] not in _CAUSES):
                self._take(self._read_as(name, kind, bool(value), asked_s))

    def _read_as(self, name: str, kind: Kind, value: bool | None, asked_s: float) -> Interlock:  # noqa: FBT001
        return Interlock(f"{name}.{kind}", kind, value, asked_s, self._stale_s, self._heads.get(name))

    def _failed(self, name: str, why: str) -> None:
        self.failures += 1
        _LOG.debug("interlocks of %s: %s", name, why)
        now_s = self._clock()
        for interlock in self._known.values():
            if (
                interlock.name.startswith(f"{name}.")
                and not 0 <= now_s - interlock.read_monotonic_s <= interlock.stale_s
            ):
                self._say(interlock, "stale")

    def _take(self, interlock: Interlock) -> None:
        before = self._known.get(interlock.name)
        if before is not None and interlock.read_monotonic_s < before.read_monotonic_s:
            return  # what was asked for later has been answered already
        self._known[interlock.name] = interlock
        changed = before is None or before.value is not interlock.value
        self._say(interlock, "good" if interlock.value else "out_of_limits", again=changed)
        if not changed:
            return
        for listener in tuple(self._listeners):
            try:
                listener(interlock)
            except Exception:  # noqa: BLE001 - a fault of one listener is none of the others
                _LOG.exception("a listener failed on interlock %s", interlock.name)

    def _say(self, interlock: Interlock, quality: Quality, *, again: bool = False) -> None:
        if self._said.get(interlock.name) == quality and not again:
            return
        self._said[interlock.name] = quality
        device, _, name = interlock.name.rpartition(".")
        self._bus.announce(Reading(device, name, interlock.value, "", quality, utc_now()))
