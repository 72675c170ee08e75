"""Looks whether the channels of a head behave, on every 512th event: what light each sees against what it should.

Where places come of maximum likelihood the response of the sensors says how much light a channel should see. One is odd
that sees a quarter of it or less, or strays ten times as much from it as channels do on the median: dead, noisy, or its
gain has gone. Events that would be called piled up are looked at, too: an odd channel makes many of them. What is found
is a function of the events alone, wherever they were cut into calls: sums are of whole numbers, judged by the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.camera import MOST_CHANNELS
from daq.model.headcalibration import HeadCorrections
from daq.pipeline.headkernels import place
from daq.pipeline.headresponse import NOISE, shares
from daq.pipeline.headtables import CAUSES, UNEXPLAINED, Channels, index_of, live_channels

EVERY = 512
BLOCK = 64
"""Events looked at together."""
LEAST = 2 * BLOCK
"""Of one head, before its channels are judged."""
ODD = 10.0
DARK = 0.25
DARK_BELOW_KEV = 0.2
"""What a channel should see on the average, to be called dark when it does not: pedestals stray by less."""
_SCALE = 1 << 16
_MOST_KEV = 1e6

Ints = npt.NDArray[np.int64]


class _Watched:
    """One head: its channels' numbers as float64, and sums over the events looked at [channels]."""

    def __init__(self, head: HeadCorrections) -> None:
        sensors, light = head.sensors, head.light
        if sensors is None or light is None:
            raise ValueError(head.head)
        self.number = head.head
        self._light = light
        self._places = np.array([sensors.x_mm, sensors.y_mm])
        self._used = used = len(sensors.x_mm)
        self._live = live_channels(head)[:used]
        self._pedestal = np.array(head.pedestal_adc) if head.pedestal_adc else np.zeros(used)
        self._gain = np.array(head.kev_per_adc) if head.kev_per_adc else np.ones(used)
        self._middle = float(shares(light, self._places, np.zeros(1), np.zeros(1))[0].sum())
        self.events = 0
        self._seen: Ints = np.zeros((3, used), np.int64)
        """Light that came, light that was expected, square of the difference over what was expected; 1/65536 keV."""

    def add(self, codes: Any, x_mm: Any, y_mm: Any, kev: Any) -> None:
        """Look at events [n] that have a place."""
        flash = kev.astype(np.float64)[:, None] / self._middle
        came = (codes[:, : self._used] - self._pedestal) * self._gain
        expected = flash * shares(self._light, self._places, x_mm.astype(np.float64), y_mm.astype(np.float64))[0]
        apart = (came - expected) ** 2 / (expected + NOISE * self._light.height * flash)
        for row, values in enumerate((came, expected, apart)):
            whole = np.rint(np.clip(values, -_MOST_KEV, _MOST_KEV) * _SCALE).astype(np.int64)
            self._seen[row] += whole.sum(axis=0)
        self.events += len(codes)

    @property
    def odd(self) -> dict[int, float]:
        """Return the channels that are odd, and the light each saw over the light that was expected."""
        if self.events < LEAST:
            return {}
        came, expected, apart = self._seen.astype(np.float64)
        usual = float(np.median(apart[self._live]))
        is_dark = (came < DARK * expected) & (expected > DARK_BELOW_KEV * _SCALE * self.events)
        found = np.flatnonzero(self._live & (is_dark | (apart > ODD * max(usual, 1.0))))
        return {int(channel): round(float(came[channel] / max(expected[channel], 1.0)), 3) for channel in found}


class ChannelWatch:
    """Watches the channels of all heads that are placed by maximum likelihood. One thread adds events."""

    def __init__(self, heads: Sequence[HeadCorrections]) -> None:
        """Begin with none looked at."""
        chosen = [head for head in heads if head.sensors and head.estimator == "maximum-likelihood"]
        self._heads = [_Watched(head) for head in chosen]
        self._channels = Channels.of(chosen)
        self._channels.rule[:, UNEXPLAINED] = 0.0
        self._index = index_of(chosen)
        self._came = self._held = 0
        self._codes = np.empty((BLOCK, MOST_CHANNELS), np.uint16)
        self._numbers = np.empty(BLOCK, np.uint8)

    @property
    def found(self) -> dict[int, dict[str, Any]]:
        """Return, by head number, how many events were looked at, and the odd channels as text with what they saw."""
        return {
            head.number: {"looked_at": head.events, "odd_channels": {str(one): seen for one, seen in head.odd.items()}}
            for head in self._heads
        }

    def sentences(self) -> list[str]:
        """Return a sentence for each odd channel."""
        return [_sentence(head.number, channel, seen) for head in self._heads for channel, seen in head.odd.items()]

    def see(self, heads: Any, codes: Any) -> None:
        """Take every 512th of the events that come, from call to call."""
        if not self._heads:
            return
        rows = slice(-self._came % EVERY, None, EVERY)
        self._came += len(heads)
        numbers, taken = heads[rows], codes[rows]
        done = 0
        while done < len(numbers):
            count = min(BLOCK - self._held, len(numbers) - done)
            into, part = slice(self._held, self._held + count), slice(done, done + count)
            self._numbers[into], self._codes[into] = numbers[part], taken[part]
            self._held, done = self._held + count, done + count
            if self._held == BLOCK:
                self._look()

    def _look(self) -> None:
        self._held = 0
        values, channels = np.empty((3, BLOCK), np.float32), self._channels
        place(
            self._numbers, self._index, self._codes, channels.channels, channels.limit, channels.plan, channels.rule,
            channels.points, values[0], values[1], values[2], np.zeros((len(self._heads) + 1, len(CAUSES)), np.int64),
        )  # fmt: skip
        for head in self._heads:
            of = (self._numbers == head.number) & np.isfinite(values).all(axis=0)
            if of.any():
                head.add(self._codes[of], *(one[of] for one in values))


def _sentence(head: int, channel: int, seen: float) -> str:
    if seen <= DARK:
        what = f"sees {100 * max(seen, 0.0):.0f} % of the light that it should: dead, or its gain has gone"
    else:
        what = f"strays {ODD:g} times as much as others from the light that it should see: noisy, or its gain has gone"
    return f"head {head}: channel {channel} {what}"
