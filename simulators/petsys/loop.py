"""A stretch of frames in memory, ready to be sent round and round: only the frame ids change from round to round."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model import tofpet2 as t
from simulators.petsys.encoding import Events, Ints, Words, in_order

MOST_EVENTS = (65_507 - 1) // t.WORD_BYTES - t.HEADER_WORDS
"""Events of a frame that one datagram can carry. What comes beyond is lost, and the frame says so."""
EVENTS_LOST = 0b10
"""Lost flag that the front end sets when a frame has no room."""


@dataclass(frozen=True, slots=True)
class Noise:
    """A module that sends `cps` events per second of nothing."""

    module: int
    cps: float


@dataclass(frozen=True, slots=True)
class State:
    """What of the events is sent. `enabled`: a bit per ASIC; `shifts`: (module, clocks) that clocks have jumped."""

    enabled: int
    noise: tuple[Noise, ...] = ()
    shifts: tuple[tuple[int, int], ...] = ()


class Loop:
    """Frames one behind the other in `words`; frame k begins at `starts[k]`. `source` is the unit that sends them."""

    def __init__(self, events: Events, source: int, datagram_words: int) -> None:
        self.frames = events.frames
        counts = np.bincount(events.frame, minlength=self.frames)
        kept = events
        surplus = np.maximum(counts - MOST_EVENTS, 0)
        self.dropped = int(surplus.sum())
        if self.dropped:
            rank = np.arange(len(events.frame)) - np.repeat(np.cumsum(counts) - counts, counts)
            within = rank < MOST_EVENTS
            kept = Events(events.frame[within], events.words[within], events.frames)
            counts -= surplus
        self._dropped_before = np.concatenate([[0], np.cumsum(surplus)])
        self.starts = np.concatenate([[0], np.cumsum(counts + t.HEADER_WORDS)])
        self.words = np.empty(int(self.starts[-1]), np.uint64)
        self.words[np.arange(len(kept.frame)) + t.HEADER_WORDS * (kept.frame + 1)] = kept.words
        first = self.starts[:-1]
        head = (counts + t.HEADER_WORDS) << t.SIZE_SHIFT
        self.words[first] = head.astype(np.uint64) | np.uint64(source << t.ADDRESS_SHIFT)
        self.words[first + 1] = (counts | (surplus > 0) * (EVENTS_LOST << t.LOST_SHIFT)).astype(np.uint64)
        self._idle_before = np.concatenate([[0], np.cumsum(counts == 0)])
        self.cuts = cut(self.starts, datagram_words)

    def number(self, first: int, stop: int, first_id: int) -> None:
        """Give frames `first` to `stop` of one round the ids from `first_id` on."""
        places = self.starts[first:stop]
        ids = (np.arange(stop - first, dtype=np.int64) + first_id) & t.FRAME_ID_MASK
        rest = self.words[places] & np.uint64((1 << 64) - 1 ^ t.FRAME_ID_MASK)
        self.words[places] = rest | ids.astype(np.uint64)

    def tally(self, first: int, stop: int) -> Tally:
        """Return what frames `first` to `stop` are, counted over all rounds."""
        tally = Tally()
        while first < stop:
            at = first % self.frames
            rounds = (stop - first) // self.frames if at == 0 else 0
            count = self.frames if rounds else min(self.frames - at, stop - first)
            tally.add(self._part(at, at + count), max(rounds, 1))
            first += count * max(rounds, 1)
        return tally

    def _part(self, first: int, stop: int) -> Tally:
        words = int(self.starts[stop] - self.starts[first])
        events = self.events_between(first, stop)
        return Tally(
            frames=stop - first,
            idle_frames=int(self._idle_before[stop] - self._idle_before[first]),
            events=words - t.HEADER_WORDS * (stop - first),
            dropped_events=int(self._dropped_before[stop] - self._dropped_before[first]),
            channels=np.bincount((events >> np.uint64(t.CHANNEL_SHIFT)).astype(np.int64)),
        )

    def events_between(self, first: int, stop: int) -> Words:
        """Return the event words of frames `first` to `stop` of one round."""
        begin = int(self.starts[first])
        part = self.words[begin : int(self.starts[stop])]
        events = np.ones(len(part), bool)
        heads = self.starts[first:stop] - begin
        events[heads] = events[heads + 1] = False
        return part[events]


@dataclass(slots=True)
class Tally:
    """What was sent. `dropped_events`: those for which a frame had no room; `channels`: events by channel id."""

    frames: int = 0
    idle_frames: int = 0
    events: int = 0
    dropped_events: int = 0
    channels: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, other: Tally, times: int = 1) -> None:
        """Add what another one counted, `times` times."""
        self.frames += other.frames * times
        self.idle_frames += other.idle_frames * times
        self.events += other.events * times
        self.dropped_events += other.dropped_events * times
        short, long = sorted((self.channels, other.channels * times), key=len)
        long = long.copy()
        long[: len(short)] += short
        self.channels = long

    def described(self) -> dict[str, Any]:
        """Return it for the truth file, events by ASIC and by channel where there were any."""
        hit = np.flatnonzero(self.channels)
        per_asic: dict[str, int] = {}
        for channel in hit.tolist():
            asic = str(channel // t.CHANNELS_PER_CHIP % t.MOST_CHIPS)
            per_asic[asic] = per_asic.get(asic, 0) + int(self.channels[channel])
        return {
            "frames": self.frames,
            "idle_frames": self.idle_frames,
            "events": self.events,
            "dropped_events": self.dropped_events,
            "asics": per_asic,
            "channels": {str(channel): int(self.channels[channel]) for channel in hit.tolist()},
        }


class Content:
    """The events of one unit, and the loops that its states make of them: the last few are kept."""

    def __init__(self, events: Events, source: int, datagram_words: int, seed: int) -> None:
        self.events, self.source = events, source
        self._datagram_words = datagram_words
        self._seed = seed
        self._loops: dict[State, Loop] = {}
        self._lock = threading.Lock()

    def loop(self, state: State) -> Loop:
        """Return the frames of a state; two threads may ask."""
        with self._lock:
            if state not in self._loops:
                while len(self._loops) >= _KEPT_LOOPS:
                    self._loops.pop(next(iter(self._loops)))
                self._loops[state] = Loop(self._events_of(state), self.source, self._datagram_words)
            return self._loops[state]

    def _events_of(self, state: State) -> Events:
        frame, words, frames = self.events.frame, self.events.words, self.events.frames
        chips = (words >> np.uint64(t.CHANNEL_SHIFT + 6) & np.uint64(t.MOST_CHIPS - 1)).astype(np.int64)
        on = np.array([state.enabled >> chip & 1 for chip in range(t.MOST_CHIPS)], bool)
        if not state.noise and not state.shifts:
            own = on[chips]
            return self.events if own.all() else Events(frame[own], words[own], frames)
        for module, clocks in state.shifts:
            frame, words = _shifted(frame, words, frames, chips == module, clocks)
        own = on[chips]
        added = [self._noise(noise) for noise in state.noise if on[noise.module]]
        return in_order(
            np.concatenate([frame[own], *(part[0] for part in added)]),
            np.concatenate([words[own], *(part[1] for part in added)]),
            frames,
        )

    def _noise(self, noise: Noise) -> tuple[Ints, Words]:
        """Return events of random channels of one module with random small charges."""
        rng = np.random.default_rng([self._seed, noise.module, 0x6E6F697365])
        clocks = self.events.frames * t.FRAME_CLOCKS
        count = int(rng.poisson(noise.cps * clocks / t.CLOCK_HZ))
        when = rng.integers(0, clocks, count)
        chip = self.source * t.MOST_CHIPS + noise.module
        channel = chip * t.CHANNELS_PER_CHIP + rng.integers(0, t.CHANNELS_PER_CHIP, count)
        fine = rng.integers(0, 1 << 20, count)
        words = channel << t.CHANNEL_SHIFT | (when % t.FRAME_CLOCKS) << t.T_COARSE_SHIFT
        words |= (when + 1) % t.FRAME_CLOCKS << t.E_COARSE_SHIFT | fine
        return when // t.FRAME_CLOCKS, words.astype(np.uint64)


_KEPT_LOOPS = 4


def cut(starts: Ints, most_words: int) -> Ints:
    """Return the frames that datagrams begin with, and the number of frames at the end: as many to each as fit."""
    cuts, at, last = [0], 0, len(starts) - 1
    while at < last:
        at = max(int(np.searchsorted(starts, starts[at] + most_words, "right")) - 1, at + 1)
        cuts.append(at)
    return np.array(cuts, np.int64)


def _shifted(frame: Ints, words: Words, frames: int, hit: npt.NDArray[np.bool_], clocks: int) -> tuple[Ints, Words]:
    """Return events of which those that are `hit` come `clocks` later, round about."""
    mask = np.uint64(t.CODE_MASK)
    when = frame[hit] * t.FRAME_CLOCKS + (words[hit] >> np.uint64(t.T_COARSE_SHIFT) & mask).astype(np.int64)
    end = (words[hit] >> np.uint64(t.E_COARSE_SHIFT) & mask).astype(np.int64)
    when = (when + clocks) % (frames * t.FRAME_CLOCKS)
    coarse = (when % t.FRAME_CLOCKS) << t.T_COARSE_SHIFT | ((end + clocks) % t.FRAME_CLOCKS) << t.E_COARSE_SHIFT
    fields = np.uint64(t.CODE_MASK << t.T_COARSE_SHIFT | t.CODE_MASK << t.E_COARSE_SHIFT)
    frame, words = frame.copy(), words.copy()
    frame[hit] = when // t.FRAME_CLOCKS
    words[hit] = words[hit] & ~fields | coarse.astype(np.uint64)
    return frame, words
