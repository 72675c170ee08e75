"""The words of a simulated scene: made while they are sent, or once for a loop that is sent again and again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from daq.errors import RefusedError, UsageError
from simulators.camera.generate import Photons, Simulation, generate
from simulators.camera.model import Field, Scene, Source
from simulators.camera.response import Reported, report
from simulators.camera.words import HeadWords, Repeater
from simulators.events import preamble_of
from simulators.looping import Looping
from simulators.options import MAX_SOURCE
from simulators.supply import Chunk, Instrument

PILOT_PHOTONS = 20_000
PILOT_SECONDS = 1e-3


class CameraSupply(Looping):
    """The words of the front ends of a camera's heads, the same ones for the same seed.

    `front_ends`: the numbers of the heads that each of them reads out.
    """

    preamble: bytes
    tail = b""

    def __init__(
        self,
        device: Instrument,
        scene: Scene,
        *,
        seed: int,
        front_ends: tuple[tuple[int, ...], ...],
        first_source: int = 0,
        loop_s: float | None = None,
    ) -> None:
        if first_source + len(front_ends) - 1 > MAX_SOURCE:
            raise UsageError(f"{len(front_ends)} sources from number {first_source} on; the highest is {MAX_SOURCE}")
        if seed < 0:
            raise UsageError(f"--seed {seed}: must be zero or more")
        self.layout, self.clock = device.layout, device.clock
        self.sources = tuple(range(first_source, first_source + len(front_ends)))
        self.preamble = preamble_of(self.layout)
        self._device, self._scene, self._seed, self._front_ends = device, scene, seed, front_ends
        super().__init__()
        per_s = self._pilot_bytes_per_s()
        self.size_bytes = math.ceil(per_s * scene.seconds)
        if loop_s is not None:
            self._prepare_loop(loop_s, per_s)

    def slices(self) -> Iterator[list[Chunk]]:
        """Yield the words of all sources, a stretch of time after the other."""
        if self._loop:
            yield from self._repeated()
            return
        makers = [HeadWords(self._device, heads) for heads in self._front_ends]
        for photons, reported in self._reported():
            yield [
                Chunk(source, maker.encode(photons, reported, 0))
                for source, maker in zip(self.sources, makers, strict=True)
            ]

    def photons(self) -> Iterator[tuple[Photons, Reported]]:
        """Yield what is sent, with the truth about it; of a loop that of one repetition."""
        if self._loop:
            yield self._loop_events()
            return
        yield from self._reported()

    def described(self) -> dict[str, Any]:
        """Return the parameters that give the same words again, and how they are made."""
        return {
            "seed": self._seed,
            "seconds": self._scene.seconds,
            "events_are_made": self._how_made(),
            "loop_ps": self.loop_ps or None,
            "repetitions": self.repetitions,
            "front_ends": [list(heads) for heads in self._front_ends],
            "scene": scene_as_json(self._scene),
        }

    def _reported(self) -> Iterator[tuple[Photons, Reported]]:
        noise = self._noise()
        for photons in Simulation(self._scene, self._seed).blocks():
            yield photons, report(photons, self._scene.heads, noise)

    def _noise(self) -> np.random.Generator:
        """Return random numbers for what heads report, apart from those of the photons."""
        return np.random.default_rng([self._seed, 2, *(head.number for head in self._scene.heads)])

    def _pilot_bytes_per_s(self) -> float:
        """Return about how many bytes of words a second has, from its beginning."""
        tried_s, whole_s = PILOT_SECONDS, self._scene.seconds
        while True:
            tried_s = min(2 * tried_s, whole_s)
            counted = len(generate(replace(self._scene, seconds=tried_s), self._seed))
            if counted >= PILOT_PHOTONS or tried_s == whole_s:
                return counted / tried_s * self.layout.word_bytes

    def _prepare_loop(self, loop_s: float, bytes_per_s: float) -> None:
        """Make the events of a loop and the words that all repetitions share."""
        ticks = max(round(loop_s * 1e12 / self.clock.tick), 1)
        self.loop_ps = round(ticks * self.clock.tick)
        if self.loop_ps != ticks * self.clock.tick:
            raise RefusedError(f"--loop {loop_s:g}: no whole number of ps for ticks of {float(self.clock.tick)} ps")
        self._repeat(self._scene.seconds, loop_s, bytes_per_s)
        photons, reported = self._loop_events()
        self._loop = [
            Repeater(self._device, HeadWords(self._device, heads).encode(photons, reported, 0), ticks)
            for heads in self._front_ends
        ]
        self.size_bytes = self._loop_bytes()

    def _loop_events(self) -> tuple[Photons, Reported]:
        photons = generate(replace(self._scene, seconds=self.loop_ps / 1e12), self._seed)
        return photons, report(photons, self._scene.heads, self._noise())


def scene_as_json(scene: Scene) -> dict[str, Any]:
    """Return all that a scene is made of, as JSON takes it."""
    return {
        "heads": [
            {
                "number": head.number,
                "angle_deg": head.angle_deg,
                "radius_mm": head.radius_mm,
                "response": asdict(head.response),
                "crystal": head.crystal.model_dump(mode="json"),
                "collimator": head.collimator.model_dump(mode="json") if head.collimator else None,
            }
            for head in scene.heads
        ],
        "sources": [_source_as_json(source) for source in scene.sources],
        "medium": asdict(scene.medium) if scene.medium else None,
        "electronics": asdict(scene.electronics),
        "orders": scene.orders,
        "start_s": scene.start_s,
    }


def _source_as_json(source: Source | Field) -> dict[str, Any]:
    """Return a source with the names of its shape or mask, not their codes."""
    if isinstance(source, Source):
        return {"kind": "source", **asdict(source), "shape": source.shape.name.lower()}
    return {"kind": "field", **asdict(source), "mask": asdict(source.mask) | {"kind": source.mask.kind.name.lower()}}
