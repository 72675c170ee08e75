"""Runs of one board: started, stopped and cleared by commands; bytes of the stream as time goes on."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from simulators.fers import encoding as e
from simulators.fers.board import Board
from simulators.fers.conversion import Conversion
from simulators.fers.events import EventMaker, Made, service, start
from simulators.fers.faults import RunFaults
from simulators.fers.registers import CHANNELS, CLOCK_PS, Command, Register
from simulators.fers.settings import COUNTING
from simulators.fers.signals import PS, Signals
from simulators.fers.world import BLOCK_PS, World

_SOFTWARE, _T0_IN, _RUN_SYNC = 1, 1 << 1, 1 << 10
_MOST_WAITING_BYTES = 8 << 20
"""Flat out, a board makes no more events while so much waits for the host; in real time it drops its own."""

Ints = npt.NDArray[np.int64]


class Link(NamedTuple):
    """The way out: a buffer on the board and a link of some speed. `bytes_per_s` 0: without limit."""

    buffer_bytes: int
    bytes_per_s: float
    old_protocol: bool


class Light(NamedTuple):
    """What a board sees, until when (None: for ever), the seed of its noise, whether its bias decides the gain."""

    source: Signals
    limit_ps: int | None
    seed: int
    follows_bias: bool = False


class Acquisition:
    """What one board does when it is started. Every method may be called from any thread."""

    def __init__(
        self, board: Board, world: World, light: Light, link: Link, faults: RunFaults, boards: list[Acquisition]
    ) -> None:
        """`boards` are those before it in the chain of T0; it is appended."""
        self.board, self.world, self.link, self.faults = board, world, link, faults
        self.running = False
        self.done_ps = 0
        self.runs = 0
        self.waiting_bytes = 0
        self._source, self.limit_ps, self._seed, self._follows_bias = light
        self._zero_ps = self._began_ps = self._next_service_ps = self._next_period_ps = 0
        self._maker: EventMaker | None = None
        self._asked: list[int] = []
        self._ready: deque[bytes] = deque()
        self._served = np.zeros(CHANNELS + 2, np.int64)
        self._truth: dict[str, Any] = {}
        self._kinds: Counter[str] = Counter()
        self._sums = np.zeros((2, CHANNELS), np.int64)
        self._digest = hashlib.sha256()
        self._lock = world.lock
        self._boards = boards
        boards.append(self)
        world.boards.append(self)
        board.acquisition = self

    def command(self, command: int) -> None:
        """Carry out a command of acquisition; others do nothing here."""
        with self._lock:
            now_ps = self.world.now_ps()
            if command == Command.TIME_RESET:
                self._advance(now_ps)
                self._zero_ps = now_ps
            elif command == Command.ACQ_START and self.board.registers.get(Register.RUN_MASK) & _SOFTWARE:
                self._start_chain(now_ps)
            elif command == Command.ACQ_STOP:
                self._stop_chain(now_ps)
            elif command == Command.CLEAR:
                self._clear()
            elif command == Command.TRIGGER and self.running:
                self._asked.append(now_ps)

    def produce(self) -> bool:
        """Make the events that are due; return whether more are due at once."""
        with self._lock:
            if not self.running or (self.world.speed is None and self.waiting_bytes > _MOST_WAITING_BYTES):
                return False
            due_ps = self.world.due_ps(self)
            self._advance(min(due_ps, self.done_ps + BLOCK_PS))
            dark = self.limit_ps is not None and self.done_ps >= self.world.began_ps + self.limit_ps
            return due_ps > self.done_ps or (self.world.speed is None and not dark)

    def pop(self) -> bytes:
        """Return the next whole events of the stream; empty: there are none. They wait until they are `released`."""
        with self._lock:
            return self._ready.popleft() if self._ready else b""

    def release(self, count: int) -> None:
        """Know that so many bytes of what was popped are out of the board."""
        with self._lock:
            self.waiting_bytes -= count

    def times_ms(self) -> tuple[int, int]:
        """Return real time and dead time of the run."""
        with self._lock:
            busy_ps = self._maker.conversion.busy_ps if self._maker else 0
            return (self.done_ps - self._began_ps) * 1000 // PS, busy_ps * 1000 // PS

    def counts(self) -> list[int]:
        """Return hits of the channels, T-OR and Q-OR since the run began."""
        with self._lock:
            return self._maker.rates.tolist() if self._maker else [0] * (CHANNELS + 2)

    def seconds(self) -> float:
        """Return how long the run has lasted."""
        return (self.done_ps - self._began_ps) / PS

    def truth(self) -> dict[str, Any]:
        """Return what was sent in the run that is on, or was last."""
        with self._lock:
            maker = self._maker
            losses = maker.conversion.losses if maker else None
            return {
                "pid": self.board.pid,
                "run": self.runs,
                "running": self.running,
                "seconds": self.seconds(),
                "photons": maker.photons if maker else 0,
                "periodic_triggers": maker.periodic if maker else 0,
                "triggers": maker.conversion.triggers if maker else 0,
                "events": dict(self._kinds),
                "lost_dead_time": losses.dead_time if losses else 0,
                "lost_buffer_full": losses.buffer_full if losses else 0,
                "busy_s": maker.conversion.busy_ps / PS if maker else 0.0,
                "counts": self.counts(),
                "sum_high": self._sums[0].tolist(),
                "sum_low": self._sums[1].tolist(),
                "pedestal_high": self.board.pedestal_high.tolist(),
                "pedestal_low": self.board.pedestal_low.tolist(),
                "sha256": self._digest.hexdigest(),
                "commands": dict(self.board.counts),
                **self._truth,
            }

    def abort(self) -> None:
        """End the run as a failure of power does: at once, with nothing left to send."""
        with self._lock:
            self.running = False
            self._clear()

    def _start_chain(self, now_ps: int) -> None:
        """Start this board, and those behind it whose start comes over T0 from the one before."""
        chain = self._chain()
        self.world.begin(now_ps)
        for acquisition in chain:
            if len(chain) > 1:
                acquisition._zero_ps = now_ps  # noqa: SLF001 - the same class; the signal of the start resets the time
            acquisition._start(now_ps)  # noqa: SLF001

    def _stop_chain(self, now_ps: int) -> None:
        for acquisition in self._chain():
            acquisition._stop(now_ps)  # noqa: SLF001

    def _chain(self) -> Sequence[Acquisition]:
        chain = [self]
        for following in self._boards[self._boards.index(self) + 1 :]:
            sends = chain[-1].board.registers.get(Register.T0_OUT_MASK) & _RUN_SYNC
            if not (sends and following.board.registers.get(Register.RUN_MASK) & _T0_IN):
                break
            chain.append(following)
        return chain

    def _start(self, now_ps: int) -> None:
        if self.running:
            return
        settings = self.board.settings()
        self.runs += 1
        self.done_ps = self._began_ps = now_ps
        self._next_service_ps, self._next_period_ps = now_ps + PS, now_ps + settings.period_ps
        conversion = Conversion(settings.dead_ps, self.link.buffer_bytes, self.link.bytes_per_s)
        pedestals = self.board.pedestal_high, self.board.pedestal_low
        self._maker = EventMaker(settings, conversion, pedestals, self._seed + self.runs)
        self._kinds.clear()
        self._sums[:] = 0
        self._served[:] = 0
        self._asked.clear()
        self._digest = hashlib.sha256()
        self.faults.begin()
        self.running = True
        if settings.start_event:
            self._send(start(self._ticks(now_ps)))

    def _stop(self, now_ps: int) -> None:
        if self.running:
            self._advance(now_ps if self.world.speed is not None else self.done_ps)
            self.running = False

    def _clear(self) -> None:
        self.waiting_bytes -= sum(map(len, self._ready))
        self._ready.clear()

    def _ticks(self, now_ps: int) -> int:
        return (now_ps - self._zero_ps) // CLOCK_PS

    def _advance(self, until_ps: int) -> None:
        """Make the events up to a time, in order: photons and periods in between, a service event each second."""
        while self.running and self.done_ps < until_ps:
            stop = min(until_ps, self.done_ps + BLOCK_PS, self._next_service_ps)
            if self._maker is not None and self._maker.settings.mode == COUNTING:
                stop = min(stop, self._next_period_ps) if self._maker.settings.period_ps else stop
            self._block(stop)
            self.done_ps = stop

    def _block(self, stop: int) -> None:
        maker = self._maker
        if maker is None:
            return
        origin = self.world.began_ps
        end = stop if self.limit_ps is None else min(stop, origin + self.limit_ps)
        photons = self._source.between(self.done_ps - origin, max(end, self.done_ps) - origin)
        photons = self.faults.light(photons, (self.done_ps - origin, stop - origin), self.seconds(), maker)
        photons = photons._replace(time_ps=photons.time_ps + origin)
        if self._follows_bias:
            lit = np.rint(photons.signal * self.board.supply.gain)
            photons = photons._replace(signal=np.minimum(lit, np.iinfo(np.uint16).max).astype(np.uint16))
        waiting = self.waiting_bytes if self.world.speed is not None else 0
        made = maker.make(photons, self._without_light(stop, maker), self._zero_ps, waiting)
        if made is not None:
            self._send(made)
        if maker.settings.mode == COUNTING and stop == self._next_period_ps:
            self._next_period_ps += maker.settings.period_ps
            self._send(maker.counting(stop, self._zero_ps))
        if stop == self._next_service_ps:
            self._next_service_ps += PS
            self._serve(stop, maker)

    def _without_light(self, stop: int, maker: EventMaker) -> Ints:
        """Return the times of periodic triggers and of those by command."""
        due = [max(at, self.done_ps) for at in self._asked if at < stop]
        self._asked = [at for at in self._asked if at >= stop]
        times = due if "software" in maker.settings.triggers else []
        if "periodic" in maker.settings.triggers and maker.settings.mode != COUNTING and maker.settings.period_ps:
            first, step = self._next_period_ps, maker.settings.period_ps
            periods = np.arange(first, stop, step, dtype=np.int64)
            self._next_period_ps = first + step * len(periods)
            maker.periodic += len(periods)
            return np.sort(np.concatenate([periods, np.array(times, np.int64)]))
        return np.array(times, np.int64)

    def _serve(self, now_ps: int, maker: EventMaker) -> None:
        """Send the service event of a second, where it is asked for and no fault holds it back."""
        if not maker.settings.service:
            return
        since = maker.rates - self._served
        self._served = maker.rates.copy()
        if self.faults.no_service(self.seconds()):
            return
        board = self.board
        fields = (
            board.fpga_code(), board.supply.monitor_v(), board.supply.monitor_ma(), board.supply.status(),
            board.status(), board.board_code(),
        )  # fmt: skip
        self._send(service(maker.settings, fields, since, self._ticks(now_ps)))

    def _send(self, made: Made) -> None:
        if self.waiting_bytes > _MOST_WAITING_BYTES + self.link.buffer_bytes:
            self._kinds["dropped"] += len(made.starts)
            return
        self._kinds[f"{made.qualifier:#04x}"] += len(made.starts)
        self._sums += np.stack([made.high, made.low])
        words = self.faults.words(made.words, made.starts, self.seconds())
        old = self.link.old_protocol
        data = e.old_protocol(made.words, words) if old else words.astype("<u4").tobytes()
        self._digest.update(data)
        self._ready.append(data)
        self.waiting_bytes += len(data)
