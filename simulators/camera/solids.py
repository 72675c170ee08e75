"""Solids that bodies are made of: a unit shape, stretched and turned by a matrix, and moved.

A place is `centre + matrix @ u`, where u lies in the unit ball, in the rod of radius 1 from z = -1 to 1, in the block
from -1 to 1, or in a shell: the ball from radius `inner` to 1, below z = `cut`. A matrix of zeros is a point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError
from simulators.pet.model import Position

Floats = npt.NDArray[np.float64]
_AROUND = 1e-9


class Form(IntEnum):
    """Codes of the unit shapes in the compiled loops."""

    BALL = 0
    ROD = 1
    BLOCK = 2
    SHELL = 3


class Beat(IntEnum):
    """What the heart does to a solid: nothing, to its cavity, or to the wall around the cavity."""

    NONE = 0
    CAVITY = 1
    WALL = 2


@dataclass(frozen=True, slots=True)
class Solid:
    """A solid in the patient's coordinates, mm. `matrix`: its nine numbers, row by row."""

    form: Form
    centre_mm: Position
    matrix: tuple[float, ...]
    inner: float = 0.0
    cut: float = 1.0
    beat: Beat = Beat.NONE

    def __post_init__(self) -> None:
        if len(self.matrix) != 9 or not all(map(math.isfinite, (*self.matrix, *self.centre_mm))):  # noqa: PLR2004
            raise UsageError(f"solid at {self.centre_mm} mm: nine finite numbers make its matrix")
        if not (0.0 <= self.inner < 1.0 and -1.0 < self.cut <= 1.0):
            raise UsageError(f"solid of inner {self.inner}, cut {self.cut}: from 0 to below 1, above -1 to 1")

    @property
    def numbers(self) -> tuple[float, ...]:
        """Return it as the compiled loops take it: form, centre, matrix, inner, cut, beat."""
        return (self.form, *self.centre_mm, *self.matrix, self.inner, self.cut, self.beat)

    @property
    def volume_mm3(self) -> float:
        """Return its volume."""
        unit = {Form.BALL: 4 / 3 * math.pi, Form.ROD: 2 * math.pi, Form.BLOCK: 8.0}.get(self.form)
        if unit is None:
            unit = self._shell_volume()
        return abs(float(np.linalg.det(np.reshape(self.matrix, (3, 3))))) * unit

    def _shell_volume(self) -> float:
        """Return the volume of the unit shell below its cut: caps of balls are pi h^2 (3 r - h) / 3."""

        def below(radius: float) -> float:
            height = min(max(radius + self.cut, 0.0), 2 * radius)
            return math.pi * height**2 * (3 * radius - height) / 3

        return below(1.0) - below(self.inner)

    @property
    def half_mm(self) -> Floats:
        """Return how far it reaches from its centre along x, y and z at most, float64 [3]."""
        rows = np.abs(np.reshape(self.matrix, (3, 3)))
        if self.form is Form.BLOCK:
            return np.asarray(rows.sum(axis=1))
        if self.form is Form.ROD:
            return np.asarray(np.hypot(rows[:, 0], rows[:, 1]) + rows[:, 2])
        return np.asarray(np.sqrt((rows**2).sum(axis=1)))

    def holds(self, places_mm: Floats) -> npt.NDArray[np.bool_]:
        """Return which places [..., 3] lie in it. Points, lines and sheets hold nothing."""
        matrix = np.reshape(self.matrix, (3, 3))
        if abs(np.linalg.det(matrix)) < _AROUND:
            return np.zeros(places_mm.shape[:-1], bool)
        u = (places_mm - np.array(self.centre_mm)) @ np.linalg.inv(matrix).T
        if self.form is Form.BLOCK:
            return np.asarray((np.abs(u) <= 1).all(axis=-1))
        if self.form is Form.ROD:
            return np.asarray((u[..., 0] ** 2 + u[..., 1] ** 2 <= 1) & (np.abs(u[..., 2]) <= 1))
        square = (u**2).sum(axis=-1)
        return np.asarray((square <= 1) & (square >= self.inner**2) & (u[..., 2] <= self.cut))

    def moved(self, by_mm: Position) -> Solid:
        """Return it elsewhere."""
        x, y, z = (a + b for a, b in zip(self.centre_mm, by_mm, strict=True))
        return replace(self, centre_mm=(x, y, z))

    def mirrored(self) -> Solid:
        """Return what is on the other side of the body: x is turned round."""
        x, y, z = self.centre_mm
        return replace(self, centre_mm=(-x, y, z), matrix=(*(-v for v in self.matrix[:3]), *self.matrix[3:]))


def ball(centre_mm: Position, half_mm: Position | float, *, tilt_deg: Position = (0.0, 0.0, 0.0)) -> Solid:
    """Return an ellipsoid by its half axes, turned about x, then y, then z."""
    return Solid(Form.BALL, centre_mm, turned(half_mm, tilt_deg))


def shell(
    centre_mm: Position, half_mm: Position | float, inner: float, *, cut: float = 1.0,
    tilt_deg: Position = (0.0, 0.0, 0.0),
) -> Solid:  # fmt: skip
    """Return an ellipsoid without its inside, and without what is above `cut` times its third half axis."""
    return Solid(Form.SHELL, centre_mm, turned(half_mm, tilt_deg), inner, cut)


def block(centre_mm: Position, half_mm: Position, *, tilt_deg: Position = (0.0, 0.0, 0.0)) -> Solid:
    """Return a block by its half edges; half edges of zero make sheets and lines."""
    return Solid(Form.BLOCK, centre_mm, turned(half_mm, tilt_deg))


def disc(centre_mm: Position, half_mm: Position, *, tilt_deg: Position = (0.0, 0.0, 0.0)) -> Solid:
    """Return a rod along its third axis: two half axes of its section, half its length."""
    return Solid(Form.ROD, centre_mm, turned(half_mm, tilt_deg))


def point(centre_mm: Position) -> Solid:
    """Return a point."""
    return Solid(Form.BLOCK, centre_mm, (0.0,) * 9)


def rod(begin_mm: Position, end_mm: Position, radius_mm: float, wide: float = 1.0) -> Solid:
    """Return a rod from one place to another; `wide`: to the sides it is so many times as thick."""
    begin, end = np.array(begin_mm, np.float64), np.array(end_mm, np.float64)
    along = (end - begin) / 2
    length = float(np.linalg.norm(along))
    if length <= 0:
        raise UsageError(f"rod at {begin_mm} mm: must be longer than zero")
    side = np.array([1.0, 0.0, 0.0]) if abs(along[0]) < 0.9 * length else np.array([0.0, 1.0, 0.0])
    side = side - along * (side @ along) / length**2
    side /= np.linalg.norm(side)
    other = np.cross(along / length, side)
    matrix = np.stack([side * radius_mm * wide, other * radius_mm, along], axis=1)
    middle = (begin + end) / 2
    return Solid(Form.ROD, (float(middle[0]), float(middle[1]), float(middle[2])), tuple(map(float, matrix.ravel())))


def chain(places_mm: list[Position], radius_mm: float, wide: float = 1.0) -> list[Solid]:
    """Return rods from place to place."""
    return [rod(a, b, radius_mm, wide) for a, b in pairwise(places_mm)]


def turned(half_mm: Position | float, tilt_deg: Position) -> tuple[float, ...]:
    """Return the nine numbers of half axes that are turned about x, then y, then z."""
    half = np.broadcast_to(np.asarray(half_mm, np.float64), 3)
    a, b, c = np.radians(tilt_deg)
    about_x = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    about_y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return tuple(map(float, (about_z @ about_y @ about_x @ np.diag(half)).ravel()))
