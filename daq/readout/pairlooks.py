"""Live figures of a ring, accumulated from the start: they may skip rows under load, the file never does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.pipeline.stages import Streams
from daq.readout.pairdeclaration import RingLook, places_of
from daq.readout.pairlookkernels import add_lines, add_modules, add_tof
from daq.readout.snapshotformat import ArraySpec, array

KINDS = ("prompt", "delayed")


class RingLooks:
    """Accumulates what `look` declares. One thread calls it."""

    def __init__(self, look: RingLook, group: str) -> None:
        self._look, self._group = look, group
        self._places = places_of(look.ring)
        self._modules = np.zeros(look.modules + 1, np.uint64)
        self._tof = np.zeros((len(KINDS), look.tof_bins + 2), np.uint64)
        self._axial = np.zeros((len(KINDS), look.planes + 1), np.uint64)
        self._sinogram = np.zeros((len(KINDS), look.views, look.radii), np.uint64)
        self._frame = np.array(
            [look.ring.detectors_per_ring, look.ring_difference, look.fold_angle, look.fold_radius], np.int64
        )

    def specs(self) -> list[ArraySpec]:
        """Return the arrays of the snapshot's group."""
        look = self._look
        specs = [array("modules", self._group, "u8", look.modules)]
        if look.has_tof:
            specs.append(array("tof", self._group, "u8", len(KINDS), look.tof_bins))
        if look.has_pairs:
            specs.append(array("axial", self._group, "u8", len(KINDS), look.planes))
            specs.append(array("sinogram", self._group, "u8", len(KINDS), look.views, look.radii))
        return specs

    def see(self, streams: Streams) -> None:
        """Take in the rows of a slice."""
        look = self._look
        rows = streams.get(look.module_stream, {})
        for name in look.module_columns:
            if len(rows.get("time_ps", ())):
                add_modules(_plain(rows, name, np.uint32), self._places, self._modules)
        pairs = streams.get("coincidences", {})
        if not (look.has_pairs and len(pairs.get("time_ps", ()))):
            return
        kind = _plain(pairs, "kind", np.uint8)
        first, second = _plain(pairs, "detector_a", np.uint32), _plain(pairs, "detector_b", np.uint32)
        add_lines(first, second, kind, self._places, self._frame, self._axial, self._sinogram)
        if look.has_tof:
            add_tof(_plain(pairs, "tof_ps", np.int32), kind, look.tof_ps, self._tof)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all figures, as views."""
        look = self._look
        arrays: dict[str, npt.NDArray[Any]] = {"modules": self._modules[:-1]}
        if look.has_tof:
            arrays["tof"] = self._tof[:, 1:-1]
        if look.has_pairs:
            arrays["axial"] = self._axial[:, :-1]
            arrays["sinogram"] = self._sinogram
        return arrays

    def beyond(self) -> dict[str, int]:
        """Return how many of the rows seen are in no bin: detectors that the ring does not have, times too far off."""
        return {
            "modules_nowhere": int(self._modules[-1]),
            "pairs_nowhere": int(self._axial[:, -1].sum()),
            "tof_outside": int(self._tof[:, 0].sum() + self._tof[:, -1].sum()),
        }


def _plain(rows: Mapping[str, npt.NDArray[Any]], name: str, kind: type[np.generic]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(rows[name], kind)
