"""Generate the photons of a scene, block after block, in bounded memory; the same seed gives the same photons."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from daq.errors import UsageError
from simulators.camera.beams import THROUGH_WALLS, Beam, field_beam, piercing_beams, view_beam
from simulators.camera.electronics import respond
from simulators.camera.model import MAX_SECONDS, MOST_HEADS, Field, Scene, Source
from simulators.camera.setting import Set
from simulators.camera.tables import (
    HeadNumbers,
    decaying,
    field_numbers,
    head_numbers,
    lines_of,
    medium_numbers,
    source_numbers,
)  # fmt: skip
from simulators.camera.tracks import illuminate, view
from simulators.camera.walls import pierce

if TYPE_CHECKING:
    from simulators.camera.stage import Stage

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK_CANDIDATES = 1 << 19
"""Expected candidates of a block; it decides how much memory a scene takes, and is part of what a seed means."""
MOST_PER_S = 1e9
"""Candidates in a second of a scene's beginning: what nobody would wait for is refused."""
ROOM = 1 << 20
"""Candidates that one call of a compiled loop follows at most."""
MOST_BLOCK_PS = 500_000_000_000
"""How long a block of a body is at most: what it takes up, and how it goes, is even within one."""
_LONG_AGO = -(1 << 62)


@dataclass(frozen=True, slots=True, eq=False)
class Photons:
    """Photons that the electronics recorded, `time_ps` ascending; arrays of one length.

    `x_mm`, `y_mm`: where the photon met the crystal, as the detector sees it. `energy_kev`: what it left there.
    `added_x_mm`, `added_y_mm`, `added_kev`: middle and energy of all that came while it was integrated, 0 for nothing.
    `lost_before`: photons of this head that triggered and were lost since the last one recorded. `photon_kev`: the
    energy with which it came. `origin`: number of the source. `line`: number of the nuclide's line. `flags`:
    `model.PhotonFlag`.
    """

    time_ps: Ints
    head: npt.NDArray[np.uint8]
    x_mm: npt.NDArray[np.float32]
    y_mm: npt.NDArray[np.float32]
    energy_kev: npt.NDArray[np.float32]
    added_x_mm: npt.NDArray[np.float32]
    added_y_mm: npt.NDArray[np.float32]
    added_kev: npt.NDArray[np.float32]
    lost_before: npt.NDArray[np.uint32]
    photon_kev: npt.NDArray[np.float32]
    origin: npt.NDArray[np.uint8]
    line: npt.NDArray[np.uint8]
    flags: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.time_ps)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the columns by name."""
        return {name: getattr(self, name) for name in _NAMES}

    def rows(self, chosen: npt.NDArray[Any] | slice) -> Photons:
        """Return the chosen rows."""
        return Photons(**{name: column[chosen] for name, column in self.columns().items()})

    def of_head(self, number: int) -> Photons:
        """Return the photons of one head."""
        return self.rows(self.head == number)


_NAMES = tuple(field.name for field in fields(Photons))


def join(parts: list[Photons]) -> Photons:
    """Return the rows of all parts, of at least one."""
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES}
    return Photons(**columns)


def generate(scene: Scene, seed: int) -> Photons:
    """Return all photons of a scene at once: for what fits into memory."""
    return join(list(blocks(scene, seed)))


def blocks(scene: Scene, seed: int) -> Iterator[Photons]:
    """Yield the photons of a scene in ascending blocks; at least one, and any may be empty."""
    yield from Simulation(scene, seed).blocks()


class Simulation:
    """A scene while it happens; every head has its own random numbers, so that they may be simulated apart, too.

    `recorded` and `lost` [16]: photons by head that were recorded, and that triggered and were not.
    """

    def __init__(self, scene: Scene, seed: int, body: Set | None = None) -> None:
        self._scene = scene
        numbers = [head.number for head in scene.heads]
        self._rng = {number: np.random.default_rng([seed, 0, number]) for number in numbers}
        self._state = {number: self._rng[number].integers(0, 1 << 64, 1, np.uint64) for number in numbers}
        names = [source.nuclide for source in scene.sources] + (body.nuclides if body else [])
        highest_kev = max((float(lines_of(name)[:, 0].max()) for name in names), default=0.0)
        self._heads = {head.number: head_numbers(head, highest_kev) for head in scene.heads}
        self._medium = medium_numbers(scene.medium)
        self._stage = _stage(body, self._heads) if body else None
        self._turns_ps = body.turns_ps() if body else []
        self._beams = [beam for number, source in enumerate(scene.sources) for beam in self._beams_of(number, source)]
        if (per_s := self._per_s(scene.start_s)) > MOST_PER_S:
            raise UsageError(f"{per_s:.3g} photons a second would have to be followed; at most {MOST_PER_S:g}")
        self._dead = np.zeros((MOST_HEADS, 3), np.int64)
        self._dead[:, 0] = _LONG_AGO
        self._waiting = _photons(0, 0, 0, *_Room(0).arrays)
        self.recorded = np.zeros(MOST_HEADS, np.int64)

    @property
    def lost(self) -> Ints:
        """Return the photons by head that triggered and were not recorded, up to the blocks that were yielded."""
        return self._dead[:, 2].copy()

    def begin(self, now_ns: int) -> int:
        """Let the time of the axes, by which they were told, be `now_ns` at the scene's beginning; return it."""
        if self._stage is not None:
            self._stage.base_ns = now_ns
        return now_ns

    def blocks(self) -> Iterator[Photons]:
        """Yield the photons, once."""
        end_ps = round((self._scene.start_s + self._scene.seconds) * 1e12)
        for begin_ps, stop_ps in self.stretches():
            yield self.between(begin_ps, stop_ps, last=stop_ps == end_ps)

    def stretches(self) -> Iterator[tuple[int, int]]:
        """Yield when blocks begin and end, from the scene's beginning to its end."""
        start_s, seconds = self._scene.start_s, self._scene.seconds
        begin_ps, end_ps = round(start_s * 1e12), round((start_s + seconds) * 1e12)
        while begin_ps < end_ps:
            stop_ps = min(end_ps, begin_ps + self._block_ps(begin_ps))
            yield begin_ps, stop_ps
            begin_ps = stop_ps

    def between(self, begin_ps: int, stop_ps: int, *, last: bool) -> Photons:
        """Return the photons of a stretch of time that begins where the one before ended."""
        recorded = self._block(begin_ps, stop_ps, last=last)
        self.recorded += np.bincount(recorded.head, minlength=MOST_HEADS)
        return recorded

    def _beams_of(self, number: int, source: Source | Field) -> list[Beam]:
        """Return the streams of candidates of a source: one for each head that sees it, another for scattered ones."""
        if isinstance(source, Field):
            return [field_beam(number, source, self._heads[source.head])]
        beams = []
        for head in self._scene.heads:
            beams.append(view_beam(number, source, head, self._heads[head.number], 0, 0.0))
            beams += piercing_beams(number, source, head, self._heads[head.number])
            medium = self._scene.medium
            if self._scene.orders and medium and medium.mu_per_mm * medium.compton_share > 0:
                reach_mm = medium.reach_mm
                beams.append(view_beam(number, source, head, self._heads[head.number], self._scene.orders, reach_mm))
        return beams

    def _block_ps(self, begin_ps: int) -> int:
        """Return how long a block is that begins at `begin_ps`."""
        per_s = max(self._per_s(begin_ps / 1e12), BLOCK_CANDIDATES / MAX_SECONDS)
        longest_ps = math.ceil(BLOCK_CANDIDATES / per_s * 1e12)
        if self._stage is None:
            return longest_ps
        turn_ps = self._turns_ps[bisect_right(self._turns_ps, begin_ps) :][:1]
        return min(longest_ps, MOST_BLOCK_PS, *(at_ps - begin_ps for at_ps in turn_ps))

    def _per_s(self, at_s: float) -> float:
        """Return the expected candidates per second."""
        moving = self._stage.per_s(round(at_s * 1e12)) if self._stage else 0.0
        return moving + sum(beam.per_s(at_s) for beam in self._beams)

    def _block(self, begin_ps: int, stop_ps: int, *, last: bool) -> Photons:
        parts = [part for beam in self._beams for part in self._arrivals(beam, begin_ps, stop_ps)]
        arrived = join([self._waiting, *parts, *self._of_body(begin_ps, stop_ps)])
        arrived = arrived.rows(np.argsort(arrived.time_ps, kind="stable"))
        decided = len(arrived)
        if not last:
            decided = int(np.searchsorted(arrived.time_ps, stop_ps - self._scene.electronics.integration_ps))
        self._waiting = arrived.rows(slice(decided, None))
        return self._recorded(arrived, decided)

    def _arrivals(self, beam: Beam, begin_ps: int, stop_ps: int) -> Iterator[Photons]:
        """Yield the photons of one beam that reach a crystal in a stretch of time."""
        nuclide = decaying(beam.source.nuclide)
        decays = nuclide.decays_between(beam.source.activity_bq, begin_ps / 1e12, stop_ps / 1e12)
        count = int(self._rng[beam.head].poisson(decays * beam.per_decay))
        state = self._state[beam.head]
        for first in range(0, count, ROOM):
            room = _Room(min(count - first, ROOM))
            head = self._heads[beam.head]
            if isinstance(beam.source, Field):
                numbers = field_numbers(beam.source, stop_ps - begin_ps)
                rows = illuminate(state, room.size, begin_ps, numbers, beam.lines, head.plain, head.table, *room.arrays)
            elif beam.orders == THROUGH_WALLS:
                rows = pierce(
                    state, room.size, begin_ps, source_numbers(beam.source, stop_ps - begin_ps), beam.lines,
                    self._medium, head.plain, head.table, *room.arrays,
                )  # fmt: skip
            else:
                rows = view(
                    state, room.size, beam.orders, begin_ps, beam.most,
                    source_numbers(beam.source, stop_ps - begin_ps), beam.lines, self._medium, head.plain, head.table,
                    *room.arrays,
                )  # fmt: skip
            yield _photons(rows, beam.head, beam.number, *room.arrays)

    def _of_body(self, begin_ps: int, stop_ps: int) -> Iterator[Photons]:
        """Yield the photons of the body that reach a crystal in a stretch of time."""
        if self._stage is None:
            return
        for number in [head.number for head in self._scene.heads]:
            for rows, (times, places, marks) in self._stage.arrivals(
                number, begin_ps, stop_ps, self._state[number], self._rng[number]
            ):
                yield _photons(rows, number, marks[:, 2], times, places, marks)

    def _recorded(self, arrived: Photons, decided: int) -> Photons:
        """Return what the electronics record of the first `decided` photons."""
        electronics = self._scene.electronics
        places = np.stack([arrived.x_mm, arrived.y_mm, arrived.energy_kev], axis=1)
        added, lost = np.zeros((len(arrived), 3), np.float32), np.zeros(len(arrived), np.int64)
        flags, kept = arrived.flags.copy(), np.zeros(len(arrived), bool)
        respond(
            arrived.time_ps, arrived.head, places, flags, decided, electronics.threshold_kev, electronics.dead_time_ps,
            electronics.integration_ps, electronics.paralysable, self._dead, added, lost, kept,
        )  # fmt: skip
        columns: dict[str, Any] = arrived.columns() | {
            "added_x_mm": added[:, 0], "added_y_mm": added[:, 1], "added_kev": added[:, 2],
            "lost_before": lost.astype(np.uint32), "flags": flags,
        }  # fmt: skip
        return Photons(**columns).rows(kept)


def _stage(body: Set, heads: dict[int, HeadNumbers]) -> Stage:
    """Return the stage of a body; its loop is compiled for those alone who need it."""
    from simulators.camera.stage import Stage

    return Stage(body, heads)


class _Room:
    """Memory for what a compiled loop finds."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.times = np.empty(size, np.int64)
        self.places = np.empty((size, 4), np.float32)
        self.marks = np.empty((size, 2), np.uint8)
        self.arrays = self.times, self.places, self.marks


def _photons(
    count: int, head: int, origin: int | npt.NDArray[np.uint8], times: Ints, places: npt.NDArray[np.float32],
    marks: npt.NDArray[np.uint8],
) -> Photons:  # fmt: skip
    """Return the first `count` rows of what a compiled loop found; `origin` is one for all, or [rows]."""
    places, marks, nothing = places[:count], marks[:count], np.zeros(count, np.float32)
    return Photons(
        time_ps=times[:count].copy(),
        head=np.full(count, head, np.uint8),
        x_mm=places[:, 0].copy(), y_mm=places[:, 1].copy(), energy_kev=places[:, 2].copy(),
        added_x_mm=nothing, added_y_mm=nothing, added_kev=nothing,
        lost_before=np.zeros(count, np.uint32),
        photon_kev=places[:, 3].copy(),
        origin=np.array(np.broadcast_to(origin, max(count, np.size(origin)))[:count], np.uint8),
        line=marks[:, 0].copy(),
        flags=marks[:, 1].copy(),
    )  # fmt: skip
