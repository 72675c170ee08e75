"""The photons of a body before the heads of a camera, stretch of time after stretch of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from daq.model.nuclide_table import nuclide
from simulators.camera.body import Organ
from simulators.camera.depths import KEV_PER_ROW
from simulators.camera.observe import observe
from simulators.camera.setting import Held, Set
from simulators.camera.skin import Skin
from simulators.camera.solids import Solid
from simulators.camera.tables import HeadNumbers, energies_kev, lines_of
from simulators.camera.ways import EFFECTIVE, PASSING, PHOTO_SHARE, TOTAL
from simulators.pet.model import ELECTRON_KEV

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WATER_PER_MM = 0.0096
"""Water's coefficient at 511 keV; at other energies it goes with the cross section of Klein and Nishina."""
BLUR_MM, WANDER_MM = 60.0, 160.0
"""How far beside a head's field a solid may lie whose photons are followed: not scattered, scattered."""
MOST_PER_BLOCK = 2_000_000
INJECTION = "injection"
"""Axis whose place is the seconds since the injection, which is noted by saying that it goes on from 0 at speed 1."""
SHUTTER = "shutter"
"""Axis that opens, at 1, and closes, at 0, the sources of transmission; open until it is heard of."""
_HALF_OPEN = 0.5
_GUIDES = 512
_SECOND_PS = 1e12
_NO_BEATS = np.zeros((0, 5))


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
        self._held = Held(scene.lead_mm(), Skin(scene.body))
        grid = scene.body.grid()
        self._grid, self._codes = grid.numbers, np.ascontiguousarray(grid.codes)
        self._groups = [self._groups_of(head.number) for head in scene.heads]
        self._most = [_most(heads[head.number], self._groups[index]) for index, head in enumerate(scene.heads)]
        self._tables = [by_kev(heads[head.number]) for head in scene.heads]
        self._angles = angles_of()
        self._dense = bool(grid.codes.max())

    def since_s(self, at_ps: float) -> float:
        """Return the time since the injection, by the clock of the patient's body."""
        before_s = self._set.after_s / self._set.times + at_ps / _SECOND_PS
        return self._set.times * self._set.axes.place(INJECTION, self.base_ns + at_ps / 1000, before_s)

    def arrivals(
        self, head: int, begin_ps: int, end_ps: int, state: npt.NDArray[np.uint64], rng: np.random.Generator
    ) -> Iterator[tuple[int, Any]]:
        """Yield for one head how many photons there are, and the arrays with them: times, places, marks [n, 3]."""
        index = [one.number for one in self._set.heads].index(head)
        pose = self._set.pose(index, begin_ps, end_ps, self.base_ns, self._held)
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
                        self._heads[head].plain, self._tables[index], self._angles, *arrays,
                    ), arrays  # fmt: skip

    def per_s(self, at_ps: int) -> float:
        """Return the candidates per second at a time, of all heads."""
        total = 0.0
        for index in range(len(self._set.heads)):
            pose = self._set.pose(index, at_ps, at_ps + 1, self.base_ns, self._held)
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


@lru_cache(maxsize=1)
def angles_of() -> Floats:
    """Return the cosines of 256 equally likely stretches of angles, in rows `KEV_PER_ROW` keV apart, [201, 257].

    By the formula of O. Klein and Y. Nishina, integrated over 4000 steps of the cosine.
    """
    edges, rows = np.linspace(-1, 1, 4001), []
    cosine = (edges[1:] + edges[:-1]) / 2
    for kev in np.maximum(np.arange(201) * KEV_PER_ROW, 1.0):
        ratio = 1 / (1 + kev / ELECTRON_KEV * (1 - cosine))
        upto = np.append(0.0, np.cumsum(ratio**2 * (ratio + 1 / ratio - 1 + cosine**2)))
        rows.append(np.interp(np.linspace(0, 1, 257), upto / upto[-1], edges))
    return np.ascontiguousarray(rows)


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
