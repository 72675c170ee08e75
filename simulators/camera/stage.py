"""A body before the heads of a camera: where both are at a time, and the photons that come of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError, UsageError
from daq.model.geometry import PatientOrientation, gantry_to_lps
from daq.model.nuclide_table import nuclide
from simulators.camera.axes import Axes
from simulators.camera.body import Body, Organ
from simulators.camera.depths import POSE_PLACES
from simulators.camera.model import SimulatedHead
from simulators.camera.observe import observe
from simulators.camera.solids import Solid
from simulators.camera.tables import HeadNumbers, energies_kev, lines_of
from simulators.camera.ways import EFFECTIVE, PASSING, PHOTO_SHARE, TOTAL
from simulators.pet.model import ELECTRON_KEV

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAD_MM = 220.0
"""How far before the middle of the detectors the head, or the feet, of a long body lies while the bed is at 0."""
WATER_PER_MM = 0.0096
"""Water's coefficient at 511 keV; at other energies it goes with the cross section of Klein and Nishina."""
BLUR_MM, WANDER_MM = 60.0, 160.0
"""How far beside a head's field a solid may lie whose photons are followed: not scattered, scattered."""
MOST_PER_BLOCK = 2_000_000
SHUTTER = "shutter"
"""Axis that opens, at 1, and closes, at 0, the sources of transmission; open until it is heard of."""
_HALF_OPEN = 0.5
_GUIDES = 512
_SECOND_PS = 1e12
_NO_BEATS = np.zeros((0, 5))


class Heartbeat(Protocol):
    """What a heart does: rows of beats as `depths` takes them, float64 [n, 5], times from `begin_ps` on."""

    def rows(self, begin_ps: int, end_ps: int) -> Floats:
        """Return the beats of a stretch of time, and the one under way at its beginning."""
        ...


@dataclass(frozen=True, slots=True)
class Move:
    """From `at_s` of the scene on the patient lies elsewhere by so many mm of the patient's axes."""

    at_s: float
    by_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Lies:
    """How the patient lies. `bed_zero_mm`: where the bed is when the body lies as it is described."""

    orientation: PatientOrientation = PatientOrientation.HFS
    bed_zero_mm: float = 0.0
    moves: tuple[Move, ...] = ()

    def turn(self) -> Floats:
        """Return the matrix [3, 3] from the patient's axes to the gantry's."""
        return gantry_to_lps(self.orientation).T

    def moved_mm(self, at_s: float) -> Floats:
        """Return by how much the patient has moved, in the patient's axes, [3]."""
        return sum((np.array(move.by_mm) for move in self.moves if move.at_s <= at_s), np.zeros(3))


@dataclass(frozen=True, slots=True)
class Place:
    """Axes of the scanner that move a head: the names of the gantry's and of its radius, and where it hangs on it."""

    gantry: str
    radius: str
    hangs_deg: float


@dataclass(frozen=True, slots=True)
class Set:
    """A body on a bed before heads. `mbq`: injected, `after_s` before the scene's beginning.

    `times`: so many times faster than ours the clock of the patient's body goes. `start`: where axes are of which
    nothing was said yet. `places`: of each head, in the order of the heads. `fixed`: organs that are fastened to heads.
    """

    body: Body
    mbq: float
    after_s: float
    heads: tuple[SimulatedHead, ...]
    places: tuple[Place, ...]
    axes: Axes
    lies: Lies = field(default_factory=Lies)
    start: dict[str, float] = field(default_factory=dict)
    times: float = 1.0
    orders: int = 2
    heart: Heartbeat | None = None
    fixed: tuple[tuple[int, Organ, float], ...] = ()
    """Head, organ and MBq: the organ's solids are given across, up and towards that head."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mbq) and self.mbq >= 0 and self.times > 0 and 0 <= self.orders <= 10):  # noqa: PLR2004
            raise UsageError(f"a body of {self.mbq} MBq, {self.times} times as fast, {self.orders} orders of scatter")
        if not self.body.organs and not self.fixed:
            raise UsageError(f"body {self.body.name}: nothing decays; give --activity")
        numbers = [head.number for head in self.heads]
        if unknown := [number for number, _, _ in self.fixed if number not in numbers]:
            raise UsageError(f"--transmission: there is no head {unknown[0]}")
        for head in self.heads:
            if head.collimator is None or head.collimator.kind != "parallel":
                raise RefusedError(f"head {head.number}: bodies are seen through parallel holes; give --collimator")

    def lead_mm(self) -> float:
        """Return where along the gantry the patient's 0 lies while the bed is at 0."""
        if not self.body.leads:
            return 0.0
        low, high = self.body.span_mm()
        return -LEAD_MM - (high if self.lies.orientation.startswith("H") else -low)

    def pose(self, index: int, begin_ps: int, end_ps: int, base_ns: int, lead_mm: float) -> Floats:
        """Return a pose as `depths` takes it, for the head of that place; in between all goes evenly."""
        pose, head, place = np.zeros(POSE_PLACES), self.heads[index], self.places[index]
        length_ps = max(end_ps - begin_ps, 1)
        turn = self.lies.turn()
        shifts, angles, faces = [], [], []
        for at_ps in (begin_ps, end_ps):
            at_ns = base_ns + at_ps / 1000
            bed = self.axes.place("bed", at_ns, self.start.get("bed", 0.0)) - self.lies.bed_zero_mm
            moved = turn @ self.lies.moved_mm(begin_ps / _SECOND_PS)
            shifts.append(moved + np.array([0.0, 0.0, lead_mm + bed]))
            gantry = self.axes.place(place.gantry, at_ns, self.start.get(place.gantry, 0.0))
            angles.append(math.radians(place.hangs_deg + gantry))
            faces.append(self.axes.place(place.radius, at_ns, self.start.get(place.radius, head.radius_mm)))
        pose[:9] = turn.ravel()
        pose[9:12], pose[12:15] = shifts[0], (shifts[1] - shifts[0]) / length_ps
        pose[15:19] = angles[0], (angles[1] - angles[0]) / length_ps, faces[0], (faces[1] - faces[0]) / length_ps
        return pose

    @property
    def nuclides(self) -> list[str]:
        """Return the nuclides that there are."""
        return list(dict.fromkeys(one.nuclide for one in (*self.body.organs, *(row[1] for row in self.fixed))))

    def turns_ps(self) -> list[int]:
        """Return the times at which movements begin or end, ascending: blocks do not go over them."""
        return sorted({round(at_ns * 1000) for at_ns in self.axes.turns_ns()}
                      | {round(move.at_s * _SECOND_PS) for move in self.lies.moves})  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """All solids of one nuclide that a head sees: rows, the organ of each, its share in that, reach along the bed."""

    nuclide: str
    solids: Floats
    organs: tuple[Organ, ...]
    which: Ints
    shares: Floats
    middle_mm: Floats
    half_mm: Floats
    mbq: Floats
    fixed: bool


class Stage:
    """The photons of a `Set` that reach the crystals, stretch after stretch of time."""

    def __init__(self, scene: Set, heads: dict[int, HeadNumbers]) -> None:
        self._set, self._heads = scene, heads
        self.base_ns = 0
        self._lead_mm = scene.lead_mm()
        grid = scene.body.grid()
        self._grid, self._codes = grid.numbers, np.ascontiguousarray(grid.codes)
        self._groups = [self._groups_of(head.number) for head in scene.heads]
        self._most = [_most(heads[head.number], self._groups[index]) for index, head in enumerate(scene.heads)]
        self._tables = [by_kev(heads[head.number]) for head in scene.heads]
        self._dense = bool(grid.codes.max())

    def since_s(self, at_ps: float) -> float:
        """Return the time since the injection, by the clock of the patient's body."""
        return self._set.after_s + self._set.times * at_ps / _SECOND_PS

    def arrivals(
        self, head: int, begin_ps: int, end_ps: int, state: npt.NDArray[np.uint64], rng: np.random.Generator
    ) -> Iterator[tuple[int, Any]]:
        """Yield for one head how many photons there are, and the arrays with them: times, places, marks [n, 3]."""
        index = [one.number for one in self._set.heads].index(head)
        pose = self._set.pose(index, begin_ps, end_ps, self.base_ns, self._lead_mm)
        beats = self._set.heart.rows(begin_ps, end_ps) if self._set.heart else _NO_BEATS
        for group in self._groups[index]:
            for orders in (0, self._set.orders) if self._dense and self._set.orders else (0,):
                per_s, upto, chosen = self._candidates(index, group, pose, (begin_ps, end_ps), orders)
                count = int(rng.poisson(per_s * (end_ps - begin_ps) / _SECOND_PS))
                for first in range(0, count, MOST_PER_BLOCK):
                    size = min(count - first, MOST_PER_BLOCK)
                    arrays = np.empty(size, np.int64), np.empty((size, 4), np.float32), np.empty((size, 3), np.uint8)
                    yield observe(
                        state, size, orders, begin_ps, float(end_ps - begin_ps), self._most[index], chosen, upto,
                        guide_of(upto), _cumulative(lines_of(group.nuclide)), self._grid, self._codes, pose, beats,
                        self._heads[head].plain, self._tables[index], *arrays,
                    ), arrays  # fmt: skip

    def per_s(self, at_ps: int) -> float:
        """Return the candidates per second at a time, of all heads."""
        total = 0.0
        for index in range(len(self._set.heads)):
            pose = self._set.pose(index, at_ps, at_ps + 1, self.base_ns, self._lead_mm)
            for group in self._groups[index]:
                for orders in (0, self._set.orders) if self._dense and self._set.orders else (0,):
                    total += self._candidates(index, group, pose, (at_ps, at_ps), orders)[0]
        return total

    def _candidates(
        self, index: int, group: _Group, pose: Floats, stretch_ps: tuple[int, int], orders: int
    ) -> tuple[float, Floats, Floats]:
        """Return candidates per second, the cumulative shares of the solids near the field, and their rows."""
        middle_ps = (stretch_ps[0] + stretch_ps[1]) / 2
        if group.fixed and self._set.axes.place(SHUTTER, self.base_ns + middle_ps / 1000, 1.0) < _HALF_OPEN:
            return 0.0, np.ones(1), group.solids[:1]
        since_s = self.since_s(middle_ps)
        uptake = np.array([one.share(since_s) for one in group.organs])
        left = nuclide(group.nuclide).activity_factor(max(since_s, 0.0))
        bq = group.mbq * 1e6 * uptake[group.which] * group.shares * (1.0 if group.fixed else left)
        if not group.fixed:
            turned = pose[6:9]
            along = group.middle_mm @ turned + pose[11]
            reach = group.half_mm @ np.abs(turned) + abs(pose[14]) * (stretch_ps[1] - stretch_ps[0])
            half = float(self._heads[self._set.heads[index].number].plain[1]) / 2 + (WANDER_MM if orders else BLUR_MM)
            bq = np.where(np.abs(along) - reach < half, bq, 0.0)
        chosen = np.flatnonzero(bq > 0)
        total = float(bq[chosen].sum())
        if total <= 0.0:
            return 0.0, np.ones(1), group.solids[:1]
        upto = np.cumsum(bq[chosen]) / total
        upto[-1] = 1.0
        per_decay = float(lines_of(group.nuclide)[:, 1].sum()) * self._most[index] * max(orders, 1)
        return total * per_decay, upto, np.ascontiguousarray(group.solids[chosen])

    def _groups_of(self, head: int) -> list[_Group]:
        """Return the groups that a head sees: the body's by nuclide, then what is fastened to it."""
        scene = self._set
        lying = [(number, one, scene.mbq) for number, one in enumerate(scene.body.organs)]
        fixed = [(len(lying) + n, one, mbq) for n, (of, one, mbq) in enumerate(scene.fixed) if of == head]
        return [
            _group(name, [row for row in rows if row[1].nuclide == name], fixed=rows is fixed)
            for rows in (lying, fixed)
            for name in dict.fromkeys(one.nuclide for _, one, _ in rows)
        ]


def _group(name: str, organs: list[tuple[int, Organ, float]], *, fixed: bool = False) -> _Group:
    """Return the group of organs with their numbers and activities."""
    rows: list[tuple[Solid, int, float, int, float]] = [
        (solid, which, share, number, mbq)
        for which, (number, one, mbq) in enumerate(organs)
        for solid, share in zip(one.solids, one.shares, strict=True)
    ]
    numbers = np.array([[*solid.numbers, float(fixed), number] for solid, _, _, number, _ in rows])
    return _Group(
        name, numbers, tuple(one for _, one, _ in organs), np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows]), np.array([row[0].centre_mm for row in rows]),
        np.array([row[0].half_mm for row in rows]), np.array([row[4] for row in rows]), fixed,
    )  # fmt: skip


def _most(head: HeadNumbers, groups: list[_Group]) -> float:
    """Return the largest chance of passing the collimator among what a head sees, scattered photons too."""
    highest = max(float(lines_of(group.nuclide)[:, 0].max()) for group in groups)
    return float(head.table[energies_kev() <= highest * 1.01, PASSING].max())


def _cumulative(lines: Floats) -> Floats:
    """Return energies and cumulative shares of lines."""
    return np.stack([lines[:, 0], np.cumsum(lines[:, 1]) / lines[:, 1].sum()], axis=1)


def guide_of(upto: Floats) -> Ints:
    """Return where to begin to look for a chance among cumulative shares, [512]."""
    return np.asarray(np.searchsorted(upto, np.arange(_GUIDES) / _GUIDES, "right"), np.int64)


def by_kev(head: HeadNumbers) -> Floats:
    """Return water, collimator and crystal at each whole keV, [800, 5], as `depths` takes them."""
    kev, known = np.arange(800.0), np.log(energies_kev())
    at = np.log(np.maximum(kev, 1.0))
    columns = [np.interp(at, known, head.table[:, place]) for place in (PASSING, EFFECTIVE, TOTAL, PHOTO_SHARE)]
    return np.ascontiguousarray(np.stack([water_per_mm(), *columns], axis=1))


def water_per_mm() -> Floats:
    """Return water's coefficient at each whole keV, [800]: Compton scattering alone."""
    kev = np.maximum(np.arange(800.0), 1.0)
    return np.asarray(WATER_PER_MM * _klein_nishina(kev) / _klein_nishina(np.array(ELECTRON_KEV)))


def _klein_nishina(energy_kev: Floats) -> Floats:
    """Return the cross section for one electron in units of 2 pi r_e^2."""
    a = energy_kev / ELECTRON_KEV
    b = 1 + 2 * a
    first = (1 + a) / a**2 * (2 * (1 + a) / b - np.log(b) / a)
    return np.asarray(first + np.log(b) / (2 * a) - (1 + 3 * a) / b**2)
