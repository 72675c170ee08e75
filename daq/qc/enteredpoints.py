"""Registration of two systems by points that both see: the rigid motion between them, and what it leaves.

W. Kabsch, Acta Crystallogr. A 32, 922 (1976): the turn that brings one set of points nearest to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from daq.errors import RefusedError

Floats = npt.NDArray[np.float64]
Point = tuple[float, float, float]
_FEWEST = 3
_LEAST_SPREAD_MM = 10.0


@dataclass(frozen=True, slots=True)
class Registration:
    """From one system to the other: shift of the middle of the points, mm; turn about it as a vector, degrees.

    `residual_mm`: root mean square distance after shift and turn; `worst_mm`: the largest before, as registered now.
    """

    shift_mm: Point
    turn_deg: Point
    residual_mm: float
    worst_mm: float
    worst_point: int

    @property
    def length_mm(self) -> float:
        """Return the length of the shift."""
        return float(np.linalg.norm(self.shift_mm))

    @property
    def angle_deg(self) -> float:
        """Return the angle of the turn."""
        return float(np.linalg.norm(self.turn_deg))


def registration(one: Sequence[Point], other: Sequence[Point]) -> Registration:
    """Return the motion that takes points of `one` to those of `other`, in the same order.

    Raises `RefusedError` for fewer than three, for unequal numbers, and for points in one line, which leave a turn
    open.
    """
    if len(one) != len(other):
        raise RefusedError(f"{len(one)} points in one system and {len(other)} in the other: each is needed in both")
    if len(one) < _FEWEST:
        raise RefusedError(f"{len(one)} points: three that are not in one line are needed for shift and turn")
    first, second = np.array(one, np.float64), np.array(other, np.float64)
    middle_one, middle_other = first.mean(axis=0), second.mean(axis=0)
    across = float(np.linalg.svd(first - middle_one, compute_uv=False)[1])
    if across < _LEAST_SPREAD_MM:
        raise RefusedError(f"the points are in one line but for {across:.1f} mm: a turn about it is not known")
    turn = Rotation.align_vectors(second - middle_other, first - middle_one)[0]
    left = second - middle_other - turn.apply(first - middle_one)
    apart = np.linalg.norm(second - first, axis=1)
    x, y, z = (middle_other - middle_one).tolist()
    a, b, c = turn.as_rotvec(degrees=True).tolist()
    residual = float(np.sqrt(np.mean(np.sum(left**2, axis=1))))
    return Registration((x, y, z), (a, b, c), residual, float(apart.max()), int(apart.argmax()))
