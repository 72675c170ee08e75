"""A small station for tests of the local socket and its clients: a bus, a state that commands move, no hardware."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from daq.errors import TransitionRefusedError
from daq.model.station import Actor, Alarm, Announcement, Progress, Role, StationStatus, payload, utc_now
from daq.services.bus import Bus
from daq.services.localapi import LocalApi
from daq.transports.localconnection import Limits

RUN = "20261122T140507Z-3fa9c1"


class Station:
    """Answers `command`. What was asked for is in `asked`; `script` maps a verb to the states it leads through."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.asked: list[tuple[str, dict[str, object], Actor]] = []
        self.state = "ready"
        self.run: str | None = None
        self.detail = ""
        self.possible: dict[str, tuple[str, ...]] = {
            "prepare": ("preparing", "armed"),
            "start": ("acquiring",),
            "pause": ("paused",),
            "resume": ("acquiring",),
            "stop": ("completing", "completed"),
            "abort": ("aborting", "aborted"),
            "acknowledge": ("ready",),
        }
        self.pause_s = 0.0
        self.blocked = asyncio.Event()
        """`block` waits for it."""
        self._later: set[asyncio.Task[None]] = set()
        self.become("ready")

    def become(self, state: str, detail: str = "") -> None:
        self.state, self.detail = state, detail
        self.bus.announce(self.status())

    def status(self) -> StationStatus:
        return StationStatus(
            self.state, utc_now(), run=self.run, protocol="demo" if self.run else None,
            step=1 if self.state == "acquiring" else 0, steps=2, step_name="first", detail=self.detail,
            possible=("prepare",), simulated=True,
        )  # fmt: skip

    async def command(self, verb: str, args: dict[str, object], actor: Actor) -> dict[str, object]:
        self.asked.append((verb, args, actor))
        match verb:
            case "status":
                return {**payload(self.status()), "directory": "recordings/" + RUN, "alarms": [], "motion": {}}
            case "block":
                await self.blocked.wait()
                return {"was": "blocked"}
            case "boom":
                raise RuntimeError("^".join(("Doe", "John")))
            case "large":
                return {"text": "x" * (5 << 20)}
            case "no-json":
                return {"text": object()}
            case "stop-motion":
                return {"stopped": STOPPED}
        if verb not in self.possible:
            raise TransitionRefusedError(f"cannot {verb} while {self.state}; possible: prepare")
        return await self._go(verb)

    async def _go(self, verb: str) -> dict[str, object]:
        first, *rest = self.possible[verb]
        if verb == "prepare":
            self.run = RUN
        if verb == "acknowledge":
            self.run = None
        self.become(first)
        if rest:
            task = asyncio.create_task(self._follow(rest))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
        return payload(self.status())

    async def _follow(self, states: list[str]) -> None:
        for state in states:
            await asyncio.sleep(self.pause_s)
            self.become(state)


STOPPED: dict[str, Any] = {
    "ok": True, "stands": True, "wire_s": 0.012, "halted_s": 0.2, "text": "1 axis stands",
    "axes": [{"axis": "bed", "unit": "mm", "stands": True, "wire_s": 0.012, "halted_s": 0.2, "position": 12.5}],
}  # fmt: skip

QUICK = Limits(line_s=0.3, taking_s=0.5, idle_s=0.6, idle_urgent_s=0.5)


def progress(**changes: Any) -> Progress:
    told: dict[str, Any] = {
        "run": RUN, "elapsed_s": 3.0, "step": 1, "steps": 2, "counts": {"events": 1000}, "rate_cps": 333.3,
        "fraction": 0.25, "remaining_s": 9.0,
    }  # fmt: skip
    return Progress(**{**told, **changes})


def alarm(text: str = "too warm", **changes: Any) -> Alarm:
    told: dict[str, Any] = {
        "device": "head-1", "name": "temperature", "priority": "high", "text": text, "guidance": "open the window",
        "since_utc": utc_now(),
    }  # fmt: skip
    return Alarm(**{**told, **changes})


@asynccontextmanager
async def serving(path: Path, station: Station, *, limits: Limits | None = None) -> AsyncIterator[LocalApi]:
    """Serve the station's local socket in this loop; everybody is a technologist."""
    api = LocalApi(path, None, station.command, station.bus, lambda *_: Role.TECHNOLOGIST, limits=limits)
    task = asyncio.create_task(api.run(), name="api")
    waiting = asyncio.create_task(api.serving())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
    try:
        yield api
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Talker:
    """A client in this loop. `close_all` closes those that a test has left."""

    _open: ClassVar[list[Talker]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._open.append(self)

    @classmethod
    def close_all(cls) -> None:
        for talker in cls._open:
            talker.writer.transport.abort()
        cls._open.clear()

    @classmethod
    async def connected(cls, path: Path) -> Talker:
        return cls(*await asyncio.open_unix_connection(str(path), limit=16 << 20))

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    def ask(self, do: str, *, id: object = 1, **args: object) -> None:  # noqa: A002 - the key's name
        self.say(json.dumps({"id": id, "do": do, "args": args}).encode() + b"\n")

    async def hear(self, within_s: float = 10.0) -> dict[str, Any]:
        """Return the next line; an empty object when the daemon hung up."""
        async with asyncio.timeout(within_s):
            try:
                line = await self.reader.readline()
            except ConnectionResetError:
                return {}
        return dict(json.loads(line)) if line else {}

    async def answer(self, do: str, *, id: object = 1, **args: object) -> dict[str, Any]:  # noqa: A002
        self.ask(do, id=id, **args)
        return await self.hear()

    async def hung_up(self, within_s: float = 10.0) -> bool:
        """Read until the daemon hangs up."""
        async with asyncio.timeout(within_s):
            with suppress(ConnectionResetError):
                await self.reader.read()
        return True

    def close(self) -> None:
        self.writer.close()


class ThreadedStation:
    """A station in a thread of its own, for clients that block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loop = asyncio.new_event_loop()
        self.station: Station
        self._end: asyncio.Event
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="station")
        self._thread.start()
        assert self._ready.wait(10.0)

    def announce(self, *announcements: Announcement) -> None:
        for announcement in announcements:
            self.loop.call_soon_threadsafe(self.station.bus.announce, announcement)

    def become(self, state: str, detail: str = "") -> None:
        self.loop.call_soon_threadsafe(self.station.become, state, detail)

    def close(self) -> None:
        with suppress(RuntimeError):  # closed before
            self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10.0)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.station, self._end = Station(), asyncio.Event()
        async with serving(self.path, self.station):
            self._ready.set()
            await self._end.wait()


@contextmanager
def station_at(path: Path) -> Iterator[ThreadedStation]:
    threaded = ThreadedStation(path)
    try:
        yield threaded
    finally:
        threaded.close()
