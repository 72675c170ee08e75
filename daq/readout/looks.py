"""Live figures: rates, energies, detectors, and those of rings and heads. They are for looking, never for measuring.

Where the readout has no time to look at some rows it skips them, and counts what it skipped. Counts and rates per
source and kind come from the decoder and are always complete. One thread, the processing one, calls all of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.events import StreamName
from daq.pipeline.stages import Streams
from daq.readout.cameralooks import CameraLooks
from daq.readout.lookdeclaration import LOOKED, Declaration
from daq.readout.lookkernels import add_codes, add_detectors, add_energies
from daq.readout.pairlooks import RingLooks
from daq.readout.probelooks import ProbeLooks
from daq.readout.ratesamples import Counts, RateSamples
from daq.readout.snapshotformat import ArraySpec, array

GROUP = "looks"

_LOOKED_AT: tuple[StreamName, ...] = ("singles", "coincidences")


class Looks:
    """The live figures of one acquisition, accumulated from its start. What it counts does not depend on how rows were
    cut into calls; rates depend on when they are asked for.
    """  # noqa: D205

    def __init__(self, declaration: Declaration, *, now_ns: int) -> None:
        """Begin with nothing seen at the host monotonic time `now_ns`."""
        self.declaration = declaration
        self._counts: Counts = np.zeros((0, len(declaration.counters)), np.int64)
        self._latest_ps = 0
        self._rows = dict.fromkeys(LOOKED[:4], 0)
        energy, detectors = declaration.energy, declaration.detectors
        self._energy = np.zeros(energy.axis.bins + 3 if energy else 0, np.uint64)
        self._detectors = np.zeros(detectors.bins + 1 if detectors else 0, np.uint64)
        self._ring = RingLooks(declaration.ring, GROUP) if declaration.ring else None
        self.camera = CameraLooks(declaration.camera, GROUP, now_ns=now_ns) if declaration.camera else None
        self._probe = ProbeLooks(declaration.probe, GROUP) if declaration.probe else None
        self._rates = RateSamples(now_ns, self._folded())

    def specs(self) -> list[ArraySpec]:
        """Return the arrays of the snapshot's group."""
        declaration = self.declaration
        rows = (declaration.source_rows + 1, len(declaration.counters))
        specs = [
            array("counts", GROUP, "u8", *rows),
            array("rates_per_s", GROUP, "f8", *rows),
            array("rate_window_s", GROUP, "f8", 1),
            array("latest_ps", GROUP, "i8", 1),
            array("looked", GROUP, "u8", len(LOOKED)),
        ]
        if declaration.energy:
            specs.append(array("energy", GROUP, "u8", declaration.energy.axis.bins))
        if declaration.detectors:
            specs.append(array("detectors", GROUP, "u8", declaration.detectors.bins))
        more = (one.specs() for one in (self._ring, self.camera, self._probe) if one)
        return [*specs, *(spec for specs in more for spec in specs)]

    def begin(self, now_ns: int, before: Looks | None) -> None:
        """Begin to look at `now_ns`: rates are since then. Pictures fade on from those of `before`, if it has any."""
        self._rates = RateSamples(now_ns, self._folded())
        if self.camera:
            self.camera.begin_rates(now_ns)
        if self.camera and before and before.camera:
            self.camera.fades_from(before.camera)

    def see(self, streams: Streams, counts: Counts, latest_ps: int) -> None:
        """Take in the rows of a slice; `counts` are the decoder's, int64 [sources, counters], `latest_ps` its time."""
        self._note(streams, counts, latest_ps, "seen")
        if _rows(streams, "singles"):
            self._see_singles(streams["singles"])
        look = self.declaration.detectors
        if look and _rows(streams, look.stream):
            for name in look.columns:
                add_detectors(streams[look.stream][name], look.fold.bit_length() - 1, self._detectors)
        if self._ring:
            self._ring.see(streams)
        if self.camera:
            self.camera.see(streams)
        if self._probe:
            self._probe.see(streams, latest_ps)

    def skip(self, streams: Streams, counts: Counts, latest_ps: int) -> None:
        """Do not look at these rows, and count that. Counts and rates stay complete."""
        self._note(streams, counts, latest_ps, "skipped")
        if self.camera:
            self.camera.skip(streams)
        if self._probe:
            self._probe.see(streams, latest_ps)  # a poll at a time: nothing is gained by skipping it

    def arrays(self, now_ns: int) -> dict[str, npt.NDArray[Any]]:
        """Return all figures, some as views, to be published now; `now_ns` is host monotonic time.

        Rates are per second of host time, over the second before `now_ns`, of which this takes a sample: call it ten
        or twenty times a second, also when nothing comes. They are NaN, over a window of 0 s, until time has passed.
        """
        folded = self._folded()
        rates, window_s = self._rates.over_last_second(now_ns, folded)
        looked = self.looked()
        arrays: dict[str, npt.NDArray[Any]] = {
            "counts": folded.astype(np.uint64),
            "rates_per_s": rates,
            "rate_window_s": np.array([window_s]),
            "latest_ps": np.array([self._latest_ps], np.int64),
            "looked": np.array([looked[name] for name in LOOKED], np.uint64),
        }
        if self.declaration.energy:
            arrays["energy"] = self._energy[1:-2]
        if self.declaration.detectors:
            arrays["detectors"] = self._detectors[:-1]
        if self._probe:
            arrays |= self._probe.arrays()
        ring, camera = self._ring, self.camera
        return {**arrays, **(ring.arrays() if ring else {}), **(camera.arrays(now_ns) if camera else {})}

    def looked(self) -> dict[str, int]:
        """Return how many rows were seen and skipped, and how many of the seen fell outside a figure's range."""
        energy = [int(self._energy[at]) for at in (0, -2, -1)] if len(self._energy) else [0, 0, 0]
        beyond = int(self._detectors[-1]) if len(self._detectors) else 0
        camera = self.camera.beyond() if self.camera else dict.fromkeys(LOOKED[-5:-3], 0)
        ring = self._ring.beyond() if self._ring else dict.fromkeys(LOOKED[-3:], 0)
        apart = (len(self._counts), *energy, beyond, *camera.values(), *ring.values())
        return self._rows | dict(zip(LOOKED[4:], apart, strict=True))

    def _note(self, streams: Streams, counts: Counts, latest_ps: int, what: str) -> None:
        self._counts = counts
        self._latest_ps = latest_ps
        for stream in _LOOKED_AT:
            self._rows[f"{stream}_{what}"] += _rows(streams, stream)

    def _see_singles(self, singles: Mapping[str, npt.NDArray[Any]]) -> None:
        energy = self.declaration.energy
        if energy and energy.column == "energy_kev":
            add_energies(singles["energy_kev"], energy.axis.low, energy.axis.per_unit, self._energy)
        elif energy:
            add_codes(singles["energy_adc"], energy.shift, self._energy)

    def _folded(self) -> Counts:
        """Return the counts of the sources that have a row of their own, and of all others together."""
        rows = self.declaration.source_rows
        folded = np.zeros((rows + 1, len(self.declaration.counters)), np.int64)
        own = self._counts[:rows]
        folded[: len(own)] = own
        folded[rows] = self._counts[rows:].sum(axis=0)
        return folded


def _rows(streams: Streams, stream: StreamName) -> int:
    return len(streams.get(stream, {}).get("time_ps", ()))
