"""Faults at random and in all combinations. The number of a combination chooses everything in it."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Any

from simulators.faults import FAULT_KINDS
from simulators.faults.clock import TurnedSupply
from simulators.faults.recorder import Framing
from simulators.options import instrument
from simulators.poisson import PoissonSupply
from simulators.supply import KeptSupply

PROFILES = {"head-xye64": 30e3, "singles64": 50e3, "siemens-petlink32": 40e3, "safir64": 60e3}
SECONDS = 1.0
LATER = {"singles64": 16777216 << 20}
"""Ticks at the beginning: a source that jumps back beyond zero before its first word is 81 days from the others."""
FRAMINGS: tuple[Framing, ...] = ("native", "native", "native", "native", "native", "none", "stream")


@cache
def supply_of(profile: str, sources: int, seed: int) -> KeptSupply:
    supply = PoissonSupply(
        instrument(profile), rate_cps=PROFILES[profile], sources=sources, first_source=3, seconds=SECONDS, seed=seed
    )
    return KeptSupply(TurnedSupply(supply, LATER.get(profile, 0)))


class Drawn:
    """One combination: what is sent, how, and which faults befall it."""

    def __init__(self, number: int) -> None:
        self._rng = rng = random.Random(number)
        self.number = number
        self.framing = rng.choice(FRAMINGS)
        self.profile = rng.choice(list(PROFILES))
        sources = 1 if self.framing == "stream" else rng.choice([1, 2, 3, 5])
        self.supply = supply_of(self.profile, sources, rng.randrange(3))
        self.speed = rng.choice([1.0, 1.0, 4.0, None])
        self._control = rng.random() < 0.4
        kinds = self._kinds()
        self.faults = [self._fault(kind) for kind in rng.choices(kinds, k=rng.randint(1, 6))]

    def _kinds(self) -> list[str]:
        kinds = [name for name, kind in FAULT_KINDS.items() if not (kind.tcp and self.framing == "stream")]
        if self.framing == "none":
            kinds.remove("garbage")
        if self.speed is None:
            kinds.remove("burst")
        if self.profile in ("singles64", "siemens-petlink32"):
            kinds.remove("corrupt")
        return kinds

    def _fault(self, kind: str) -> str:
        rng = self._rng
        ways, stream = FAULT_KINDS[kind].ways, self.framing == "stream"
        if kind == "truncate":
            ways = tuple(way for way in ways if ("share" in way) != stream)
        keys = [*rng.choice(ways), *(key for key in FAULT_KINDS[kind].also if rng.random() < 0.3)]
        if "share" not in keys:
            keys = [key for key in keys if key != "control"]
        elif self._control and "control" in FAULT_KINDS[kind].also and "control" not in keys:
            keys.append("control")
        return f"{kind}:" + ",".join(f"{key}={self._value(key)}" for key in keys)

    def _value(self, key: str) -> Any:
        rng = self._rng
        coarse = self.profile == "singles64"
        values: dict[str, Callable[[], Any]] = {
            "share": lambda: rng.choice([0.002, 0.02, 0.1, 0.3, 0.6, 1.0]),
            "burst": lambda: rng.randint(1, 20),
            "every": lambda: rng.randint(20, 200),
            "by": lambda: rng.choice([1, 2, 10, 60, 300, 1000]),
            "copies": lambda: rng.randint(1, 3),
            "within": lambda: rng.choice([0, 1, 5, 62, 400]),
            "source": lambda: rng.choice(self.supply.sources),
            "at_s": lambda: round(rng.uniform(0, SECONDS), 3),
            "after": lambda: rng.choice([0, 1, 30, 64, 65, 100, 200, 100_000]),
            "for_s": lambda: rng.choice([0, 0.05, 0.3, 2]),
            "from_s": lambda: round(rng.uniform(0, 0.5), 3),
            "until_s": lambda: round(rng.uniform(0.5, SECONDS), 3),
            "of": lambda: rng.choice(["bytes", "header", "both"]),
            "by_s": lambda: rng.choice([-2, -0.1, 0.1, 5, 3600]),
            "ticks": lambda: rng.choice([-1, 1, 50]) * 16777216 if coarse else rng.choice([-7, 999]),
            "control": lambda: "true" if self._control else "false",
        }  # fmt: skip
        return values[key]()

    def __repr__(self) -> str:
        what = f"{self.number}: {self.framing} {self.profile} {self.supply.sources} x{self.speed}"
        return f"{what} {' '.join(self.faults)}"
