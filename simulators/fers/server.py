"""Boards as one process: the ready line, the connections, the time that passes, the truth."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import signal
import threading
from pathlib import Path
from typing import Any, NamedTuple

from simulators.faults.board import FaultBoard
from simulators.faults.control import FaultControl
from simulators.fers.board import Board
from simulators.fers.faults import LineFaults, RunFaults, WriteFaults
from simulators.fers.line import CONTROL, STREAM, Line
from simulators.fers.run import Acquisition, Light, Link
from simulators.fers.signals import Signals
from simulators.fers.world import World
from simulators.truth import write_truth

_IDLE_S = 0.002
_SETTLED_S = 0.05


class Setup(NamedTuple):
    """Where and how boards serve. `first_pid`: serial number of board 0, the others follow. `limit_ps`: light ends."""

    host: str
    ports: dict[str, int]
    first_pid: int
    speed: float | None
    link: Link
    limit_ps: int | None
    seed: int
    once: bool
    follows_bias: bool
    truth: Path | None
    described: dict[str, Any]


class Boards:
    """Serves until told to stop, or with `once` until one run is over on every board."""

    def __init__(self, setup: Setup, sources: list[Signals], faults: FaultBoard) -> None:
        self._setup, self._faults = setup, faults
        self._stop = threading.Event()
        self._world = World(setup.speed)
        self._lines: list[Line] = []
        self._writes: list[WriteFaults] = []
        self._written: dict[int, int] = {}
        boards: list[Acquisition] = []
        for number, source in enumerate(sources):
            writes = WriteFaults(faults, number)
            self._writes.append(writes)
            board = Board(setup.first_pid + number, self._world.wall_s, writes, self._world.lock)
            light = Light(source, setup.limit_ps, setup.seed + number, setup.follows_bias)
            acquisition = Acquisition(board, self._world, light, setup.link, RunFaults(faults, number), boards)
            self._lines.append(Line(acquisition, LineFaults(faults, number), _host(setup.host, number), setup.ports))

    def serve(self) -> int:
        """Print the ready line and serve; return 0 after SIGTERM or SIGINT or, with `once`, a run."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        with contextlib.ExitStack() as stack:
            control = None
            with contextlib.suppress(OSError):  # no folder can be made for the socket: then there is none
                control = stack.enter_context(contextlib.closing(FaultControl(self._faults.handle)))
            print(json.dumps(self._ready(str(control.path) if control else None)), flush=True)  # noqa: T201
            try:
                for line in self._lines:
                    line.start(self._stop)
                self._turn()
            finally:
                self._stop.set()
                for line in self._lines:
                    line.join()
            self._tell()
        return 0

    def _turn(self) -> None:
        while not self._stop.is_set():
            busy = False
            for line in self._lines:
                line.step()
                busy = line.acquisition.produce() or busy
            self._after_runs()
            if not busy:
                self._stop.wait(_IDLE_S)

    def _after_runs(self) -> None:
        """Write the truth when a run is over on a board and all of it is on its way; end with `once`."""
        over = {}
        for number, line in enumerate(self._lines):
            acquisition = line.acquisition
            if acquisition.runs and not acquisition.running and not acquisition.waiting_bytes:
                over[number] = acquisition.runs
        if over != self._written and over:
            self._written = over
            self._tell()
        if self._setup.once and len(over) == len(self._lines):
            self._stop.wait(_SETTLED_S)
            self._stop.set()

    def _tell(self) -> None:
        if self._setup.truth is not None:
            boards = [
                {**line.acquisition.truth(), "sent_bytes": line.sent_bytes, "dropped_bytes": line.dropped_bytes,
                 "injected": dict(line.acquisition.faults.counts + writes.counts)}
                for line, writes in zip(self._lines, self._writes, strict=True)
            ]  # fmt: skip
            told = {"faults": self._faults.texts, "fault_seed": self._faults.seed, "boards": boards}
            write_truth(self._setup.truth, {"kind": "caen-fers", **self._setup.described, **told})

    def _ready(self, faults: str | None) -> dict[str, Any]:
        endpoints: dict[str, str] = {}
        sources: list[str] = []
        for number, line in enumerate(self._lines):
            places = {name: line.address(name) for name in (CONTROL, STREAM)}
            suffix = f"-{number}" if number else ""
            endpoints |= {f"{name}{suffix}": f"tcp://{host}:{port}" for name, (host, port) in places.items()}
            host, port = places[STREAM]
            sources.append(f"tcp://{host}:{port}?control={places[CONTROL][1]}")
        return {"ready": True, "kind": "caen-fers", "endpoints": endpoints, "sources": sources, "faults": faults}


def _host(first: str, number: int) -> str:
    """Return the address of a board: each has its own, as the hardware has, one after the other."""
    return str(ipaddress.IPv4Address(first) + number)
