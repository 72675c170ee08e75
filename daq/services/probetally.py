"""What a gamma probe counted in each step of the run under way: for the 10 % rule while the patient is still there.

Counts and the probe's own time are read together, five times a second, so their quotient is the rate of the step
without a bias by when they were read; what a step counted before the first and after the last reading is left out here.
The record of the whole examination is made of the recording (`daq probe record`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from daq.errors import ScandaqError
from daq.model.station import Actor
from daq.pipeline.probe import NO_RATE, Net, Node, Rate, corrected, net, rate_of, ten_percent
from daq.readout.liveview import LiveView

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.2
_ARRAYS = ("probe_counts", "probe_seconds")


@dataclass(frozen=True, slots=True)
class Where:
    """Where a run is: its name, the readout's control socket, number, name and role of the step; whether it records."""

    run: str
    control: Path
    step: int
    name: str
    role: str
    records: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of the first input by window, all of them last, and the probe's seconds in which they came."""

    counts: tuple[int, ...]
    seconds: float

    def since(self, earlier: Counted) -> Counted:
        """Return what came since."""
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        return Counted(counts, self.seconds - earlier.seconds)


class Figures(Protocol):
    """Reads a probe's figures: `daq.readout.liveview.LiveView`."""

    @property
    def about(self) -> dict[str, Any]:
        """Return what the readout says of them."""
        ...

    def some(self, names: Iterable[str]) -> dict[str, Any]:
        """Return arrays by name."""
        ...


@dataclass(slots=True)
class _Step:
    name: str
    role: str
    begin: Counted
    counted: Counted


class ProbeTally:
    """Follows the runs of a probe. `where` says where the run is, None where no probe is under way."""

    def __init__(self, where: Callable[[], Where | None], attach: Callable[[Path], Figures] = LiveView.attach) -> None:
        self._where, self._attach = where, attach
        self._run = ""
        self._view: Figures | None = None
        self._steps: dict[int, _Step] = {}
        self._windows: tuple[str, ...] = ()
        self._dead_s = 0.0
        self.failures = 0

    @property
    def handlers(self) -> dict[str, Any]:
        """Return who carries out the verb."""
        return {"probe-nodes": self._nodes}

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            where = self._where()
            if where is not None:
                await self._follow(where)
            await asyncio.sleep(_LOOK_S)

    def figures(self, window: str | None = None) -> dict[str, Any]:
        """Return rates by step, corrected for dead time, and what the 10 % rule says. `window`: default the first."""
        at = self._windows.index(window) if window in self._windows else 0
        rates = {number: _rate(step.counted, at, self._dead_s) for number, step in self._steps.items()}
        background = self._of_role(rates, "background")
        nets = {number: net(rate, background or NO_RATE) for number, rate in rates.items()}
        return {
            "run": self._run, "window": self._windows[at] if self._windows else None, "windows": list(self._windows),
            "background_per_s": None if background is None else background.per_s,
            "steps": [self._step(number, at, rates[number], nets[number]) for number in sorted(self._steps)],
            "rule": self._rule(nets, background),
        }  # fmt: skip

    async def _nodes(self, request: Any, _: Actor) -> dict[str, Any]:
        return self.figures(request.window)

    async def _follow(self, where: Where) -> None:
        if where.run != self._run:
            self._run, self._view, self._steps = where.run, None, {}
        try:
            if self._view is None:
                view: Figures = await asyncio.to_thread(self._attach, where.control)
                probe = view.about["looks"]["probe"]
                self._windows, self._dead_s = tuple(probe["windows"]), float(probe["dead_s"])
                self._view = view
            if where.records:
                self._look(where, self._view.some(_ARRAYS))
        except ScandaqError as why:  # no readout yet, or none any more
            self.failures += 1
            _LOG.debug("no figures of the probe from %s: %s", where.control, why)

    def _look(self, where: Where, figures: Mapping[str, Any]) -> None:
        now = Counted(tuple(figures["probe_counts"][0].tolist()), float(figures["probe_seconds"][0]))
        step = self._steps.get(where.step)
        if step is None:
            self._steps[where.step] = _Step(where.name, where.role, now, now.since(now))
        else:
            step.counted = now.since(step.begin)

    def _step(self, number: int, at: int, rate: Rate, above: Net) -> dict[str, Any]:
        step = self._steps[number]
        return {
            "number": number, "name": step.name, "role": step.role, "counts": step.counted.counts[at],
            "seconds": step.counted.seconds, "rate_per_s": rate.per_s, "rate_error_per_s": rate.error_per_s,
            "net_per_s": above.per_s, "net_error_per_s": above.error_per_s,
        }  # fmt: skip

    def _of_role(self, rates: Mapping[int, Rate], role: str) -> Rate | None:
        return next((rate for number, rate in rates.items() if self._steps[number].role == role), None)

    def _rule(self, nets: Mapping[int, Net], background: Rate | None) -> dict[str, Any] | None:
        """Return what the 10 % rule says; None before a node was measured ex vivo, above a background, and the bed."""
        by_role = {role: [n for n in nets if self._steps[n].role == role] for role in ("ex_vivo", "bed")}
        nodes = [Node(self._steps[n].name, nets[n].per_s) for n in by_role["ex_vivo"] if nets[n].per_s > 0]
        if not nodes or background is None:
            return None
        bed = nets[by_role["bed"][-1]].per_s if by_role["bed"] else None
        found = ten_percent(nodes, 0.0 if bed is None else bed)
        return {
            "hottest": found.hottest.name, "hottest_per_s": found.hottest.ex_vivo_per_s, "bed_per_s": bed,
            "limit_per_s": found.limit_per_s, "sentinel": [node.name for node in found.sentinel],
            "go_on": None if bed is None else found.go_on,
        }  # fmt: skip


def _rate(counted: Counted, at: int, dead_s: float) -> Rate:
    if not counted.seconds > 0:
        return NO_RATE
    every = rate_of(counted.counts[-1], counted.seconds)
    return corrected(rate_of(counted.counts[at], counted.seconds), dead_s, every_per_s=every.per_s)
