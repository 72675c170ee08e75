"""The words of a body before heads that move: made when a stretch of time has passed, or all by a file of movements."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from daq.errors import UsageError
from simulators.camera.generate import Photons, Simulation
from simulators.camera.heart import Ecg, Heart
from simulators.camera.model import Scene
from simulators.camera.response import Reported, report
from simulators.camera.setting import Set
from simulators.camera.supply import scene_as_json
from simulators.camera.words import HeadWords
from simulators.events import preamble_of
from simulators.options import MAX_SOURCE
from simulators.supply import Chunk, Instrument

SLICE_S = 0.02
"""How much time passes before its events are made."""
LONGEST_SLICE_S = 0.25
"""Of one that makes up for time that was lost, when making events takes longer than they do."""
TOO_LATE_S = 1.0
NEVER_KEPT = 1 << 62
"""Said to be the size of a run, so that nobody makes its words before it begins."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What is scanned. `live`: axes go as they are told while it happens, and events are made as time passes."""

    scene: Scene
    set: Set
    seed: int
    live: bool
    ecg: Ecg | None = None
    beats: Path | None = None


class _Run:
    """A scan while it happens."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.heart = Heart(scan.ecg, scan.seed, scan.beats) if scan.ecg else None
        self.simulation = Simulation(scan.scene, scan.seed, replace(scan.set, heart=self.heart))
        self.begin_ns = 0

    def close(self) -> None:
        """End what it writes."""
        if self.heart:
            self.heart.close()


class BodySupply:
    """The words of a `Scan`. `front_ends`: the numbers of the heads that each of them reads out.

    `behind_s`: of a live one, by how much events were later than they should be, at worst; slices are 20 ms long.
    """

    tail = b""

    def __init__(
        self, device: Instrument, scan: Scan, *, front_ends: tuple[tuple[int, ...], ...], first_source: int = 0,
        clock_ns: Callable[[], int] = time.monotonic_ns, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        if first_source + len(front_ends) - 1 > MAX_SOURCE:
            raise UsageError(f"{len(front_ends)} sources from number {first_source} on; the highest is {MAX_SOURCE}")
        if scan.seed < 0:
            raise UsageError(f"--seed {scan.seed}: must be zero or more")
        self.layout, self.clock = device.layout, device.clock
        self.sources = tuple(range(first_source, first_source + len(front_ends)))
        self.preamble = preamble_of(self.layout)
        self.size_bytes = NEVER_KEPT
        self.behind_s = 0.0
        self._device, self._scan, self._front_ends = device, scan, front_ends
        self._clock_ns, self._sleep = clock_ns, sleep
        self._run: _Run | None = None
        self._next: _Run | None = None
        Simulation(scan.scene, scan.seed, scan.set)  # what cannot be simulated is refused before anything is served

    def show(self, scan: Scan) -> None:
        """Have another scan before the heads, from the next slice on; of a live supply. Time and counters go on.

        Raises `UsageError` where it cannot be simulated; then the one before stays.
        """
        made = _Run(scan)
        self._scan = scan
        if self._run is not None:
            made.simulation.begin(self._run.begin_ns)
            made.begin_ns = self._run.begin_ns
            self._next = made

    def slices(self) -> Iterator[list[Chunk]]:
        """Yield the words of all sources, a stretch of time after the other."""
        makers = [HeadWords(self._device, heads) for heads in self._front_ends]
        for photons, reported, triggers in self._stretches():
            words = [maker.encode(photons, reported, 0) for maker in makers[1:]]
            words.insert(0, makers[0].encode(photons, reported, 0, triggers))
            yield [Chunk(source, part) for source, part in zip(self.sources, words, strict=True)]

    def photons(self) -> Iterator[tuple[Photons, Reported]]:
        """Yield what is sent, with the truth about it; of one that is not live."""
        for photons, reported, _ in self._stretches():
            yield photons, reported

    def described(self) -> dict[str, Any]:
        """Return the parameters that give the same words again, and how they are made."""
        scan = self._scan
        return {
            "seed": scan.seed,
            "seconds": scan.scene.seconds,
            "events_are_made": "as time passes" if scan.live else "while they are sent",
            "front_ends": [list(heads) for heads in self._front_ends],
            "scene": scene_as_json(scan.scene),
            "body": _as_json(scan.set),
            "ecg": {name: getattr(scan.ecg, name) for name in scan.ecg.__slots__} if scan.ecg else None,
            "motion": {"told": scan.set.axes.told, "wrong": scan.set.axes.wrong},
            "behind_ms": self.behind_s * 1e3 if scan.live else None,
        }

    def _stretches(self) -> Iterator[tuple[Photons, Reported, Any]]:
        scan = self._scan
        run = self._run = _Run(scan)
        self._next = None
        noise = np.random.default_rng([scan.seed, 2, *(head.number for head in scan.scene.heads)])
        run.begin_ns = run.simulation.begin(self._clock_ns()) if scan.live else 0
        stretches = self._passing(run.begin_ns) if scan.live else run.simulation.stretches()
        end_ps = round(scan.scene.seconds * 1e12)
        try:
            for begin_ps, stop_ps in stretches:
                run = self._present(run)
                photons = run.simulation.between(begin_ps, stop_ps, last=stop_ps == end_ps)
                triggers = run.heart.triggers(begin_ps, stop_ps) if run.heart else None
                yield photons, report(photons, run.scan.scene.heads, noise), triggers
        finally:
            self._run = None
            run.close()

    def _present(self, run: _Run) -> _Run:
        """Return what is before the heads now."""
        wanted, self._next = self._next, None
        if wanted is None:
            return run
        run.close()
        self._run = wanted
        return wanted

    def _passing(self, begin_ns: int) -> Iterator[tuple[int, int]]:
        """Yield stretches of time as they have passed; longer ones where the last one was late."""
        at_ps, end_ps = 0, round(self._scan.scene.seconds * 1e12)
        while at_ps < end_ps:
            due_ns = begin_ns + at_ps // 1000 + round(SLICE_S * 1e9)
            while (left_ns := due_ns - self._clock_ns()) > 0:
                self._sleep(left_ns / 1e9)
            self._late(-left_ns / 1e9)
            passed_ps = min((self._clock_ns() - begin_ns) * 1000, at_ps + round(LONGEST_SLICE_S * 1e12), end_ps)
            yield at_ps, passed_ps
            at_ps = passed_ps

    def _late(self, by_s: float) -> None:
        """Note by how much events are late, and say so once where a run suffers from it."""
        if self.behind_s < TOO_LATE_S <= by_s:
            print(  # noqa: T201 - where a simulator says what is wrong
                f"simulators: events are {by_s:.1f} s late: this computer is too slow, or too busy, for so many",
                file=sys.stderr, flush=True,
            )  # fmt: skip
        self.behind_s = max(self.behind_s, by_s)


def _as_json(scene: Set) -> dict[str, Any]:
    """Return what is known of a body and how it lies."""
    return {
        "name": scene.body.name, "mbq": scene.mbq, "after_s": scene.after_s, "times": scene.times,
        "orders": scene.orders, "orientation": str(scene.lies.orientation), "bed_zero_mm": scene.lies.bed_zero_mm,
        "lead_mm": scene.lead_mm(), "start": scene.start,
        "moves": [{"at_s": move.at_s, "by_mm": list(move.by_mm)} for move in scene.lies.moves],
        "organs": [{"number": number, "name": one.name, "nuclide": one.nuclide, "share": one.share(scene.after_s)}
                   for number, one in enumerate(scene.body.organs)],
    }  # fmt: skip
