"""What is set up before heads: a body that lies on a bed, and where bed, heads and patient are at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from daq.errors import RefusedError, UsageError
from daq.model.geometry import PatientOrientation, gantry_to_lps
from simulators.camera.axes import Axes
from simulators.camera.body import Body, Organ
from simulators.camera.depths import POSE_PLACES
from simulators.camera.model import SimulatedHead
from simulators.camera.skin import GAP_MM, Skin

Floats = npt.NDArray[np.float64]

LEAD_MM = 220.0
"""How far before the middle of the detectors the head, or the feet, of a long body lies while the bed is at 0."""
_SECOND_PS = 1e12


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

    def pose(self, index: int, begin_ps: int, end_ps: int, base_ns: int, held: Held) -> Floats:
        """Return a pose as `depths` takes it, for the head of that place; in between all goes evenly."""
        pose, length_ps, turn = np.zeros(POSE_PLACES), max(end_ps - begin_ps, 1), self.lies.turn()
        moved = turn @ self.lies.moved_mm(begin_ps / _SECOND_PS)
        (shift, angle, face), (later, turned, nearer) = (
            self._where(index, base_ns + at_ps / 1000, turn, moved, held, is_end=is_end)
            for at_ps, is_end in ((begin_ps, False), (end_ps, True))
        )
        pose[:9] = turn.ravel()
        pose[9:12], pose[12:15] = shift, (later - shift) / length_ps
        pose[15:19] = angle, (turned - angle) / length_ps, face, (nearer - face) / length_ps
        return pose

    def _where(
        self, index: int, at_ns: float, turn: Floats, moved: Floats, held: Held, *, is_end: bool
    ) -> tuple[Floats, float, float]:
        """Return where the patient's 0 is, the angle of a head and how far its face is, outside of the patient.

        `is_end`: at the end of a stretch, before what is said of that moment.
        """
        head, place = self.heads[index], self.places[index]
        bed_at, gantry_at, face = (
            self.axes.place(axis, at_ns, self.start.get(axis, otherwise), just_before=is_end)
            for axis, otherwise in (("bed", 0.0), (place.gantry, 0.0), (place.radius, head.radius_mm))
        )
        shift = moved + np.array([0.0, 0.0, held.lead_mm + bed_at - self.lies.bed_zero_mm])
        angle = math.radians(place.hangs_deg + gantry_at)
        if face < held.skin.most_mm + GAP_MM + float(np.abs(moved).sum()):
            way = np.array([math.sin(angle), math.cos(angle), 0.0])
            middle, half = -float(turn[2] @ np.ones(3)) * float(shift[2]), head.crystal.height_mm / 2
            reach = held.skin.reach_mm(turn.T @ way, middle - half, middle + half) + float(moved @ way)
            face = max(face, reach + GAP_MM)
        return shift, angle, face

    @property
    def nuclides(self) -> list[str]:
        """Return the nuclides that there are."""
        return list(dict.fromkeys(one.nuclide for one in (*self.body.organs, *(row[1] for row in self.fixed))))

    def turns_ps(self) -> list[int]:
        """Return the times at which movements begin or end, ascending: blocks do not go over them."""
        return sorted({round(at_ns * 1000) for at_ns in self.axes.turns_ns()}
                      | {round(move.at_s * _SECOND_PS) for move in self.lies.moves})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of a body once for all poses: where its 0 lies along the gantry, and its skin."""

    lead_mm: float
    skin: Skin
