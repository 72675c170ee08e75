"""Trunks: hearts that beat, by their blood or by their wall, kidneys with a tracer, a breast with a sentinel node."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from daq.errors import UsageError
from simulators.camera.body import BONE, LUNG, SPONGY, WATER, Body, Organ, organ
from simulators.camera.solids import Beat, Solid, ball, block, chain, disc, rod, shell
from simulators.pet.model import Position

Curve = tuple[tuple[float, float], ...]
Stuff = tuple[tuple[Solid, float], ...]

_LEFT: Position = (38.0, -22.0, 4.0)
"""Middle of the left ventricle."""
_TILT: Position = (-38.0, -52.0, 0.0)
"""Its long axis points from the apex, to the left, to the front and down, to the base."""
_WALL_MM: Position = (31.0, 31.0, 50.0)
_HOLLOW = 0.74
"""The cavity's half axes over those of the wall, at its largest: 82 ml."""
_OPEN = 0.72
HOUR, DAY = 3600.0, 86400.0


def trunk() -> Stuff:
    """Return what attenuates: a chest of 340 mm by 230 mm, lungs, liver, spine, breastbone; z is 0 at the heart."""
    lungs = [ball((82, 8, 12), (58, 82, 125)), ball((-80, 8, 12), (62, 84, 125))]
    return (
        (disc((0, 0, -40), (170, 115, 210)), WATER), *((solid, LUNG) for solid in lungs),
        (ball((18, -20, 0), (66, 50, 58)), WATER), (_LIVER, WATER), (disc((0, 72, -40), (20, 17, 210)), SPONGY),
        (block((0, -101, 20), (17, 6, 70)), BONE),
    )  # fmt: skip


_LIVER = ball((-72, -8, -104), (82, 84, 62))
_SPLEEN = ball((112, 40, -92), (28, 24, 48), tilt_deg=(0, 20, 0))


def blood_pool() -> Body:
    """Return a trunk with labelled red cells: both ventricles beat, all else of the blood does not."""
    left = replace(ball(_LEFT, tuple_of(_WALL_MM, _HOLLOW), tilt_deg=_TILT), beat=Beat.CAVITY)
    right = replace(ball((-8, -46, 2), (33, 20, 44), tilt_deg=(-24, -20, -30)), beat=Beat.CAVITY)
    great = [
        ball((2, 22, 34), (30, 20, 22)), ball((-38, -18, 34), (22, 22, 26)), *chain([(4, -6, 50), (-2, -4, 90)], 14.0),
        *chain([(-2, -4, 90), (12, 40, 102), (14, 62, 80), (14, 58, -240)], 12.0),
        *chain([(-34, -4, 50), (-34, 0, 130)], 10.0),
    ]  # fmt: skip
    parts = (
        organ("blood in the left ventricle", [left], 0.022), organ("blood in the right ventricle", [right], 0.022),
        organ("atria and great vessels", great, 0.062), organ("liver", [_LIVER], 0.075),
        organ("spleen", [_SPLEEN], 0.03),
        organ("lungs", [ball((82, 8, 12), (58, 82, 125)), ball((-80, 8, 12), (62, 84, 125))], 0.08),
        organ("other blood", [disc((0, 0, -40), (170, 115, 210))], 0.24),
    )  # fmt: skip
    return Body("blood-pool", parts, trunk(), voxel_mm=5.0, after_s=1200.0)


def myocardium(*, defect: float = 0.0) -> Body:
    """Return a trunk with a tracer of the wall of the left ventricle; `defect` 1: nothing in its inferior wall."""
    wall = replace(shell(_LEFT, _WALL_MM, _HOLLOW, cut=_OPEN, tilt_deg=_TILT), beat=Beat.WALL)
    right = shell((-6, -44, 2), (36, 23, 47), 0.86, cut=0.6, tilt_deg=(-24, -20, -30))
    parts = (
        organ("wall of the left ventricle", [wall], 0.014), organ("wall of the right ventricle", [right], 0.0025),
        organ("liver", [_LIVER], 0.03), organ("gall bladder", [ball((-52, -62, -128), (13, 13, 22))], 0.012),
        organ("lungs", [ball((82, 8, 12), (58, 82, 125)), ball((-80, 8, 12), (62, 84, 125))], 0.018),
        organ("rest of the trunk", [disc((0, 0, -40), (170, 115, 210))], 0.16),
    )  # fmt: skip
    cold = (ball((40, -8, -26), (17, 17, 15)),) if defect else ()
    return Body("myocardium", parts, trunk(), voxel_mm=4.0, after_s=2700.0, cold=cold)


def tuple_of(half_mm: Position, factor: float) -> Position:
    """Return half axes that are so many times as long."""
    return half_mm[0] * factor, half_mm[1] * factor, half_mm[2] * factor


_AORTA: Curve = ((0, 0.0), (6, 0.0), (11, 0.055), (18, 0.03), (40, 0.024), (300, 0.012), (1200, 0.005), (2400, 0.003))
_NORMAL: Curve = (
    (0, 0.0),
    (9, 0.0),
    (20, 0.05),
    (60, 0.14),
    (180, 0.30),
    (360, 0.20),
    (600, 0.11),
    (1200, 0.045),
    (2400, 0.02),
)
_SLOW: Curve = (
    (0, 0.0),
    (9, 0.0),
    (22, 0.035),
    (60, 0.09),
    (240, 0.19),
    (600, 0.22),
    (1200, 0.21),
    (1500, 0.15),
    (2400, 0.08),
)
_IN_LIVER: Curve = ((0, 0.0), (14, 0.0), (40, 0.06), (600, 0.04), (2400, 0.02))
_REST: Curve = ((0, 0.0), (14, 0.0), (40, 0.34), (300, 0.26), (1200, 0.12), (2400, 0.08))
_TAKEN = 0.3
"""Share of the activity in both kidneys in the middle of the second minute."""
_FILLS: Curve = ((0, 0.0), (180, 0.0), (400, 0.08), (900, 0.30), (1800, 0.52), (2400, 0.6))


def renal(*, left: float = 0.55) -> Body:
    """Return a trunk before, while and after a tracer of the kidneys comes; the right one empties slowly.

    `left`: its share of what both take up in the second minute. z is 0 between the kidneys.
    """
    if not 0 <= left <= 1:
        raise UsageError(f"renal of left {left:g}: from 0 to 1")
    sizes = (31.0, 24.0, 56.0)
    kidneys = [ball((68, 54, 4), sizes, tilt_deg=(0, -12, 0)), ball((-68, 54, -12), sizes, tilt_deg=(0, 12, 0))]
    whole = disc((0, 0, -20), (160, 108, 250))
    parts: tuple[Organ, ...] = (
        organ("left kidney", [kidneys[0]], scaled(_NORMAL, left * _TAKEN / height(_NORMAL, 90.0))),
        organ("right kidney", [kidneys[1]], scaled(_SLOW, (1 - left) * _TAKEN / height(_SLOW, 90.0))),
        organ("heart", [ball((22, -26, 150), (48, 44, 54))], _AORTA),
        organ("aorta", chain([(8, 44, 150), (6, 40, -90)], 9.5), scaled(_AORTA, 0.5)),
        organ("bladder", [ball((0, -28, -215), (38, 34, 30))], _FILLS),
        organ("liver", [ball((-70, -6, 78), (80, 80, 52))], _IN_LIVER), organ("rest of the trunk", [whole], _REST),
    )  # fmt: skip
    return Body("renal", parts, ((whole, WATER), (disc((0, 66, -20), (23, 18, 250)), SPONGY)), voxel_mm=5.0)


def height(curve: Curve, at_s: float) -> float:
    """Return a curve at a time."""
    times, shares = zip(*curve, strict=True)
    return float(np.interp(at_s, times, shares))


def scaled(curve: Curve, factor: float) -> Curve:
    """Return a curve that is so many times as high."""
    return tuple((at_s, share * factor) for at_s, share in curve)


def sentinel_node(*, node: float = 0.012) -> Body:
    """Return a trunk with an injection beside a tumour of the left breast and its way to the axilla.

    The first node holds `node` of the activity after an hour, a second one behind it a fifth of that. z is 0 at the
    nipples; the left arm lies beside the head.
    """
    chest = disc((0, 10, 0), (165, 105, 190))
    breasts = [ball((88, -88, -8), (66, 52, 66)), ball((-88, -88, -8), (66, 52, 66))]
    site = [ball((112, -104, 12), 7.0), ball((104, -100, 24), 5.0)]
    way: list[Position] = [(112, -100, 20), (132, -78, 44), (146, -44, 66), (150, -14, 84)]
    nodes = [ball((151, -8, 88), 6.0), ball((136, 14, 112), 5.0)]
    late: Curve = ((0, 0.0), (240, 0.0), (900, node * 0.5), (HOUR, node), (20 * HOUR, node * 1.6))
    parts = (
        organ("injection", site, ((0, 0.0), (2, 0.97), (HOUR, 0.94), (20 * HOUR, 0.88)), weights=[1.0, 0.7]),
        organ("lymph vessel", chain(way, 1.6), ((0, 0.0), (60, 0.0), (300, 0.006), (1500, 0.004), (HOUR, 0.001))),
        organ("sentinel node", [nodes[0]], late), organ("second node", [nodes[1]], scaled(late, 0.2)),
        organ("chest", [chest], ((0, 0.0), (600, 0.004), (HOUR, 0.015), (20 * HOUR, 0.05))),
        organ("liver", [ball((-70, 0, -140), (78, 76, 46))], ((0, 0.0), (900, 0.001), (HOUR, 0.008), (DAY, 0.03))),
    )  # fmt: skip
    arm = rod((176, 6, 130), (200, 4, 330), 44.0)
    stuff: Stuff = (
        (chest, WATER), *((solid, WATER) for solid in breasts), (ball((150, 4, 120), (48, 60, 50)), WATER),
        (arm, WATER),
        (ball((72, 8, 20), (56, 70, 120)), LUNG), (ball((-72, 8, 20), (56, 70, 120)), LUNG),
        (ball((20, -24, 10), (50, 44, 54)), WATER), (disc((0, 74, 0), (19, 16, 190)), SPONGY),
    )  # fmt: skip
    return Body("sentinel-node", parts, stuff, voxel_mm=5.0, after_s=900.0)
