"""Phantoms: octants with a feature of its own in each, those of Jaszczak and of the IEC, floods, thyroids."""

from __future__ import annotations

import math
from types import MappingProxyType

from daq.errors import UsageError
from simulators.camera.body import LUNG, WATER, Body, organ
from simulators.camera.solids import Solid, ball, block, chain, disc, rod, shell
from simulators.pet.model import IEC_DIAMETERS_MM, IEC_RADIUS_MM, Position

OCTANTS: MappingProxyType[str, tuple[Position, float, float]] = MappingProxyType({
    "left front head": ((50.0, -45.0, 70.0), 9.0, 1.0), "right front head": ((-60.0, -35.0, 55.0), 9.0, 1.5),
    "left back head": ((40.0, 50.0, 60.0), 9.0, 2.0), "right back head": ((-45.0, 40.0, 85.0), 9.0, 2.5),
    "left front feet": ((65.0, -30.0, -50.0), 9.0, 3.0), "right front feet": ((-40.0, -55.0, -65.0), 9.0, 3.5),
    "left back feet": ((55.0, 35.0, -80.0), 9.0, 4.0), "right back feet": ((-70.0, 30.0, -45.0), 9.0, 5.0),
})  # fmt: skip
"""Octant -> middle and radius of its ball in the patient's mm, and its activity over that of the first."""
_SYRINGE_MM = (5.0, 5.0, 30.0)
_ROD_DIAMETERS_MM = (4.8, 6.4, 7.9, 9.5, 11.1, 12.7)
_SPHERE_DIAMETERS_MM = (9.5, 12.7, 15.9, 19.1, 25.4, 31.8)
"""Of rods and spheres of the deluxe Jaszczak phantom."""


def octants(*, water: float = 1.0, background: float = 0.0) -> Body:
    """Return eight balls, no two alike, in a cylinder of 220 mm; `background`: its share of the activity."""
    solids = [ball(place, radius) for place, radius, _ in OCTANTS.values()]
    weights = [weight / solid.volume_mm3 for solid, (_, _, weight) in zip(solids, OCTANTS.values(), strict=True)]
    tank = disc((0, 0, 0), (110, 110, 115))
    parts = [organ("octants", solids, 1 - background, weights=weights)]
    parts += [organ("background", [tank], background)] if background else []
    return Body("octants", tuple(parts), ((tank, WATER * water),), voxel_mm=4.0)


def jaszczak(*, hot: float = 0.0) -> Body:
    """Return a cylinder of 216 mm by 186 mm, cold rods in six sectors below, cold spheres above; `hot` 1: hot ones."""
    tank = disc((0, 0, 0), (108, 108, 93))
    insides = [*_sectors(), *_spheres(_SPHERE_DIAMETERS_MM, 58.0, 42.0)]
    if hot:
        parts = (organ("rods and spheres", insides),)
        return Body("jaszczak", parts, ((tank, WATER),), voxel_mm=2.0)
    return Body("jaszczak", (organ("water", [tank]),), ((tank, WATER),), voxel_mm=2.0, cold=tuple(insides))


def _sectors() -> list[Solid]:
    """Return rods along the axis, two diameters apart, the six diameters in six sectors."""
    found = []
    for sector, diameter in enumerate(_ROD_DIAMETERS_MM):
        turn = math.radians(60 * sector)
        along, across = (math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))
        for row in range(1, 12):
            out = 2 * diameter * row * math.sqrt(3) / 2 + 8
            for column in range(row):
                side = 2 * diameter * (column - (row - 1) / 2)
                x, y = (along[k] * out + across[k] * side for k in (0, 1))
                if math.hypot(x, y) < 104 - diameter / 2:
                    found.append(disc((x, y, -48), (diameter / 2, diameter / 2, 44)))
    return found


def _spheres(diameters_mm: tuple[float, ...], circle_mm: float, z: float) -> list[Solid]:
    turns = [math.radians(60 * number) for number in range(len(diameters_mm))]
    return [ball((circle_mm * math.cos(t), circle_mm * math.sin(t), z), d / 2)
            for t, d in zip(turns, diameters_mm, strict=True)]  # fmt: skip


def iec(*, ratio: float = 8.0) -> Body:
    """Return a trunk of 300 mm by 230 mm by 180 mm with six spheres, `ratio` times as dense, around a cold lung.

    The trunk is an ellipse; that of the IEC's body phantom is flat behind.
    """
    if ratio <= 0:
        raise UsageError(f"iec of ratio {ratio:g}: must be above zero")
    trunk, lung = disc((0, 0, 0), (150, 115, 90)), disc((0, 0, 0), (22.25, 22.25, 90))
    spheres = _spheres(IEC_DIAMETERS_MM, IEC_RADIUS_MM, 20.0)
    parts = organ("water and spheres", [trunk, *spheres], weights=[1.0, *(ratio - 1.0,) * len(spheres)])
    return Body("iec", (parts,), ((trunk, WATER), (lung, LUNG)), voxel_mm=2.5, cold=(lung,))


def flood(*, width: float = 620.0, length: float = 6000.0, depth: float = 0.0) -> Body:
    """Return a sheet across y through the axis, or `depth` mm below it, as long as a sweep is with what comes after."""
    return Body("flood", (organ("sheet", [block((0, depth, 0), (width / 2, 0, length / 2))]),))


def thyroid(*, uptake: float = 0.2, nodule: float = 2.5) -> Body:
    """Return a neck with a thyroid that holds `uptake` of the activity, and a nodule in its right lobe.

    `nodule`: so many times as dense as the gland; 0: cold. A tenth of the rest is in neck and shoulders.
    """
    if not (0 <= uptake <= 1 and (nodule == 0 or nodule >= 1)):
        raise UsageError(f"thyroid of uptake {uptake:g}, nodule {nodule:g}: from 0 to 1; 0, or 1 and more")
    neck, trunk = disc((0, 0, 40), (62, 62, 75)), disc((0, 20, -90), (190, 95, 60))
    left, right = (ball((19 * s, -42, 11), (10.5, 10, 26), tilt_deg=(0, -8 * s, 0)) for s in (1, -1))
    spot, isthmus = ball((-19, -43, 24), 6.5), rod((-14, -46, -2), (14, -46, -2), 5.0)
    hot = [left, right, isthmus, *([spot] if nodule else [])]
    gland = organ("thyroid", hot, uptake, weights=[1.0, 1.0, 0.8, max(nodule - 1.0, 0.0)][: len(hot)])
    windpipe = chain([(0, -30, -60), (0, -28, 60)], 9.0)
    stuff = (
        (neck, WATER), (trunk, WATER), *((solid, 0.0) for solid in windpipe), (disc((0, 12, 20), (18, 14, 95)), 1.3)
    )  # fmt: skip
    rest = organ("neck and shoulders", [neck, trunk], 0.1 * (1 - uptake))
    return Body("thyroid", (gland, rest), stuff, voxel_mm=3.0, cold=() if nodule else (spot,))


def thigh(*, share: float = 0.012) -> Body:
    """Return a thigh that holds `share` of the activity, with its bone."""
    flesh = disc((0, 0, 0), (82, 82, 190))
    return Body("thigh", (organ("thigh", [flesh], share),), ((flesh, WATER), (disc((0, 0, 0), (14, 14, 190)), 1.6)))


def syringe(*, share: float = 1.0, neck: float = 0.0) -> Body:
    """Return a syringe along the patient; `neck` 1: it lies in a neck phantom of acrylic, 30 mm below its surface."""
    plate = disc((0, 0, 0), (63.5, 63.5, 63.5))
    place: Position = (0.0, -33.5 if neck else 0.0, 0.0)
    stuff = ((plate, 1.15),) if neck else ()
    return Body("syringe", (organ("syringe", [disc(place, _SYRINGE_MM)], share),), stuff, voxel_mm=3.0)


def breast(*, lesion: float = 6.0) -> Body:
    """Return a breast pressed to 60 mm, its chest wall towards the head, with two lesions so many times as dense."""
    if lesion < 1:
        raise UsageError(f"breast of lesion {lesion:g}: at least 1")
    wall, round_part = block((0, 0, 12), (95, 30, 12)), shell((0, 0, 0), (95, 30, 90), 0.0, cut=0.0)
    foci = [ball((34, -8, -28), 7.0), ball((-22, 8, -46), 4.5)]
    tissue = organ("breast and lesions", [round_part, wall, *foci], weights=[1.0, 0.7, lesion - 1, lesion - 1])
    return Body("breast", (tissue,), ((wall, WATER), (round_part, WATER)), voxel_mm=3.0)


def plain() -> Body:
    """Return nothing: what --activity gives lies on the bed alone."""
    return Body("plain", ())
