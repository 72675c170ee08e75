"""The board: four analysers (two with histograms, two with list mode), registers, commands, time."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model import mcpha as m
from daq.wire.mcpha import EVENT, Code, PhaCode, parse_command, parse_pha_command
from simulators.redpitaya.analyser import Analyser, Taken
from simulators.redpitaya.scene import Component
from simulators.redpitaya.scope import Scope

FIFO_EVENTS = 2048
"""Events of list mode that wait on the board; those that find it full are lost (`block_design.tcl`, `fifo_0`)."""

_INPUT_BOTH = 2
_SETTINGS = {Code.DELAY: "delay", Code.THRESHOLD_MIN: "low", Code.THRESHOLD_MAX: "high"}
_PHA_SETTINGS = {PhaCode.DELAY: "delay", PhaCode.THRESHOLD_MIN: "low", PhaCode.THRESHOLD_MAX: "high"}
_16_BITS = 0xFFFF


class Board:
    """A board since it was switched on. Each of its commands is one call, with the time up to then passed before."""

    def __init__(self, inputs: Sequence[list[Component]], *, seed: int, speed: float) -> None:
        """Switch it on. `inputs`: what each of the two sees, from the moment at which one is first told to run."""
        self._inputs = inputs
        self._speed = speed
        self._clocks_per_ns = speed * 1e-9 * m.CLOCK_HZ
        self._random = np.random.SeedSequence(seed)
        self._scene_began_ns: int | None = None
        self.lock = threading.RLock()
        self.switch_on()

    def switch_on(self) -> None:
        """Lose everything but the scene, which goes on."""
        with self.lock:
            self._began_ns = time.monotonic_ns()
            self._now = 0.0
            self.histograms = [Analyser(self._rng()) for _ in range(m.INPUTS)]
            self.lists = [Analyser(self._rng()) for _ in range(m.INPUTS)]
            self.scope = Scope(self._rng())
            self.fifo: list[npt.NDArray[np.void]] = []
            self.fifo_lost = 0
            self.commands: dict[str, int] = {}
            self.ignored = 0

    @property
    def scene_s(self) -> float | None:
        """Return the seconds since an input was first told to run; None before."""
        if self._scene_began_ns is None:
            return None
        return (time.monotonic_ns() - self._scene_began_ns) * self._speed * 1e-9

    def command(self, data: bytes) -> bytes:
        """Obey a command of `mcpha-server` and return its answer, which most have not."""
        code, number, value = parse_command(data)
        with self.lock:
            self._pass()
            try:
                known = Code(code)
            except ValueError:
                self.ignored += 1
                return b""
            self.commands[known.name] = self.commands.get(known.name, 0) + 1
            return self._obey(known, number, value)

    def pha_command(self, data: bytes) -> bool:
        """Obey a command of `pha-server`; return whether events are to be sent from here on."""
        code, number, value = parse_pha_command(data)
        with self.lock:
            self._pass()
            if code == PhaCode.START:
                self._start(self.lists)
                return True
            self._obey_pha(code, number, value)
        return False

    def take_events(self) -> npt.NDArray[np.void]:
        """Return what waits in the list mode's memory, dtype `EVENT`, and empty it."""
        with self.lock:
            self._pass()
            events = np.concatenate([np.empty(0, EVENT), *self.fifo])
            self.fifo = []
        return events

    def stop_lists(self) -> None:
        """Stop the timers of the list mode, as when its client leaves."""
        with self.lock:
            self._pass()
            for analyser in self.lists:
                analyser.settings.running = False

    def described(self) -> dict[str, Any]:
        """Return what the board knows of itself, for the truth."""
        with self.lock:
            self._pass()
            return {
                "inputs": [self._input(each) for each in self.histograms],
                "list_mode": [each.tally | {"clocks": each.clocks} for each in self.lists],
                "list_mode_fifo_lost": self.fifo_lost,
                "commands": dict(self.commands),
                "commands_ignored": self.ignored,
            }

    def disturb(self, component: Component) -> None:
        """Add what the first input sees from now on."""
        with self.lock:
            self._pass()
            self._inputs[0].append(component)

    @staticmethod
    def _input(analyser: Analyser) -> dict[str, Any]:
        return {**analyser.tally, "clocks": analyser.clocks, "in_histogram": int(analyser.counts.sum())}

    def _obey(self, code: Code, number: int, value: int) -> bytes:
        if code is Code.READ_STATUS:
            clocks = [each.clocks for each in (*self.histograms, *self.lists)]
            return struct.pack("<4QI", *clocks, self.scope.status())
        if code in (Code.RUN, Code.DECIMATION):
            self._run(number, value) if code is Code.RUN else self._decimate(self.histograms, value)
        elif Code.RESET_HISTOGRAM <= code <= Code.TIMER and code not in (Code.RESET_SCOPE, Code.RESET_GENERATOR):
            self._set(code, number, value)
        elif code is Code.READ_HISTOGRAM:
            return self.histograms[number].counts.astype("<u4").tobytes() if number < m.INPUTS else b""
        else:
            return self.scope.obey(code, number, value)
        return b""

    def _set(self, code: Code, number: int, value: int) -> None:
        if number >= m.INPUTS:
            self.ignored += 1
            return
        analyser = self.histograms[number]
        if code is Code.RESET_HISTOGRAM:
            analyser.reset_histogram()
        elif code is Code.RESET_TIMER:
            analyser.clocks = 0
        elif code is Code.TIMER:
            analyser.settings.timer = value
        elif code is Code.NEGATIVE:
            analyser.settings.negative = bool(value)
        else:
            setattr(analyser.settings, _SETTINGS[code], value & _16_BITS)

    def _obey_pha(self, code: int, number: int, value: int) -> None:
        if code == PhaCode.RESET_TIMER:
            for analyser in self.lists:
                analyser.clocks = 0
        elif code == PhaCode.DECIMATION:
            self._decimate(self.lists, value)
        elif number >= m.INPUTS or code not in list(PhaCode):
            self.ignored += 1
        elif code == PhaCode.NEGATIVE:
            self.lists[number].settings.negative = bool(value)
        elif code == PhaCode.TIMER:
            self.lists[number].settings.timer = value
        elif code != PhaCode.RESET:
            setattr(self.lists[number].settings, _PHA_SETTINGS[PhaCode(code)], value & _16_BITS)

    def _run(self, number: int, value: int) -> None:
        chosen = self.histograms if number == _INPUT_BOTH else self.histograms[number : number + 1]
        if value == 1:
            self._start(chosen)
        elif value == 0:
            for analyser in chosen:
                analyser.settings.running = False

    def _start(self, chosen: Sequence[Analyser]) -> None:
        if self._scene_began_ns is None:
            self._scene_began_ns = time.monotonic_ns()
        for analyser in chosen:
            analyser.settings.running = True

    @staticmethod
    def _decimate(analysers: Sequence[Analyser], value: int) -> None:
        for analyser in analysers:
            analyser.settings.decimation = max(m.LEAST_DECIMATION, value & _16_BITS) if value >= 4 else 1  # noqa: PLR2004

    def _pass(self) -> None:
        """Let the time pass up to now."""
        begin, self._now = self._now, self._clock()
        if self._scene_began_ns is None or self._now <= begin:
            return
        zero = (self._scene_began_ns - self._began_ns) * self._clocks_per_ns
        taken = []
        for number in range(m.INPUTS):
            self.histograms[number].advance(begin, self._now, self._inputs[number], zero)
            taken.append(self.lists[number].advance(begin, self._now, self._inputs[number], zero))
        self._queue(taken)

    def _queue(self, taken: Sequence[Taken]) -> None:
        """Put pulses of list mode into its memory; two at the same clock are one event."""
        events = np.zeros(sum(len(each.clocks) for each in taken), EVENT)
        place = 0
        for number, each in enumerate(taken):
            part = events[place : place + len(each.clocks)]
            part["clocks"], part["heights"][:, number] = each.clocks, each.codes
            place += len(each.clocks)
        events = events[np.argsort(events["clocks"], kind="stable")]
        room = FIFO_EVENTS - sum(len(part) for part in self.fifo)
        self.fifo_lost += max(0, len(events) - room)
        self.fifo.append(events[: max(0, room)])

    def _clock(self) -> float:
        """Return the clocks since the board was switched on."""
        return (time.monotonic_ns() - self._began_ns) * self._clocks_per_ns

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self._random.spawn(1)[0])
