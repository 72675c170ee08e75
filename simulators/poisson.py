"""Poisson: events at random times with random values, in any event layout, from one or several sources."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError, UsageError
from daq.listmode.encoder import Encoder, TimeWords
from daq.model.clock_rules import TIME_LIMIT_PS
from daq.model.layout import BitField, Clock, Layout
from simulators.events import Drawer, parse_mix, preamble_of
from simulators.options import MAX_SOURCE, instrument, positive, positive_float, service, source_number
from simulators.options import add_options as add_shared_options
from simulators.serve import Server
from simulators.supply import Chunk, Instrument

Ints = npt.NDArray[np.int64]
SLICE_EVENTS = 1 << 17
COMPILED_BYTES = 16 << 20
"""Runs from this size on are made by compiled loops, with other random numbers than smaller ones."""
DENSE_TIME_WORDS_PS = 100_000_000
"""A time word for every count where counts are this far apart or more, as front ends do; else where it changes."""
FAILURE_CHANCE = 1e-6
"""How likely a run may be to hold a silence that its clock cannot bridge."""
DEFAULT_SECONDS = 10.0
MAX_SECONDS = TIME_LIMIT_PS / 2e12


def add_options(parser: argparse.ArgumentParser) -> None:
    """Register the options of `poisson`."""
    add_shared_options(parser)
    parser.add_argument(
        "--rate", type=positive_float, required=True, metavar="CPS", help="events per second, all sources together"
    )
    parser.add_argument(
        "--sources", type=positive, default=1, metavar="N", help="sources; each has its own number (default 1)"
    )
    parser.add_argument(
        "--source-id", type=source_number, default=0, metavar="N", help="number of the first source (default 0)"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--seconds", type=positive_float, metavar="S", help=f"detector time of a run (default {DEFAULT_SECONDS:g})"
    )
    length.add_argument("--events", type=positive, metavar="N", help="events of a run; k, M, G may follow")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="the same seed gives the same words (default 0)"
    )
    parser.add_argument("--mix", metavar="KIND=SHARE,...", help="shares of the layout's event kinds (default: equal)")


def run(arguments: argparse.Namespace) -> int:
    """Serve random events. Raises `UsageError`, `RefusedError`."""
    device = instrument(arguments.profile)
    supply = PoissonSupply(
        device,
        rate_cps=arguments.rate,
        sources=arguments.sources,
        first_source=arguments.source_id,
        seconds=None if arguments.events else arguments.seconds or DEFAULT_SECONDS,
        events=arguments.events,
        seed=arguments.seed,
        mix=arguments.mix,
    )
    return Server(device, supply, service("poisson", arguments)).serve()


class Maker(Protocol):
    """Makes the times and the words of one source, stretch after stretch."""

    def ticks(self, rng: np.random.Generator, rate: float, begin: float, stop: float) -> Ints:
        """Return the ticks of a Poisson process of `rate` events per tick from `begin` to `stop`, ascending."""
        ...

    def make(self, rng: np.random.Generator, ticks: Ints) -> npt.NDArray[np.uint8]:
        """Return the words (uint8) of events at `ticks`; raise `EncodeError` if the clock cannot follow."""
        ...


class NumpyMaker:
    """Values by NumPy, words by the product's encoder: quick to begin, four times slower than compiled loops."""

    def __init__(self, layout: Layout, clock: Clock, mix: Mapping[str, float], mode: TimeWords) -> None:
        self._drawer = Drawer(layout, mix)
        self._encoder = Encoder(layout, clock, time_words=mode)

    def ticks(self, rng: np.random.Generator, rate: float, begin: float, stop: float) -> Ints:
        """Return the ticks of a Poisson process."""
        return poisson_ticks(rng, rate, begin, stop)

    def make(self, rng: np.random.Generator, ticks: Ints) -> npt.NDArray[np.uint8]:
        """Return the words of events at `ticks`."""
        kinds, values = self._drawer.draw(rng, len(ticks))
        return self._encoder.encode(kinds, ticks, values)


class PoissonSupply:
    """Random words, the same ones for the same seed, made slice by slice."""

    preamble: bytes
    tail = b""

    def __init__(
        self,
        device: Instrument,
        *,
        rate_cps: float,
        sources: int = 1,
        first_source: int = 0,
        seconds: float | None = None,
        events: int | None = None,
        seed: int = 0,
        mix: str | None = None,
    ) -> None:
        if first_source + sources - 1 > MAX_SOURCE:
            raise UsageError(f"{sources} sources from number {first_source} on; the highest number is {MAX_SOURCE}")
        if seed < 0:
            raise UsageError(f"--seed {seed}: must be zero or more")
        self.layout, self.clock = device.layout, device.clock
        self.sources = tuple(range(first_source, first_source + sources))
        self._rate_cps, self._seconds, self._events, self._seed = rate_cps, seconds, events, seed
        self._mix = parse_mix(mix, self.layout)
        self._events_per_tick = rate_cps * float(self.clock.tick) / 1e12
        if self._events_per_tick > SLICE_EVENTS:
            raise UsageError(f"--rate {rate_cps:g}: {self._events_per_tick:g} events per tick; at most {SLICE_EVENTS}")
        expected = events if events is not None else rate_cps * (seconds or 0)
        if expected / rate_cps > MAX_SECONDS:
            raise UsageError(f"a run of {expected / rate_cps:g} s; at most {MAX_SECONDS:g} s, half the largest time")
        self._time_words = time_words_of(device)
        if self._time_word_count(expected) > SLICE_EVENTS * max(expected, 1.0):
            raise UsageError(f"--rate {rate_cps:g}: more than {SLICE_EVENTS} time words between two events")
        self.size_bytes = round((expected + self._time_word_count(expected)) * self.layout.word_bytes)
        self.preamble = preamble_of(self.layout)
        check_silences(device, rate_cps / sources * self._timed_share(), expected)

    def slices(self) -> Iterator[list[Chunk]]:
        """Yield the words of all sources, a stretch of time after the other."""
        rngs = [np.random.default_rng(s) for s in np.random.SeedSequence(self._seed).spawn(len(self.sources))]
        makers = self._makers()
        start = self.clock.start_ticks or 0
        end = math.inf if self._seconds is None else self._seconds * 1e12 / float(self.clock.tick)
        step = max(SLICE_EVENTS / self._events_per_tick, 1.0)
        begin, left = 0.0, self._events
        while begin < end and left != 0:
            stop = min(begin + step, end)
            rate = self._events_per_tick / len(self.sources)
            ticks = [maker.ticks(rng, rate, begin, stop) for maker, rng in zip(makers, rngs, strict=True)]
            if left is not None:
                ticks = first_events(ticks, left)
                left -= sum(len(t) for t in ticks)
            yield [
                Chunk(source, maker.make(rng, t + start))
                for source, maker, rng, t in zip(self.sources, makers, rngs, ticks, strict=True)
            ]
            begin = stop

    def described(self) -> dict[str, Any]:
        """Return the parameters that give the same words again."""
        return {
            "seed": self._seed,
            "rate_cps": self._rate_cps,
            "seconds": self._seconds,
            "events_wanted": self._events,
            "mix": self._mix,
        }

    def _makers(self) -> Sequence[Maker]:
        """Return what makes the words of each source: compiled loops where it is worth half a second to load them."""
        if self.size_bytes < COMPILED_BYTES:
            return [NumpyMaker(self.layout, self.clock, self._mix, self._time_words) for _ in self.sources]
        from simulators.wordmaker import CompiledMaker, Tables

        tables = Tables(self.layout)
        return [CompiledMaker(self.layout, self.clock, tables, self._mix, self._time_words) for _ in self.sources]

    def _timed_share(self) -> float:
        """Return the share of the events that bear a time, their own or in a time word before them."""
        kinds = self.layout.kinds
        if self.layout.carries_time:
            return 1.0
        return sum(share for name, share in self._mix.items() if kinds[name].field_to("time") is not None)

    def _time_word_count(self, expected: float) -> float:
        """Return about how many time words go with `expected` events."""
        field = time_word_field(self.layout)
        if field is None:
            return 0.0
        counts = expected / self._events_per_tick / field.ticks
        return len(self.sources) * (counts if self._time_words == "all" else min(counts, expected))


def poisson_ticks(rng: np.random.Generator, rate: float, begin: float, stop: float) -> Ints:
    """Return the ticks of a Poisson process of `rate` events per tick from `begin` to `stop`, ascending.

    The process has no memory, so every stretch of time begins anew.
    """
    expected = rate * (stop - begin)
    gaps = rng.exponential(1 / rate, math.ceil(expected + 6 * math.sqrt(expected) + 6))
    times = np.cumsum(gaps)
    while times[-1] < stop - begin:
        more = times[-1] + np.cumsum(rng.exponential(1 / rate, len(gaps)))
        times = np.concatenate([times, more])
    whole = math.floor(begin)
    inside = times[: int(np.searchsorted(times, stop - begin))]
    return whole + np.floor(inside + (begin - whole)).astype(np.int64)


def first_events(ticks: list[Ints], count: int) -> list[Ints]:
    """Return the `count` earliest events of all sources, per source."""
    if sum(len(t) for t in ticks) <= count:
        return ticks
    owner = np.repeat(np.arange(len(ticks)), [len(t) for t in ticks])
    earliest = np.argsort(np.concatenate(ticks), kind="stable")[:count]
    kept = np.bincount(owner[earliest], minlength=len(ticks))
    return [t[:n] for t, n in zip(ticks, kept.tolist(), strict=True)]


def time_word_field(layout: Layout) -> BitField | None:
    """Return the time field of the first kind of time word."""
    return next((kind.field_to("time") for kind in layout.kinds.values() if kind.yields == "time"), None)


def time_words_of(device: Instrument) -> TimeWords:
    """Return when to send time words: for every count where counts are rare enough for a front end to do so."""
    field = time_word_field(device.layout)
    return "all" if field is not None and field.ticks * device.clock.tick >= DENSE_TIME_WORDS_PS else "changes"


def check_silences(device: Instrument, timed_cps: float, expected: float) -> None:
    """Refuse a rate at which a run probably has a silence of half a wrap of its clock.

    `timed_cps`: events per second and source that bear a time.
    """
    field = time_word_field(device.layout)
    if time_words_of(device) == "all":
        return
    fields = [field] if field else [f for kind in device.layout.kinds.values() if (f := kind.field_to("time"))]
    if not fields:
        return
    half_wrap_s = min((f.wrap or 1 << f.width) * f.ticks for f in fields) * float(device.clock.tick) / 2e12
    chance = min(1.0, max(expected, 1.0) * math.exp(-timed_cps * half_wrap_s))  # per gap, times the gaps
    if chance > FAILURE_CHANCE:
        needed = math.log(max(expected, 1.0) / FAILURE_CHANCE) / half_wrap_s
        raise RefusedError(
            f"profile {device.profile}: the clock can bridge silences up to {half_wrap_s:.6g} s, half its wrap; at"
            f" {timed_cps:.6g} timed events per second and source, a run of {expected:.6g} events has a longer one with"
            f" probability {chance:.2g} (limit {FAILURE_CHANCE:g}); it takes {needed:.6g} per second and source"
        )
