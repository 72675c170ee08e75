"""The registers of a simulated board: words of 32 bits, some of which change when they are read or written, or alone.

Its state is that of a front end: an identity, a register to write and read, settings, a sensor that follows how warm
the board is, a clock that runs, errors that stay until a 1 is written to them, a counter that reading clears, a queue,
memory.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from daq.errors import UsageError
from simulators.instruments.machine import Done

MODEL = 0x53434451
"""What the identity reads: `SCDQ`."""
FIRMWARE = 0x0001_0002
WORD = 0xFFFF_FFFF
_MOST_QUEUED = 4096
_AMBIENT_C, _WARM_C, _TIME_CONSTANT_S = 22.0, 9.0, 30.0
RUN, GAIN, THRESHOLD = 0x1, 0xF0, 0xFF00
"""Fields of the settings."""


class BusError(Exception):
    """Nothing is there, or it cannot be done."""


class Registers:
    """The words of a board by name; where each of them is, the board says that has them."""

    def __init__(self, serial: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.serial = serial
        self.obeys = True
        self._clock = clock
        self._reads: dict[str, Callable[[], int]] = {
            "identity": lambda: MODEL,
            "serial": lambda: self.serial,
            "firmware": lambda: FIRMWARE,
            "seconds": lambda: int(self._age_s) & WORD,
            "temperature": lambda: round(100 * self.celsius) & WORD,
            "events": self._take_events,
            "queued": lambda: len(self.queue),
            "queue": self._take_word,
            "pulse": _only_written,
        }
        self.reset()

    def reset(self) -> None:
        """Be as after switching on."""
        self._started_s = self._clock()
        self.words = {"scratch": 0, "settings": 0x0000_1040, "errors": 0, "events": 0, "pulses": 0}
        self.queue: deque[int] = deque(maxlen=_MOST_QUEUED)
        self.hot_c = 0.0

    def read(self, name: str) -> int:
        """Return a word, and do what reading it does. Raises `BusError`."""
        reads = self._reads.get(name)
        return self.words[name] if reads is None else reads()

    def write(self, name: str, word: int) -> None:
        """Write a word, and do what writing it does. Raises `BusError` for what can only be read."""
        match name:
            case "scratch" | "settings":
                self._put(name, word)
            case "errors":
                self._put(name, self.words["errors"] & ~word)
            case "pulse":
                self._put("pulses", (self.words["pulses"] + 1) & WORD)
            case _:
                raise BusError("it can only be read")

    @property
    def celsius(self) -> float:
        """Return how warm the board is: it warms up from where it stands, more while it runs."""
        share = -math.expm1(-self._age_s / _TIME_CONSTANT_S)
        running = 4.0 if self.words["settings"] & RUN else 0.0
        return _AMBIENT_C + share * (_WARM_C + running) + self.hot_c

    def told(self) -> dict[str, Any]:
        """Return what is the case."""
        return {**self.words, "queued": len(self.queue), "celsius": self.celsius, "serial": self.serial}

    def deeds(self) -> Mapping[str, Done]:
        """Return what can be done to it by name."""
        return {
            "error": self._flag,
            "event": self._count,
            "fill": lambda said: self.queue.extend(_whole(each, "word") for each in said.get("words", ())),
            "heat": lambda said: setattr(self, "hot_c", float(said.get("celsius", 30.0))),
            "ignore": lambda said: setattr(self, "obeys", False),
            "obey": lambda said: setattr(self, "obeys", True),
            "swap": lambda said: setattr(self, "serial", _whole(said.get("serial", 9999), "serial")),
        }

    def _take_events(self) -> int:
        found, self.words["events"] = self.words["events"], 0
        return found

    def _take_word(self) -> int:
        if not self.queue:
            raise BusError("the queue is empty")
        return self.queue.popleft()

    @property
    def _age_s(self) -> float:
        return self._clock() - self._started_s

    def _put(self, name: str, word: int) -> None:
        if self.obeys:
            self.words[name] = word & WORD

    def _flag(self, said: Mapping[str, Any]) -> None:
        self.words["errors"] |= 1 << (_whole(said.get("bit", 0), "bit") & 31)

    def _count(self, said: Mapping[str, Any]) -> None:
        self.words["events"] = (self.words["events"] + _whole(said.get("count", 1), "count")) & WORD


def _only_written() -> int:
    raise BusError("it can only be written")


class Layout:
    """Where the words of a board are: named ones, and memory from `memory` on."""

    def __init__(self, registers: Registers, places: Mapping[int, str], memory: int, memory_words: int) -> None:
        self._registers, self._places, self._from = registers, dict(places), memory
        self._memory = [0] * memory_words

    def reset(self) -> None:
        """Be as after switching on."""
        self._registers.reset()
        self._memory = [0] * len(self._memory)

    def read(self, place: int) -> int:
        """Return the word at a place. Raises `BusError`."""
        name = self._places.get(place)
        if name is not None:
            return self._registers.read(name)
        return self._memory[self._in_memory(place)]

    def write(self, place: int, word: int) -> None:
        """Write the word at a place. Raises `BusError`."""
        name = self._places.get(place)
        if name is not None:
            self._registers.write(name, word)
            return
        at = self._in_memory(place)
        if self._registers.obeys:
            self._memory[at] = word & WORD

    def kept(self, place: int) -> int:
        """Return what writing some bytes of a word leaves as it is."""
        name = self._places.get(place)
        if name in ("scratch", "settings"):
            return self._registers.words[name]
        return self._memory[self._in_memory(place)] if name is None else 0

    def _in_memory(self, place: int) -> int:
        if not self._from <= place < self._from + len(self._memory):
            raise BusError("nothing is there")
        return place - self._from


def _whole(number: Any, what: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= WORD:
        raise UsageError(f"{what} {number!r}: a whole number from 0 to {WORD} is wanted")
    return number
