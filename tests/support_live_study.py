"""A camera of two heads that sends words by the clock, and axes that say where they are, for tests of live studies."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from support_head_words import event, r_wave
from support_recording import packet

from daq.model.axissample import AxisSample

_SLICE_S = 0.01
_SAMPLE_S = 0.05
_MOST_WORDS = 170
RR_S = (0.8, 0.8, 0.8, 0.8, 0.8, 1.5, 0.8)
"""Intervals of the heart, faster than life by `Camera.heart`; again and again. What is to have a beat that is accepted,
wherever it begins, must last for two of 0.8, the long one, and a bit more."""


class Camera:
    """Sends to a port: two heads of one source, a spot of each that differs, R waves; `rate_cps` may change."""

    def __init__(self, port: int, *, rate_cps: float, heart: float = 4.0) -> None:
        self.rate_cps = rate_cps
        self._to = ("127.0.0.1", port)
        self._heart = heart
        self._random = np.random.default_rng(7)
        self._sent = 0
        self._beat_s, self._beats = 0.3, 0
        self._due = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera")

    @contextmanager
    def running(self) -> Iterator[Camera]:
        """Send until the end of the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._thread.join(5.0)

    def _run(self) -> None:
        began = time.monotonic()
        done_s = 0.0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not self._over.wait(_SLICE_S):
                now_s = time.monotonic() - began
                for words in self._words(done_s, now_s):
                    sender.sendto(packet(0, self._sent, words), self._to)
                    self._sent += len(words)
                done_s = now_s

    def _words(self, from_s: float, to_s: float) -> Iterator[list[int]]:
        """Yield datagrams of the words of a time."""
        self._due += self.rate_cps * (to_s - from_s)
        count, self._due = int(self._due), self._due % 1.0
        times = np.sort(self._random.uniform(from_s, to_s, count))
        heads = self._random.integers(0, 2, count)
        x = self._random.normal(np.where(heads, 60.0, -40.0), 25.0).clip(-260, 260)
        y = self._random.normal(np.where(heads, -30.0, 50.0), 40.0).clip(-190, 190)
        kev = self._random.choice([140.5, 110.0], count, p=[0.8, 0.2])
        words = [event(round(t * 1e12), int(h), e, a, b) for t, h, e, a, b in zip(times, heads, kev, x, y, strict=True)]
        while self._beat_s <= to_s:
            words.insert(int(np.searchsorted(times, self._beat_s)), r_wave(round(self._beat_s * 1e12), self._beats))
            times = np.insert(times, np.searchsorted(times, self._beat_s), self._beat_s)
            self._beat_s += RR_S[self._beats % len(RR_S)] / self._heart
            self._beats += 1
        for first in range(0, len(words), _MOST_WORDS):
            yield words[first : first + _MOST_WORDS]


class Axis:
    """Goes along a line and tells where it is, twenty times a second while it moves."""

    def __init__(self, name: str, position: float, tell: Callable[[list[AxisSample]], object]) -> None:
        self.name, self.position = name, position
        self._tell = tell

    def say(self, *, moving: bool = False) -> None:
        """Tell where it stands."""
        self._tell([AxisSample(self.name, time.monotonic_ns(), self.position, moving)])

    def go(self, to: float, speed: float) -> None:
        """Go there at a speed, telling, and come back when it has arrived."""
        begin, began = self.position, time.monotonic()
        lasts_s = abs(to - begin) / speed
        while (passed_s := time.monotonic() - began) < lasts_s:
            self.position = begin + math.copysign(speed, to - begin) * passed_s
            self.say(moving=True)
            time.sleep(_SAMPLE_S)
        self.position = to
        self.say()
