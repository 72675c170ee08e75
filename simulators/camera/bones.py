"""The bones and the skin of a body of 1.76 m, drawn by hand: z is 0 at the crown of the head and falls to the feet.

Shapes and sizes come from no measured person. A number beside a solid is how dense its uptake of a bone tracer is.
"""

from __future__ import annotations

import math

from simulators.camera.solids import Solid, ball, block, chain, disc, rod, shell
from simulators.pet.model import Position


def both(solids: list[Solid]) -> list[Solid]:
    """Return solids of the left side, and those of the right."""
    return [*solids, *(solid.mirrored() for solid in solids)]


def _spine() -> list[tuple[Solid, float]]:
    """Return vertebrae, bodies and spinous processes, with how dense their uptake is."""
    found: list[tuple[Solid, float]] = []
    for number in range(7):
        z = -205.0 - 15.5 * number
        found.append((disc((0, 18 + 2.0 * number, z), (15, 11, 5.6)), 0.7))
    for number in range(12):
        z = -318.0 - 21.0 * number
        y = 34 + 26 * math.sin(math.pi * (number + 1.5) / 14)
        found += _vertebra(y, z, 15 + 0.4 * number, 8.6, 0.95)
    for number in range(5):
        found += _vertebra(46 - 4.0 * (2 - abs(number - 2)), -578.0 - 33.0 * number, 23 + number, 13.0, 1.15)
    return found


def _vertebra(y: float, z: float, half_wide: float, half_high: float, dense: float) -> list[tuple[Solid, float]]:
    arch = block((0, y + 30, z - 3), (half_wide * 1.15, 7.0, half_high * 0.55))
    spine = block((0, y + 44, z - 9), (3.2, 12.0, half_high * 0.6))
    return [(disc((0, y, z), (half_wide, half_wide * 0.78, half_high)), dense), (arch, dense * 0.9), (spine, dense)]


def _rib(number: int) -> list[Solid]:
    """Return a rib of the left side, 0 the uppermost: from the spine round to the front, and down."""
    wide = (62, 88, 106, 118, 127, 133, 137, 139, 138, 133, 124, 112)[number]
    deep = (46, 60, 71, 79, 85, 89, 92, 93, 92, 88, 80, 72)[number]
    ends = (165, 162, 159, 156, 153, 150, 146, 138, 128, 116, 92, 66)[number]
    falls = (30, 44, 56, 66, 76, 86, 94, 98, 98, 92, 66, 40)[number]
    high = -318.0 - 21.0 * number
    back = 34 + 26 * math.sin(math.pi * (number + 1.5) / 14) + 22
    places: list[Position] = []
    for step in range(13):
        turn = math.radians(8 + (ends - 8) * step / 12)
        share = step / 12
        places.append((wide * math.sin(turn), back - deep + deep * math.cos(turn), high - falls * share**1.25))
    return chain(places, 5.2)


def _limbs() -> list[tuple[Solid, float]]:
    """Return arms and legs of the left side."""
    arm = [
        (ball((172, 26, -336), (21, 21, 22)), 1.15), (rod((180, 26, -350), (206, 32, -610), 9.5), 0.5),
        (ball((207, 32, -618), (24, 13, 17)), 0.95), (rod((203, 28, -630), (206, 6, -842), 6.0), 0.45),
        (rod((215, 32, -630), (222, 10, -842), 6.0), 0.5), (ball((214, 8, -856), (23, 12, 16)), 0.95),
    ]  # fmt: skip
    arm += [(rod((206 + 7.0 * f, 6, -872), (202 + 9.0 * f, 2, -1000 + 7.0 * abs(f - 1.5)), 3.6), 0.5) for f in range(4)]
    leg = [
        (ball((92, 18, -868), (25, 25, 25)), 0.7), (rod((97, 18, -870), (140, 22, -894), 15.0), 0.8),
        (ball((142, 24, -902), (19, 19, 24)), 0.7), (rod((136, 22, -915), (92, 14, -1258), 13.5), 0.5),
        (ball((88, 16, -1290), (38, 29, 24)), 0.55), (ball((88, -18, -1284), (18, 9, 20)), 0.7),
        (ball((86, 16, -1330), (35, 27, 18)), 0.55), (rod((83, 12, -1346), (78, 26, -1648), 11.5), 0.5),
        (rod((110, 24, -1350), (98, 32, -1650), 5.5), 0.4), (ball((82, 26, -1668), (25, 22, 18)), 1.0),
        (ball((82, 52, -1698), (20, 27, 17)), 0.55), (ball((86, 14, -1704), (22, 32, 15)), 0.9),
    ]  # fmt: skip
    leg += [(rod((70 + 9.0 * t, -6, -1706), (70 + 11.0 * t, -82, -1716), 4.6), 0.6) for t in range(4)]
    return arm + leg


def _trunk() -> list[tuple[Solid, float]]:
    """Return shoulder girdle and pelvis of the left side."""
    shoulder = [
        (rod((22, -72, -344), (90, -48, -326), 6.0), 0.75), (rod((90, -48, -326), (158, -2, -318), 6.0), 0.75),
        (ball((16, -76, -347), (13, 9, 11)), 1.5), (ball((160, 12, -322), (20, 13, 9)), 1.4),
        (ball((98, 84, -400), (46, 5, 78), tilt_deg=(6, 0, 16)), 0.6),
        (rod((62, 92, -376), (150, 40, -330), 7.0), 0.85),
        (rod((76, 96, -468), (136, 62, -360), 5.0), 0.7), (ball((146, 34, -350), (13, 14, 20)), 1.3),
    ]  # fmt: skip
    pelvis = [
        (ball((92, 24, -776), (58, 11, 62), tilt_deg=(-14, 20, 40)), 0.8),
        (rod((42, 58, -752), (112, 12, -722), 8.0), 0.85), (rod((112, 12, -722), (134, -32, -778), 8.5), 0.95),
        (rod((44, 62, -748), (38, 70, -812), 9.0), 2.0), (rod((120, -14, -790), (98, 6, -846), 12.0), 0.75),
        (shell((92, 16, -866), (38, 36, 36), 0.72, cut=0.75), 0.85), (rod((86, -10, -868), (14, -40, -898), 9.0), 0.7),
        (rod((82, 34, -886), (58, 44, -944), 14.0), 0.8), (rod((58, 40, -944), (18, -30, -908), 8.0), 0.65),
    ]  # fmt: skip
    return shoulder + pelvis


def _middle() -> list[tuple[Solid, float]]:
    """Return skull, sternum and sacrum, which lie in the middle."""
    turns = [math.radians(t) for t in range(-96, 97, 16)]
    jaw: list[Position] = [
        (46 * math.sin(turn), -22 - 52 * math.cos(turn), -188 + 26 * abs(math.sin(turn))) for turn in turns
    ]
    return [
        (shell((0, 8, -92), (75, 94, 92), 0.9), 0.75), (ball((0, 34, -158), (42, 34, 12)), 0.9),
        (ball((0, -60, -146), (34, 20, 22)), 1.15), (ball((0, -52, -122), (46, 12, 10)), 0.8),
        *((solid, 0.75) for solid in chain(jaw, 7.0)),
        (disc((0, -77, -368), (24, 7, 26)), 1.15), (block((0, -84, -446), (15, 5.5, 52)), 0.95),
        (block((0, 64, -752), (40, 16, 18), tilt_deg=(-24, 0, 0)), 1.25),
        (block((0, 76, -790), (29, 13, 24), tilt_deg=(-20, 0, 0)), 1.15),
        (block((0, 80, -834), (14, 9, 26), tilt_deg=(14, 0, 0)), 0.95),
    ]  # fmt: skip


def bones() -> list[tuple[Solid, float]]:
    """Return all bones with how dense their uptake is, over that of a vertebra of the middle."""
    ribs = [(solid, 0.55) for number in range(12) for solid in _rib(number)]
    sides = [*_trunk(), *_limbs(), *ribs]
    return [*_middle(), *_spine(), *sides, *((solid.mirrored(), dense) for solid, dense in sides)]


def limbs() -> tuple[list[Solid], list[Solid]]:
    """Return what the skin of both arms and of both legs holds."""
    arms = both([
        rod((188, 24, -352), (208, 30, -610), 43.0), rod((208, 30, -610), (216, 8, -852), 34.0),
        ball((213, 4, -934), (38, 16, 82)),
    ])  # fmt: skip
    legs = both([
        rod((88, 14, -912), (88, 12, -1270), 76.0), rod((88, 12, -1270), (86, 16, -1350), 60.0),
        rod((86, 16, -1350), (82, 26, -1690), 48.0), block((84, -8, -1716), (34, 84, 26)),
    ])  # fmt: skip
    return arms, legs


def trunk() -> list[Solid]:
    """Return what the skin of head, neck and trunk holds; solids beside each other, for they would add up."""
    return [
        ball((0, 8, -104), (80, 100, 104)), shell((0, -28, -158), (58, 72, 62), 0.0, cut=-0.5),
        disc((0, 22, -246), (58, 58, 46)), shell((0, 16, -340), (178, 88, 52), 0.0, cut=0.0, tilt_deg=(180, 0, 0)),
        disc((0, 10, -470), (160, 108, 130)), disc((0, 10, -680), (150, 106, 80)), disc((0, 14, -825), (170, 104, 65)),
        shell((0, 14, -890), (166, 98, 60), 0.0, cut=0.0),
    ]  # fmt: skip
