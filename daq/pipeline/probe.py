"""What a gamma probe tells a surgeon: rates, smoothed, corrected, net of background, the highest one held, a cue.

Pure functions on counts and seconds. Errors are one standard deviation of Poisson counts. Nothing here changes what is
recorded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError

TEN_PERCENT = 0.1
"""Nodes with at least this share of the rate of the hottest one are taken out, too, and what is left in the bed must be
below it: K. M. McMasters et al., Annals of Surgical Oncology 8, 192 (2001)."""
LOWEST_HZ = 220.0
OCTAVES = 3.0
"""The pitch of the cue: from a low to a high A. A choice: what can be heard well in an operating theatre."""
_CREDIBLE = 0.5

Floats = npt.NDArray[np.float64]


class Rate(NamedTuple):
    """Events per second and their error."""

    per_s: float
    error_per_s: float


NO_RATE = Rate(0.0, 0.0)


class Net(NamedTuple):
    """A rate above background; `sigmas`: how many standard deviations of the background alone it is above it."""

    per_s: float
    error_per_s: float
    sigmas: float


class Cue(NamedTuple):
    """What is to be heard: `level` from 0 (silent) to 1, the pitch, and the time between two clicks."""

    level: float
    pitch_hz: float
    click_s: float


def rate_of(counts: int, seconds: float) -> Rate:
    """Return the rate of counts in a time; raise `UsageError` for no time."""
    if not seconds > 0:
        raise UsageError(f"a rate of {counts} counts in {seconds:g} s: the time must be above zero")
    return Rate(counts / seconds, math.sqrt(counts) / seconds)


def corrected(rate: Rate, dead_s: float, *, every_per_s: float | None = None) -> Rate:
    """Return the true rate behind one that was counted by an input that is dead for `dead_s` after each pulse.

    That time is not extended by pulses within it: m / (1 - every dead), `every_per_s` being the rate of all pulses, in
    a window or not (default: this one). Raise `UsageError` where nothing can count so fast.
    """
    every = rate.per_s if every_per_s is None else every_per_s
    alive = 1.0 - every * dead_s
    if alive <= 0:
        raise UsageError(f"{every:g} per second with a dead time of {dead_s:g} s: no input counts so fast")
    return Rate(rate.per_s / alive, rate.error_per_s / alive)


def net(rate: Rate, background: Rate) -> Net:
    """Return a rate above a background that was measured by itself."""
    error = math.hypot(rate.error_per_s, background.error_per_s)
    difference = rate.per_s - background.per_s
    return Net(difference, error, difference / error if error > 0 else math.copysign(math.inf, difference))


def cue(per_s: float, *, floor_per_s: float, ceiling_per_s: float) -> Cue:
    """Return the cue of a rate: silent up to `floor_per_s`, highest from `ceiling_per_s` on, by equal ratios between.

    Raise `UsageError` unless 0 < floor < ceiling.
    """
    if not 0 < floor_per_s < ceiling_per_s:
        raise UsageError(f"a cue from {floor_per_s:g} to {ceiling_per_s:g} per second: wanted is 0 < floor < ceiling")
    share = math.log(max(per_s, floor_per_s) / floor_per_s) / math.log(ceiling_per_s / floor_per_s)
    level = min(share, 1.0)
    return Cue(level, LOWEST_HZ * 2.0 ** (OCTAVES * level), 1.0 / (1.0 + 9.0 * level))


class Smoothed:
    """Rates that forget: counts weigh e^-(age / time constant), and so does the time in which they came.

    So the rate is right from the first reading on, its error shrinking until some time constants have passed; after a
    step it has gone 63 % of the way when one has.
    """

    def __init__(self, time_constant_s: float, shape: tuple[int, ...] = ()) -> None:
        """Begin with nothing; raise `UsageError` for a time constant that is none. `shape`: of counts and rates."""
        if not 0 < time_constant_s < math.inf:
            raise UsageError(f"a time constant of {time_constant_s:g} s: must be above zero")
        self._constant_s = time_constant_s
        self._counts, self._squares = np.zeros(shape), np.zeros(shape)
        self._seconds = 0.0

    def add(self, counts: npt.ArrayLike, seconds: float) -> None:
        """Add counts that came, evenly, in the last `seconds`; nothing where no time passed."""
        if seconds <= 0:
            return
        kept = math.exp(-seconds / self._constant_s)
        weight = self._constant_s * (1 - kept) / seconds
        new = np.asarray(counts, np.float64)
        self._counts = self._counts * kept + new * weight
        self._squares = self._squares * kept**2 + new * weight**2
        self._seconds = self._seconds * kept + seconds * weight

    @property
    def per_s(self) -> Floats:
        """Return the rates; NaN before anything was added."""
        return np.asarray(self._counts / self._seconds if self._seconds else self._counts * np.nan)

    @property
    def error_per_s(self) -> Floats:
        """Return their errors."""
        return np.asarray(np.sqrt(self._squares) / self._seconds if self._seconds else self._counts * np.nan)

    @property
    def is_credible(self) -> bool:
        """Tell whether half of the time that counts has passed: before, a single count makes a high rate."""
        return self._seconds > _CREDIBLE * self._constant_s


class PeakHold:
    """The highest rates since it was reset, NaN before any."""

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        """Begin with nothing. `shape`: of the rates."""
        self.highest: Floats = np.full(shape, np.nan)

    def add(self, per_s: npt.ArrayLike) -> None:
        """Take rates in."""
        self.highest = np.asarray(np.fmax(self.highest, np.asarray(per_s, np.float64)))

    def reset(self) -> None:
        """Forget them."""
        self.highest = self.highest * np.nan


@dataclass(frozen=True, slots=True)
class Node:
    """A lymph node that was taken out, with its rate ex vivo, net of background."""

    name: str
    ex_vivo_per_s: float


@dataclass(frozen=True, slots=True)
class TenPercent:
    """What the 10 % rule says: `sentinel` are nodes at or above `limit_per_s`; `go_on`: the bed is above it, too."""

    hottest: Node
    limit_per_s: float
    sentinel: tuple[Node, ...]
    go_on: bool

    def __str__(self) -> str:
        """Return it in a sentence."""
        names = ", ".join(node.name for node in self.sentinel)
        bed = "is not below it: look for another node" if self.go_on else "is below it"
        return (
            f"the hottest node is {self.hottest.name} with {self.hottest.ex_vivo_per_s:.1f} per second; 10 % of it are"
            f" {self.limit_per_s:.1f}: sentinel nodes are {names}; the bed {bed}"
        )


def ten_percent(nodes: Sequence[Node], bed_per_s: float) -> TenPercent:
    """Return what the 10 % rule says of nodes ex vivo and the rate left in the bed, all net of background.

    Raise `UsageError` for no node, or none above background.
    """
    if not nodes:
        raise UsageError("the 10 % rule needs at least one node that was taken out and measured")
    hottest = max(nodes, key=lambda node: node.ex_vivo_per_s)
    if not hottest.ex_vivo_per_s > 0:
        raise UsageError(f"no node is above background; the hottest, {hottest.name}, has {hottest.ex_vivo_per_s:g}")
    limit = TEN_PERCENT * hottest.ex_vivo_per_s
    sentinel = tuple(node for node in nodes if node.ex_vivo_per_s >= limit)
    return TenPercent(hottest, limit, sentinel, go_on=bed_per_s >= limit)
