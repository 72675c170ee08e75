"""Random people and random faults at random instruments on one wire; what they read is held against what was told.

All in the test's own time, from one seed: who asks what of whom, at once or later, who leaves before the answer, who
sets what and stops what, and what becomes of each reply.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TextIO

from support_bus import SPOILS, on_one_bus
from support_conversation import PARAMETERS

from daq.devices.abilities import Timed
from daq.devices.instruments.instrument import Instrument
from daq.errors import LimitError, ScandaqError

_MOST_V = 8000.0
_GOOD = ("good",) * len(SPOILS)


@dataclass
class Outcome:
    """What became of all that was asked."""

    counts: Counter[str] = field(default_factory=Counter)
    highest_v: float = 0.0

    def add(self, other: Outcome) -> None:
        self.counts += other.counts
        self.highest_v = max(self.highest_v, other.highest_v)


class Interleaving:
    """One mixture of people, instruments and faults."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._faulty = self._chance.choice((SPOILS, SPOILS + _GOOD, SPOILS + 4 * _GOOD))
        self._fine = self._chance.choice((0, 3, 12, 24))
        self.supplies, self.bus, self.clock = on_one_bus(self._chance.choice((1, 2, 3)), spoilt=self._spoilt)
        self.outcome = Outcome()

    def _spoilt(self) -> str:
        self._fine -= 1
        return "good" if self._fine >= 0 else self._chance.choice(self._faulty)

    async def run(self) -> Outcome:
        """Let a few people do a few things each; return what became of it. Raises `AssertionError` with the log."""
        people = [asyncio.create_task(self._person()) for _ in range(self._chance.choice((1, 2, 4)))]
        leaves = self._chance.choice(people) if self._chance.random() < 0.2 else None
        for _ in range(self._chance.randrange(12) if leaves is not None else 0):
            await asyncio.sleep(0)
        if leaves is not None:
            leaves.cancel()
        for found in await asyncio.gather(*people, return_exceptions=True):
            if isinstance(found, BaseException) and not isinstance(found, asyncio.CancelledError):
                raise found
        for each in self.supplies:
            await each.session.close()
        assert all(0 <= volts <= _MOST_V for volts in self.bus.set_v), self.bus.set_v
        self.outcome.highest_v = max(self.bus.set_v, default=0.0)
        self.outcome.counts["exchanges"] = sum(each.session.tally.exchanges for each in self.supplies)
        self.outcome.counts["resyncs"] = sum(each.session.tally.resyncs for each in self.supplies)
        return self.outcome

    async def _person(self) -> None:
        for _ in range(self._chance.choice((1, 2, 3))):
            supply = self._chance.choice(self.supplies)
            act = self._chance.choice((self._reads, self._reads, self._reads, self._sets, self._stops))
            try:
                await act(supply)
            except LimitError:
                self.outcome.counts["refused: above a limit"] += 1
            except ScandaqError as why:
                self.outcome.counts[type(why).__name__] += 1
                self.clock.now_s += self._chance.choice((0.0, 0.3, 2.0, 12.0))

    async def _reads(self, supply: Instrument) -> None:
        wanted = [
            (self._chance.choice(sorted(PARAMETERS)), self._chance.choice("0123"))
            for _ in range(self._chance.choice((1, 1, 3)))
        ]
        max_age_s, asked_s = self._chance.choice((0.0, 0.0, 0.5)), self.clock.now_s
        for (name, channel), timed in zip(wanted, await supply.read_timed(wanted, max_age_s=max_age_s), strict=True):
            self._judge(supply, name, channel, timed, asked_s - max_age_s)
            self.outcome.counts["readings"] += 1

    def _judge(self, supply: Instrument, name: str, channel: str, timed: Timed, oldest_s: float) -> None:
        meant = self.bus.meant[float(timed.value)]  # type: ignore[arg-type]
        board = supply.name.removeprefix("hv")
        assert (meant.board, meant.parameter, meant.channel) == (board, PARAMETERS[name], channel)
        assert meant.told_s >= timed.asked_s >= oldest_s
        assert timed.asked_s <= self.clock.now_s
        self.bus.note(f"= {name} {channel} of {supply.name} is {timed.value}, asked at {timed.asked_s:.3f}")

    async def _sets(self, supply: Instrument) -> None:
        volts = self._chance.choice((-1.0, 0.0, 500.0, 8000.0, 8000.04, 8000.06, 8001.0, 1e9, float("nan")))
        await supply.set("voltage_set", volts, self._chance.choice("0123"))

    async def _stops(self, supply: Instrument) -> None:
        await supply.act_now("off", self._chance.choice("0123"))
        self.outcome.counts["stops"] += 1


def try_seed(seed: int, kept: TextIO | None = None) -> Outcome:
    """Run one mixture; where it fails, raise with the log of the wire, which is the proof. `kept` takes all logs."""
    mixture = Interleaving(seed)
    try:
        return asyncio.run(mixture.run())
    except AssertionError as why:
        raise AssertionError(f"seed {seed}: {why}\n" + "\n".join(mixture.bus.log)) from why
    finally:
        if kept is not None:
            kept.write("\n".join([f"seed {seed}", *mixture.bus.log, ""]))
