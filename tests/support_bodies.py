"""Bodies before simulated heads, for tests: one head or two, axes that stand or go as told."""

from __future__ import annotations

import dataclasses

import numpy as np
from support_scenes import CRYSTAL, FACE_MM, LEHR

from daq.model.geometry import PatientOrientation
from simulators.camera.axes import Axes, Said
from simulators.camera.body import Body, Stuff, organ
from simulators.camera.generate import Photons, Simulation, join
from simulators.camera.model import Scene, SimulatedHead
from simulators.camera.setting import Heartbeat, Lies, Move, Place, Set
from simulators.camera.solids import Solid, point

FRONT = SimulatedHead(0, CRYSTAL, 180.0, FACE_MM, LEHR)
BACK = SimulatedHead(1, CRYSTAL, 0.0, FACE_MM, LEHR)


def points(*places: tuple[float, float, float], stuff: Stuff = (), voxel_mm: float = 2.0) -> Body:
    return Body("points", (organ("points", [point(place) for place in places]),), stuff, voxel_mm=voxel_mm)


def whole(solid: Solid, stuff: Stuff = (), voxel_mm: float = 2.0) -> Body:
    return Body("whole", (organ("whole", [solid]),), stuff, voxel_mm=voxel_mm)


def going(
    axis: str, position: float, target: float, speed: float, *, at_s: float = 0.0, axes: Axes | None = None
) -> Axes:
    axes = axes or Axes(most=None)
    axes.hear(axis, Said(round(at_s * 1e9), position, target, speed))
    return axes


def set_up(
    body: Body, mbq: float, *heads: SimulatedHead, axes: Axes | None = None, after_s: float = 0.0,
    orientation: PatientOrientation = PatientOrientation.HFS, moves: tuple[Move, ...] = (), orders: int = 0,
    heart: Heartbeat | None = None, **start: float,
) -> Set:  # fmt: skip
    heads = heads or (FRONT,)
    places = tuple(Place("gantry", f"{head.number}_radius", head.angle_deg) for head in heads)
    lies = Lies(orientation, moves=moves)
    return Set(body, mbq, after_s, heads, places, axes or Axes(), lies, dict(start), orders=orders, heart=heart)


def seen(scene: Set, *, seconds: float = 1.0, seed: int = 1, start_s: float = 0.0) -> Photons:
    """Return all photons of a set."""
    happens = Scene(scene.heads, (), seconds=seconds, start_s=start_s)
    return join(list(Simulation(happens, seed, scene).blocks()))


def with_times(scene: Set, times: float) -> Set:
    return dataclasses.replace(scene, times=times)


def middle(photons: Photons) -> tuple[float, float]:
    return float(np.mean(photons.x_mm, dtype=np.float64)), float(np.mean(photons.y_mm, dtype=np.float64))
