"""A body with a bone tracer: what is in bones, blood, kidneys and bladder from the injection on, and where foci are.

Shares are chosen to look as pictures look: bone takes up a third in hours, the kidneys pass the rest into the bladder,
which has been emptied, and the blood of the first minutes fades.
"""

from __future__ import annotations

from daq.errors import UsageError
from simulators.camera.body import AIR, BONE, LUNG, SPONGY, WATER, Body, Organ, organ
from simulators.camera.bones import bones, both, limbs, trunk
from simulators.camera.solids import Solid, ball, chain, disc, rod

Curve = tuple[tuple[float, float], ...]

_HOUR, _FIRST_S = 3600.0, 60.0
BONE_CURVE: Curve = ((0, 0.0), (20, 0.0), (60, 0.01), (300, 0.05), (_HOUR, 0.22), (3 * _HOUR, 0.33), (24 * _HOUR, 0.36))
BLOOD_CURVE: Curve = (
    (0, 0.0), (15, 0.0), (26, 0.55), (60, 0.78), (300, 0.62), (_HOUR, 0.22), (3 * _HOUR, 0.085), (24 * _HOUR, 0.02)
)  # fmt: skip
"""Of blood and soft tissue; that of the first seconds is in vessels. In limbs it is later: `_late`."""
VEIN_CURVE: Curve = ((0, 0.0), (2, 0.9), (6, 0.45), (12, 0.04), (40, 0.0))
HEART_CURVE: Curve = (
    (0, 0.0), (3, 0.0), (7, 0.45), (14, 0.22), (30, 0.08), (300, 0.045), (_HOUR, 0.014), (3 * _HOUR, 0.005)
)  # fmt: skip
LUNG_CURVE: Curve = (
    (0, 0.0),
    (5, 0.0),
    (10, 0.5),
    (16, 0.2),
    (40, 0.06),
    (300, 0.03),
    (_HOUR, 0.01),
    (3 * _HOUR, 0.003),
)
ARTERY_CURVE: Curve = (
    (0, 0.0), (10, 0.0), (16, 0.2), (24, 0.09), (60, 0.05), (300, 0.03), (_HOUR, 0.008), (3 * _HOUR, 0.002)
)  # fmt: skip
KIDNEY_CURVE: Curve = (
    (0, 0.0),
    (16, 0.0),
    (40, 0.03),
    (300, 0.08),
    (_HOUR, 0.035),
    (3 * _HOUR, 0.014),
    (24 * _HOUR, 0.004),
)
BLADDER_CURVE: Curve = ((0, 0.0), (120, 0.002), (_HOUR, 0.02), (3 * _HOUR, 0.014), (24 * _HOUR, 0.01))
LESION_CURVE: Curve = ((0, 0.0), (15, 0.0), (24, 0.2), (300, 0.35), (_HOUR, 0.7), (3 * _HOUR, 1.0), (24 * _HOUR, 1.1))
"""Of a focus, over what it has after three hours: it is well supplied with blood, and seen in the first pass."""


_VEIN = chain(
    [(200, 4, -640), (196, 6, -480), (182, -4, -350), (100, -40, -335), (14, -30, -360), (12, -16, -440)], 6.0
)
_AORTA = chain([(10, -10, -420), (12, 30, -390), (12, 44, -440), (8, 34, -700)], 10.0)
_LUNGS = both([ball((70, 12, -452), (54, 76, 124))])
_HEART = ball((24, -24, -476), (44, 42, 52))
_KIDNEYS = [
    ball((66, 58, -628), (26, 20, 50), tilt_deg=(0, -10, 0)), ball((-66, 58, -642), (26, 20, 50), tilt_deg=(0, 10, 0))
]  # fmt: skip
MARROW = 0.6
"""Bones that take up more are taken as full of marrow, others as mostly rind."""


def times(curve: Curve, factor: float) -> Curve:
    """Return a curve that is so many times as high."""
    return tuple((at_s, share * factor) for at_s, share in curve)


def stuff(bone: list[tuple[Solid, float]]) -> tuple[tuple[Solid, float], ...]:
    """Return what attenuates: soft tissue, lungs, bones."""
    arms, legs = limbs()
    skin = [*trunk(), *arms, *legs]
    return (
        *((solid, WATER) for solid in skin), *((solid, LUNG) for solid in _LUNGS), (_HEART, WATER),
        *((solid, SPONGY if dense > MARROW else BONE) for solid, dense in bone),
        (ball((0, 8, -92), (66, 84, 82)), WATER), (disc((0, -34, -186), (14, 16, 30)), AIR),
    )  # fmt: skip


def _late(curve: Curve, by_s: float, factor: float) -> Curve:
    """Return a curve that is so many times as high, and later where it rises in the first minute."""
    return tuple((at_s + by_s if 0 < at_s < _FIRST_S else at_s, share * factor) for at_s, share in curve)


def _blood() -> list[Organ]:
    """Return blood on its way from a vein of the left arm, and then everywhere: in legs and hands it is later."""
    arms, legs = limbs()
    groups = {"trunk": (trunk(), 0.0), "arms": (arms, 5.0), "legs": (legs, 9.0)}
    total = sum(volume(solids) for solids, _ in groups.values())
    soft = [
        organ(f"blood and soft tissue of the {name}", solids, _late(BLOOD_CURVE, by_s, volume(solids) / total))
        for name, (solids, by_s) in groups.items()
    ]
    iliac = both(chain([(8, 34, -700), (45, 26, -770), (80, -14, -880), (84, 4, -1240)], 6.0))
    return [
        *soft, organ("vein of the left arm", _VEIN, VEIN_CURVE), organ("blood in the heart", [_HEART], HEART_CURVE),
        organ("blood in the lungs", _LUNGS, LUNG_CURVE), organ("aorta", _AORTA, times(ARTERY_CURVE, 0.6)),
        organ("arteries of the legs", iliac, _late(times(ARTERY_CURVE, 0.4), 2.0, 1.0)),
    ]  # fmt: skip


def volume(solids: list[Solid]) -> float:
    """Return the volume of solids, in mm3."""
    return sum(solid.volume_mm3 for solid in solids)


LESIONS: dict[str, tuple[Solid, float]] = {
    "lesion in front, fourth rib on the left": (ball((95, -50, -436), (12, 9, 9)), 0.0026),
    "lesion in front, sternum": (ball((4, -85, -470), (11, 7, 12)), 0.0020),
    "lesion at the back, ninth rib on the right": (ball((-95, 75, -498), (12, 9, 9)), 0.0024),
    "lesion at the back, second lumbar vertebra": (ball((-12, 66, -612), (14, 14, 13)), 0.0034),
    "lesion at the back, ilium on the right": (ball((-66, 58, -765), (17, 11, 17)), 0.0034),
    "lesion in the right femur": (rod((-126, 20, -985), (-118, 18, -1050), 15.0), 0.0036),
    "lesion of the skull, on the left at the back": (ball((46, 66, -52), (13, 13, 13)), 0.0018),
    "injection site, left elbow": (ball((200, 2, -640), (9, 7, 12)), 0.0016),
}
"""Shares of the injected activity after three hours; no two sides of the body have the same."""


def skeleton(*, lesions: float = 1.0, bone: float = 1.0) -> Body:
    """Return the body; `lesions` and `bone` times as much uptake as usual. Raises `UsageError`."""
    if lesions < 0 or bone < 0:
        raise UsageError(f"skeleton of lesions {lesions:g}, bone {bone:g}: must be zero or more")
    found = bones()
    solids, dense = [solid for solid, _ in found], [weight for _, weight in found]
    organs: list[Organ] = [
        organ("bone", solids, times(BONE_CURVE, bone), weights=dense), *_blood(),
        organ("kidneys", _KIDNEYS, KIDNEY_CURVE),
        organ("bladder", [ball((0, -28, -872), (40, 34, 32))], BLADDER_CURVE),
    ]  # fmt: skip
    organs += [
        organ(name, [solid], times(LESION_CURVE, share * lesions))
        for name, (solid, share) in LESIONS.items()
        if lesions
    ]
    return Body("skeleton", tuple(organs), stuff(found), voxel_mm=5.0, after_s=3 * _HOUR, leads=True)
