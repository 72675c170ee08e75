"""How near a head can come to a body: its collimator's face stays outside of what attenuates."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from simulators.camera.body import Body
from simulators.camera.solids import Form, Solid

Floats = npt.NDArray[np.float64]

GAP_MM = 5.0
"""Between the skin and a head that is told to come nearer."""


class Skin:
    """The solids of a body that attenuate, as far as they reach towards heads."""

    def __init__(self, body: Body) -> None:
        self._solids = [solid for solid, density in body.stuff if density > 0]
        self._centres = np.array([solid.centre_mm for solid in self._solids]).reshape(-1, 3)
        self._halves = np.array([solid.half_mm for solid in self._solids]).reshape(-1, 3)
        self.most_mm = float(np.hypot(*(np.abs(self._centres) + self._halves).max(axis=0)[:2])) if self._solids else 0.0
        self._reach = lru_cache(maxsize=4096)(self._reaches)

    def reach_mm(self, way: Floats, low_mm: float, high_mm: float) -> float:
        """Return how far what lies between two z reaches from the patient's axis along `way` [3], at most.

        Told for ways and places that are rounded, as a head that follows an outline would take them.
        """
        return self._reach(*(round(float(part), 2) for part in way), round(low_mm, -1), round(high_mm, -1))

    def _reaches(self, x: float, y: float, z: float, low_mm: float, high_mm: float) -> float:
        way = np.array([x, y, z])
        near = (self._centres[:, 2] + self._halves[:, 2] > low_mm) & (
            self._centres[:, 2] - self._halves[:, 2] < high_mm
        )
        found = [float(self._centres[n] @ way) + supported(self._solids[n], way) for n in np.flatnonzero(near)]
        return max(found, default=-np.inf)


def supported(solid: Solid, way: Floats) -> float:
    """Return how far a solid reaches from its centre along a way; of a shell that is cut, of the whole one."""
    along = np.reshape(solid.matrix, (3, 3)).T @ way
    if solid.form is Form.BLOCK:
        return float(np.abs(along).sum())
    if solid.form is Form.ROD:
        return float(np.hypot(along[0], along[1]) + abs(along[2]))
    return float(np.linalg.norm(along))
