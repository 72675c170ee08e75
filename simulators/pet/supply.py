"""The words of a simulated scan: made while they are sent, or once for a loop that is sent again and again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from daq.errors import RefusedError, UsageError
from simulators.events import preamble_of
from simulators.looping import Looping
from simulators.options import MAX_SOURCE
from simulators.pet.generate import Photons, blocks, generate
from simulators.pet.model import Scan
from simulators.pet.words import Repeater, SourceWords, single_of, unit_ps
from simulators.supply import Chunk, Instrument

LEAD_PS = 1_000_000
"""How much later than in the simulation everything is on the wire: before the first decay times may be below zero."""
PILOT_DECAYS = 20_000


class PetSupply(Looping):
    """The words of `sources` front ends that share the modules of a ring, the same ones for the same seed."""

    preamble: bytes
    tail = b""

    def __init__(
        self,
        device: Instrument,
        scan: Scan,
        *,
        seed: int,
        sources: int = 1,
        first_source: int = 0,
        loop_s: float | None = None,
        kev_per_adc: float = 0.5,
    ) -> None:
        if first_source + sources - 1 > MAX_SOURCE:
            raise UsageError(f"{sources} sources from number {first_source} on; the highest number is {MAX_SOURCE}")
        if seed < 0:
            raise UsageError(f"--seed {seed}: must be zero or more")
        self.layout, self.clock = device.layout, device.clock
        self.sources = tuple(range(first_source, first_source + sources))
        self.preamble = preamble_of(self.layout)
        self._device, self._scan, self._seed, self._kev_per_adc = device, scan, seed, kev_per_adc
        self._single = single_of(device, scan.ring)
        super().__init__()
        per_s = self._pilot_bytes_per_s()
        self.size_bytes = math.ceil(per_s * scan.seconds)
        if loop_s is not None:
            self._prepare_loop(loop_s, per_s)

    def slices(self) -> Iterator[list[Chunk]]:
        """Yield the words of all sources, a stretch of time after the other."""
        if not self._loop:
            makers = self._makers()
            for photons in blocks(self._scan, self._seed):
                yield [
                    Chunk(source, maker.encode(maker.owned(photons), LEAD_PS))
                    for source, maker in zip(self.sources, makers, strict=True)
                ]
            return
        yield from self._repeated()

    def photons(self) -> Iterator[Photons]:
        """Yield the singles that are sent, with the truth about them; of a loop those of one repetition."""
        if self._loop:
            yield self._loop_singles()
            return
        for part in blocks(self._scan, self._seed):
            yield replace(part, time_ps=part.time_ps + LEAD_PS, true_time_ps=part.true_time_ps + LEAD_PS)

    def described(self) -> dict[str, Any]:
        """Return the parameters that give the same words again, and how they are made."""
        return {
            "seed": self._seed,
            "seconds": self._scan.seconds,
            "singles_are_made": self._how_made(),
            "loop_ps": self.loop_ps or None,
            "repetitions": self.repetitions,
            "lead_ps": 0 if self._loop else LEAD_PS,
            "kev_per_adc": self._kev_per_adc,
            "scan": scan_as_json(self._scan),
        }

    def _makers(self) -> list[SourceWords]:
        return [
            SourceWords(
                self._device, self._scan.ring, self._single, number=number, of=len(self.sources),
                kev_per_adc=self._kev_per_adc,
            )
            for number in range(len(self.sources))
        ]  # fmt: skip

    def _pilot_bytes_per_s(self) -> float:
        """Return about how many bytes of words a second has, from its first decays."""
        scan = replace(self._scan, seconds=min(self._scan.seconds, self._pilot_seconds()))
        return len(generate(scan, self._seed)) / scan.seconds * self.layout.word_bytes

    def _pilot_seconds(self) -> float:
        per_s = sum(source.activity_bq for source in self._scan.sources)
        per_s += self._scan.detectors.lutetium_bq * self._scan.ring.rings * self._scan.ring.detectors_per_ring
        return PILOT_DECAYS / per_s if per_s else math.inf

    def _prepare_loop(self, loop_s: float, bytes_per_s: float) -> None:
        """Make the singles of a loop and the words that all repetitions share."""
        unit = unit_ps(self._device)
        counts = max(round(loop_s * 1e12 / unit), 1)
        self.loop_ps = round(counts * unit)
        if self.loop_ps != counts * unit:
            raise RefusedError(
                f"--loop: time words of profile {self._device.profile} count {float(unit)} ps, no whole number"
            )
        self._repeat(self._scan.seconds, loop_s, bytes_per_s)
        singles = self._loop_singles()
        self._loop = [Repeater(self._device, maker, maker.owned(singles), self.loop_ps) for maker in self._makers()]
        self.size_bytes = self._loop_bytes()

    def _loop_singles(self) -> Photons:
        """Return the singles of one repetition: what ends after the loop comes at the beginning of the next."""
        photons = generate(replace(self._scan, seconds=self.loop_ps / 1e12), self._seed)
        folded = replace(photons, time_ps=photons.time_ps % self.loop_ps)
        return folded.rows(np.argsort(folded.time_ps, kind="stable"))


def scan_as_json(scan: Scan) -> dict[str, Any]:
    """Return all that a scan is made of, as JSON takes it."""
    return {
        "ring": scan.ring.model_dump(mode="json"),
        "sources": [asdict(source) | {"shape": source.shape.name.lower()} for source in scan.sources],
        "detectors": asdict(scan.detectors),
        "medium": asdict(scan.medium) if scan.medium else None,
        "scatter_fraction": scan.scatter_fraction,
        "scatter_floor_kev": scan.scatter_floor_kev,
        "start_s": scan.start_s,
    }
