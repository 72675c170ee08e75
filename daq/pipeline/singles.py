"""Singles between decoding and order, in one pass: calibrated, put into windows, chosen, counted per module.

It works through runs of words, a packet's each, while their rows are in the cache. Those that neither are stored nor
can pair go no further: that is what makes room for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import float32, int64, types, uint8, uint16, uint32, uint64

from daq.errors import RefusedError
from daq.model.kernel import kernel
from daq.model.processing import Processing
from daq.model.scanner import modules
from daq.pipeline.calibrating import Tables, calibrate_rows
from daq.pipeline.windowing import bounds_of, window_rows

Columns = dict[str, npt.NDArray[Any]]
Ints = npt.NDArray[np.int64]

_ALL = 0
"""Mask of a pass that chooses every single."""
MOST_MODULES = 0xFFFF
_LANES = 4
"""Counters of a module, used in turn: neighbours are often of one module, and would wait for each other's sum."""


@dataclass(frozen=True, slots=True, eq=False)
class SinglesPassed:
    """Singles of a call. `every`: all, calibrated; `chosen`: those that go on, `ends` of them after each run.

    `in_modules` int64 [cuts, modules + 1]: singles per module from cut to cut; in the last place those that no
    module has.
    """

    every: Columns
    chosen: Columns
    ends: Ints
    in_modules: Ints


class SinglesPass:
    """What singles go through, and the counts over all of them. One thread uses it."""

    def __init__(self, processing: Processing, *, reuse: bool = True) -> None:
        """Work out tables; raise `RefusedError` for a calibration that cannot be held.

        `reuse`: rows are good until the next call only, for they come in the same memory again and again.
        """
        self._tables = Tables.of(processing.calibration)
        self._windows = processing.window_set
        self._bounds = bounds_of(self._windows)
        self._mask = wanted_mask(processing)
        self._module_of = _modules(processing)
        highest = int(self._module_of.max(initial=0))
        self._in_module: Ints = np.zeros(highest + 1 if len(self._module_of) else 0, np.int64)
        self._inside = np.zeros(len(self._bounds), np.int64)
        self._excluded: Ints = np.zeros(0, np.int64)
        self._uncalibrated = 0
        self._seen = 0
        self._room = _Room(reuse=reuse)

    @property
    def excluded(self) -> Ints:
        """Return the singles that were not chosen, by source number."""
        return self._excluded

    @property
    def counts(self) -> dict[str, Any]:
        """Return what was counted, as plain data."""
        inside = {window.name: int(count) for window, count in zip(self._windows.windows, self._inside, strict=True)}
        return {
            "singles": self._seen, "windows": inside, "excluded": int(self._excluded.sum()),
            "uncalibrated": self._uncalibrated,
        }  # fmt: skip

    def __call__(
        self, singles: Mapping[str, npt.NDArray[Any]], ends: Ints, sources: npt.NDArray[np.uint16], cuts: Ints
    ) -> SinglesPassed:
        """Return the singles after calibration and windows; `ends` are the rows after each run, `sources` of each.

        `cuts` are runs before which the singles per module are counted. Times are corrected in place.
        """
        rows = len(singles["time_ps"])
        self._seen += rows
        self._know(sources)
        every = self._room.every(rows)
        chosen = self._room.chosen(rows if self._mask != _ALL else 0)
        energies = singles["energy_adc"] if "energy_adc" in singles else singles["energy_kev"]
        after = np.empty(len(ends), np.int64)
        lanes = np.zeros((len(cuts) + 1, len(self._in_module), _LANES), np.int64)
        lanes[0, :, 0] = self._in_module
        kept, unnamed = _pass(
            singles["time_ps"], _detectors(singles), energies, np.ascontiguousarray(ends),
            np.ascontiguousarray(sources), self._tables.offset_ps, self._tables.pedestal, self._tables.gain,
            self._tables.is_named, self._bounds, uint16(self._mask), self._module_of, self._inside, self._excluded,
            lanes, np.ascontiguousarray(cuts, np.int64), every["energy_kev"], every["windows"],
            chosen["time_ps"], chosen["detector"], chosen["energy_kev"], chosen["windows"], after,
        )  # fmt: skip
        self._uncalibrated += int(unnamed)
        in_modules = lanes.sum(axis=2)
        self._in_module = in_modules[-1]
        return self._passed(singles, every, chosen, int(kept), after, in_modules[:-1])

    def take_modules(self) -> Ints:
        """Return the singles per module [modules + 1] since the last cut, and begin anew."""
        taken, self._in_module = self._in_module, np.zeros_like(self._in_module)
        return taken

    def _passed(
        self, singles: Any, every: Columns, chosen: Columns, kept: int, after: Ints, in_modules: Ints
    ) -> SinglesPassed:
        fresh = {"energy_kev": every["energy_kev"]} | ({"windows": every["windows"]} if len(self._bounds) else {})
        others = {name: values for name, values in singles.items() if name not in ("energy_adc", "energy_kev")}
        whole = {**others, **fresh}
        if self._mask == _ALL:
            return SinglesPassed(whole, whole, after, in_modules)
        go_on = {name: chosen[name][:kept] for name in whole if name in chosen}
        others_too = [name for name in whole if name not in chosen]
        if others_too:
            wanted = (every["windows"] & np.uint16(self._mask)) != 0
            go_on |= {name: whole[name][wanted] for name in others_too}
        return SinglesPassed(whole, go_on, after, in_modules)

    def _know(self, sources: npt.NDArray[np.uint16]) -> None:
        missing = int(sources.max()) + 1 - len(self._excluded) if len(sources) else 0
        if missing > 0:
            self._excluded = np.concatenate([self._excluded, np.zeros(missing, np.int64)])


def wanted_mask(processing: Processing) -> int:
    """Return the bits of the windows of which a single must have one to go on; 0: every single goes on.

    Where singles are stored `windowed` those of any window go on; where none are stored, those that can pair.
    """
    every = (1 << len(processing.windows)) - 1
    if processing.singles == "all":
        return _ALL
    if processing.singles == "windowed":
        return every
    return processing.pairing_mask if processing.pairing else every


class _Room:
    """Memory that grows with the longest call, or is made anew for each."""

    def __init__(self, *, reuse: bool) -> None:
        self._reuse = reuse
        self._every = self._chosen = _empty()

    def every(self, rows: int) -> Columns:
        """Return room for energies and windows of all singles."""
        if rows > len(self._every["windows"]) or not self._reuse:
            self._every = _empty(2 * rows if self._reuse else rows)
        return {name: self._every[name][:rows] for name in ("energy_kev", "windows")}

    def chosen(self, rows: int) -> Columns:
        """Return room for the columns of those chosen, one row more for what is written and not kept."""
        if rows >= len(self._chosen["windows"]) or not self._reuse:
            self._chosen = _empty(2 * rows + 1 if self._reuse else rows + 1)
        return self._chosen


def _empty(rows: int = 0) -> Columns:
    kinds = {"time_ps": np.int64, "detector": np.uint32, "energy_kev": np.float32, "windows": np.uint16}
    return {name: np.empty(rows, kind) for name, kind in kinds.items()}


def _detectors(singles: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint32]:
    """Return the detectors; zeros where there is one only."""
    found = singles.get("detector")
    return np.zeros(len(singles["time_ps"]), np.uint32) if found is None else found


def _modules(processing: Processing) -> npt.NDArray[np.uint16]:
    """Return the module of each detector number, one entry more for all numbers above; empty without a ring.

    A number that is none of the ring's has the module after the last.
    """
    ring = processing.modules_of
    if ring is None:
        return np.empty(0, np.uint16)
    layer, rings, crystal = np.meshgrid(
        np.arange(ring.layers), np.arange(ring.rings), np.arange(ring.detectors_per_ring), indexing="ij"
    )
    numbers = (layer * ring.layer_step + rings * ring.ring_step + crystal).ravel().astype(np.uint32)
    module = modules(ring, numbers)
    if int(module.max()) >= MOST_MODULES:
        raise RefusedError(f"the ring has {int(module.max()) + 1} modules; at most {MOST_MODULES} can be counted")
    found = np.full(ring.highest_detector + 2, int(module.max()) + 1, np.uint16)
    found[numbers] = module
    return found


def _signatures() -> list[Any]:
    """Return the signatures for energies as codes and as what a layout scaled."""
    plain: Any = types.Array
    return [
        types.UniTuple(int64, 2)(  # type: ignore[no-untyped-call]
            int64[::1], uint32[::1], kind[::1], int64[::1], plain(uint16, 1, "C", readonly=True),
            int64[::1], float32[::1], float32[::1], uint8[::1], float32[:, ::1], uint16, uint16[::1], int64[::1],
            int64[::1], int64[:, :, ::1], int64[::1], float32[::1], uint16[::1], int64[::1], uint32[::1], float32[::1],
            uint16[::1],
            int64[::1],
        )
        for kind in (uint16, float32)
    ]  # fmt: skip


@kernel(*_signatures())
def _pass(
    times: Any, detectors: Any, energies: Any, ends: Any, sources: Any, offsets: Any, pedestals: Any, gains: Any,
    is_named: Any, bounds: Any, mask: Any, module_of: Any, inside: Any, excluded: Any, lanes: Any, cuts: Any,
    kev: Any, bits: Any, kept_times: Any, kept_detectors: Any, kept_kev: Any, kept_bits: Any, after: Any,
) -> Any:  # fmt: skip
    """Calibrate, window, count and choose, run by run; return how many were chosen and how many no table names."""
    begin, kept, unnamed, cut = 0, 0, 0, 0
    for run in range(len(ends)):
        end = ends[run]
        unnamed += calibrate_rows(begin, end, times, detectors, energies, offsets, pedestals, gains, is_named, kev)
        if len(bounds):
            window_rows(begin, end, kev, bounds, inside, bits)
        if len(module_of):
            while cut < len(cuts) and cuts[cut] <= run:
                cut += 1
            last, in_module = uint32(len(module_of) - 1), lanes[cut]
            for row in range(begin, end):
                module = module_of[uint64(min(detectors[uint64(row)], last))]
                in_module[uint64(module), uint64(row & (_LANES - 1))] += 1
        if mask:
            first = kept
            for row in range(begin, end):
                at, one = uint64(kept), uint64(row)
                kept_times[at], kept_detectors[at] = times[one], detectors[one]
                kept_kev[at], kept_bits[at] = kev[one], bits[one]
                kept += int64((bits[one] & mask) != 0)
            excluded[sources[run]] += end - begin - (kept - first)
        else:
            kept = end
        after[run] = kept
        begin = end
    return kept, unnamed
