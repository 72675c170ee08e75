"""Coincidences as PETSIRD writes them in a list: the two detection bins, the higher one first, and the TOF bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import float32, int32, int64, types, uint8, uint32

from daq.listmode.petsird_geometry import NO_BIN
from daq.model.events import DELAYED
from daq.model.geometry import LIGHT_MM_PER_PS
from daq.model.kernel import kernel, spliced

CHUNK_ROWS = 1 << 17
_MOST_BYTES = 15
"""Three numbers of 32 bits take at most five bytes each."""
LEFT_OUT = ("no crystal", "outside the energy window", "outside the time-of-flight bins")
"""Why a coincidence is not in the file, in the order of the counts of `Encoded.left_out`."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TofBins:
    """Equal bins of `width_ps`, an odd number of them, the middle one around a difference of 0."""

    width_ps: int
    number: int

    @classmethod
    def covering(cls, half_window_ps: int, width_ps: int) -> TofBins:
        """Return the bins that hold every difference of -`half_window_ps` to `half_window_ps`."""
        beside = -(-(2 * half_window_ps + 1 - width_ps) // (2 * width_ps))
        return cls(width_ps, 1 + 2 * max(0, beside))

    @property
    def edges_mm(self) -> npt.NDArray[np.float32]:
        """Return the edges along the line of response: (t1 - t2) c / 2."""
        edges_ps = (np.arange(self.number + 1) - self.number / 2) * self.width_ps
        return (edges_ps * (LIGHT_MM_PER_PS / 2)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class EventEncoder:
    """Encodes columns of coincidences.

    `bins` is `petsird_geometry.detection_bins`; `energy_edges_kev` float32 [n + 1] are equal bins.
    """

    bins: npt.NDArray[np.uint32]
    energy_edges_kev: npt.NDArray[np.float32]
    tof: TofBins

    def encode(self, columns: dict[str, npt.NDArray[Any]]) -> Encoded:
        """Encode the rows, best `CHUNK_ROWS` at a time.

        Columns: `detector_a`, `detector_b`, `kind`, and what there is of `tof_ps`, `energy_a_kev`, `energy_b_kev`.
        """
        rows = len(columns["kind"])
        prompts = np.empty(rows * _MOST_BYTES, np.uint8)
        delayeds = np.empty(rows * _MOST_BYTES, np.uint8)
        tof = columns.get("tof_ps", np.empty(0, np.int32))
        energies = [columns.get(name, np.empty(0, np.float32)) for name in ("energy_a_kev", "energy_b_kev")]
        counts = _encode(
            columns["detector_a"], columns["detector_b"], columns["kind"], tof, energies[0], energies[1],
            self.bins, self.energy_edges_kev, self.tof.width_ps, self.tof.number, prompts, delayeds,
        )  # fmt: skip
        sizes = counts.tolist()
        return Encoded(prompts[: sizes[0]], delayeds[: sizes[2]], sizes[1], sizes[3], tuple(sizes[4:]))


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Bytes of both lists, how many coincidences they hold, and how many were left out, by `LEFT_OUT`."""

    prompts: Bytes
    delayeds: Bytes
    prompt_number: int
    delayed_number: int
    left_out: tuple[int, ...]


@spliced
def _put(out: Any, at: Any, value: Any) -> Any:
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out[at] = (value & 0x7F) | 0x80
        value >>= 7
        at += 1
    out[at] = value
    return at + 1


@spliced
def _put_event(out: Any, at: Any, first: Any, second: Any, tof_bin: Any) -> Any:
    return _put(out, _put(out, _put(out, at, first), second), tof_bin)


@spliced
def _bin_of(bins: Any, detector: Any) -> Any:
    return int64(bins[detector]) if detector < len(bins) else int64(NO_BIN)


@spliced
def _energy_bin(edges: Any, energy: Any) -> Any:
    """Return the energy bin, -1 outside of all; an energy that is NaN is outside."""
    last = len(edges) - 1
    if not (edges[0] <= energy < edges[last]):
        return -1
    found = min(int((energy - edges[0]) / (edges[last] - edges[0]) * last), last - 1)
    while energy < edges[found]:
        found -= 1
    while energy >= edges[found + 1]:
        found += 1
    return found


@spliced
def _bins_of(bins: Any, edges: Any, row: Any, detectors: Any, energies: Any) -> Any:
    """Return both detection bins; below zero: -1 no crystal, -2 outside the energy window."""
    first, second = _bin_of(bins, detectors[0][row]), _bin_of(bins, detectors[1][row])
    if max(first, second) == NO_BIN:
        return -1, -1
    if len(energies[0]) == 0:
        return first, second
    at_a, at_b = _energy_bin(edges, energies[0][row]), _energy_bin(edges, energies[1][row])
    if min(at_a, at_b) < 0:
        return -2, -2
    return first + at_a, second + at_b


_U32 = types.Array(uint32, 1, "A", readonly=True)
_F32 = types.Array(float32, 1, "A", readonly=True)


@kernel(
    int64[::1](
        _U32, _U32, types.Array(uint8, 1, "A", readonly=True), types.Array(int32, 1, "A", readonly=True), _F32, _F32,
        types.Array(uint32, 1, "C", readonly=True), types.Array(float32, 1, "C", readonly=True),
        int64, int64, uint8[::1], uint8[::1],
    )
)  # fmt: skip
def _encode(
    detector_a: Any, detector_b: Any, kind: Any, tof_ps: Any, energy_a: Any, energy_b: Any,
    bins: Any, edges: Any, width: int, number: int, prompts: Any, delayeds: Any,
) -> Any:  # fmt: skip
    """Return bytes and number of prompts, of delayeds, and the counts of `LEFT_OUT`."""
    counts = np.zeros(7, np.int64)
    at_prompt, at_delayed = 0, 0
    for row in range(len(kind)):
        first, second = _bins_of(bins, edges, row, (detector_a, detector_b), (energy_a, energy_b))
        if first < 0:
            counts[3 - first] += 1
            continue
        apart = int64(tof_ps[row]) if len(tof_ps) else 0
        if first < second:
            first, second = second, first
        else:
            apart = -apart  # the first of the pair is `a`: t1 - t2 is the other way round than the column
        place = 2 * apart + number * width
        if place < 0 or place >= 2 * number * width:
            counts[6] += 1
            continue
        if kind[row] == DELAYED:
            at_delayed = _put_event(delayeds, at_delayed, first, second, place // (2 * width))
            counts[3] += 1
        else:
            at_prompt = _put_event(prompts, at_prompt, first, second, place // (2 * width))
            counts[1] += 1
    counts[0], counts[2] = at_prompt, at_delayed
    return counts
